"""Check the state against the log, and mend what differs while others go on writing.

The truth is made beside, from one moment of the log. What differs is made again in place, from the
log as it is by then, a few customers or accounts in one transaction; then all is compared once more.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ingest.beside import Heard, make_state
from ingest.compare import Difference, Suspects, differences
from ingest.mending import Mending
from ingest.naming import told
from ingest.progress import Progress, counting, quiet
from ingest.state_hash import state_hash
from models.database import Database, Row
from models.database_snapshot import Snapshot, open_snapshot
from models.values import Workspace

ROUNDS_MAX = 4
"""Rounds of mending: a second one is needed only where what was wrong led others astray meanwhile."""


class Unmendable(Exception):
    """The log itself is not as it was written, or does not lead to one state; the message says what to do."""


@dataclass(slots=True)
class Verdict:
    """What a comparison of one moment of a workspace came to."""

    events: int = 0
    # The first one, and how many there are.
    difference: Difference | None = None
    differences: int = 0
    broken: list[Row] = field(default_factory=list)
    suspects: Suspects = field(default_factory=Suspects)
    # Of the state, where it was asked for and the state is what the log says.
    hash: str | None = None

    @property
    def ok(self) -> bool:
        """Return whether the state is what the log says."""
        return self.difference is None


async def check(
    url: str,
    beside: Database,
    workspace: Workspace,
    progress: Progress = quiet,
    hash_in: Path | None = None,
) -> Verdict:
    """Return whether the state of a workspace is, at this moment, what its log says.

    `beside` is of `open_beside`. Where a folder is given to sort in, the state is hashed, too.
    """
    async with open_snapshot(url) as live:
        total = await _count(live, workspace)
        watch = counting(progress, "Folding the log", total)
        heard = await make_state(beside, live, workspace, watch)
        async with open_snapshot(beside.url) as made:
            verdict = await _compare(live, made, workspace, heard, progress)
            if hash_in is not None and verdict.ok:
                watch = counting(progress, "Hashing the state", total)
                verdict.hash = await state_hash(made, live, workspace, hash_in, watch)
    return verdict


async def rebuild(
    live: Database,
    beside: Database,
    workspace: Workspace,
    progress: Progress = quiet,
    hash_in: Path | None = None,
) -> list[Verdict]:
    """Make the state of a workspace what its log says; return what each round found, the last nothing.

    Raise Unmendable where the log itself is broken.
    """
    verdicts: list[Verdict] = []
    while len(verdicts) < ROUNDS_MAX:
        verdict = await check(live.url, beside, workspace, progress, hash_in)
        verdicts.append(verdict)
        if verdict.ok:
            return verdicts
        if verdict.broken:
            raise Unmendable(
                f"the log itself is not as it was written ({verdict.difference});"
                " restore it from a backup. Nothing was changed"
            )
        await Mending(live, beside, workspace, progress).mend(verdict.suspects)
    raise Unmendable(f"it still differs after {ROUNDS_MAX} rounds: {verdicts[-1].difference}")


async def _count(live: Snapshot, workspace: Workspace) -> int:
    sql = "SELECT count(*) FROM events WHERE workspace_id = ?1"
    rows = [row async for row in live.rows(sql, (workspace.id,))]
    total: int = rows[0][0]
    return total


async def _compare(
    live: Snapshot, made: Snapshot, workspace: Workspace, heard: Heard, progress: Progress
) -> Verdict:
    verdict = Verdict(events=heard.events, broken=heard.broken)
    for row in heard.broken:
        verdict.differences += 1
        said = "what its key is a hash of"
        broken = Difference("events", {"messageId": row[1]}, "body", row[-1], said)
        verdict.difference = verdict.difference or broken
    async for difference in differences(live, made, workspace, verdict.suspects, progress):
        verdict.differences += 1
        verdict.difference = verdict.difference or difference
    if verdict.difference is not None:
        # What is made again knows best what keys stand for.
        verdict.difference = await told(verdict.difference, workspace, (made, live))
    return verdict
