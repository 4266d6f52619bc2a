"""Keep who asked for which change, and what came of it; never what it said."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from ingest.canonical import clean
from models.database import Database, Transaction, Unavailable
from models.values import Erased, Micros, Outcome, Receipt, Workspace

COLUMNS = (
    "id",
    "key",
    "at",
    "api_key",
    "action",
    "succeeded",
    "message_id",
    "outcome",
    "mark",
    "report",
)

NOTES_MAX = 1_000
"""Entries that may wait to be stored, a second's worth; what comes beyond is counted in the log of the server."""

_ID_BYTES_MAX = 512
_ERASURE = (
    "SELECT a.report, a.at FROM audit a WHERE a.workspace_id = ?1 AND a.mark = ?2"
    " AND a.message_id = ?3 AND a.report IS NOT NULL ORDER BY a.at, a.key LIMIT 1"
)
_OLD = "SELECT key FROM audit WHERE workspace_id = ?1 AND at < ?2 ORDER BY at LIMIT 1000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One change that was asked for: its own key, when, with which API key, and what it is called."""

    key: bytes
    at: Micros
    # None where it was the command line.
    api_key: bytes | None
    action: str
    succeeded: bool = True
    message_id: str | None = None
    outcome: str | None = None
    mark: bytes | None = None
    report: str | None = None

    def refused(self, message_id: object = None) -> Entry:
        """Return it as of something that was not done, with the messageId that came with it."""
        said = message_id if isinstance(message_id, str) else ""
        short = len(said.encode(errors="replace")) <= _ID_BYTES_MAX
        return replace(self, succeeded=False, message_id=clean(said) if said and short else None)

    def answered(self, receipt: Receipt) -> Entry:
        """Return it with what became of the message it stated."""
        report = None
        if self.mark is not None and receipt.erased is not None:
            report = msgspec.json.encode(receipt.erased).decode()
        return replace(
            self,
            succeeded=receipt.outcome is not Outcome.QUARANTINED,
            message_id=receipt.message_id,
            outcome=receipt.outcome.value,
            report=report,
        )


class Erasure(NamedTuple):
    """What an erasure that was asked for before has removed, and when."""

    erased: Erased
    at: Micros


async def write(tx: Transaction, workspace: Workspace, entries: Sequence[Entry]) -> None:
    """Write entries in the transaction of what they are about."""
    if not entries:
        return
    numbers = await tx.new_ids("audit", workspace.id, len(entries))
    rows = [
        (
            *(number, one.key, one.at, one.api_key, one.action, int(one.succeeded)),
            *(one.message_id, one.outcome, one.mark, one.report),
        )
        for number, one in zip(numbers, entries, strict=True)
    ]
    await tx.insert("audit", COLUMNS, workspace.id, rows)


async def erasure(
    database: Database, workspace: Workspace, mark: bytes, message_id: str
) -> Erasure | None:
    """Return what the erasure that was asked for in these words, under this messageId, has removed."""
    for report, at in await database.read(_ERASURE, (workspace.id, mark, message_id)):
        return Erasure(msgspec.json.decode(report, type=Erased), at)
    return None


async def forget(database: Database, workspace: Workspace, before: Micros) -> int:
    """Remove the entries of before a time, some at once so that nobody waits long; return how many."""
    removed = 0
    while True:

        async def work(tx: Transaction) -> int:
            old = await tx.fetch(_OLD, (workspace.id, before))
            await tx.delete("audit", ("key",), workspace.id, old)
            return len(old)

        found = await database.write(work)
        removed += found
        if not found:
            return removed


class Notes:
    """Entries of what wrote nothing, until they are stored: a commit for each would let anyone slow down the others."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Workspace, Entry]] = deque()
        self.dropped = 0

    def note(self, workspace: Workspace, entry: Entry) -> None:
        """Remember an entry; beyond what may wait it is only counted."""
        if len(self._waiting) >= NOTES_MAX:
            self.dropped += 1
        else:
            self._waiting.append((workspace, entry))

    async def store(self, database: Database, lost: Callable[[int], None]) -> None:
        """Store what waits; `lost` hears of how many there was no room."""
        dropped, self.dropped = self.dropped, 0
        if dropped:
            lost(dropped)
        for workspace, entries in _by_workspace(self._waiting):

            async def work(
                tx: Transaction, workspace: Workspace = workspace, entries: list[Entry] = entries
            ) -> None:
                await write(tx, workspace, entries)

            try:
                await database.write(work)
            except Unavailable:
                for entry in entries:
                    self.note(workspace, entry)


def _by_workspace(
    waiting: deque[tuple[Workspace, Entry]],
) -> Iterable[tuple[Workspace, list[Entry]]]:
    found: dict[int, tuple[Workspace, list[Entry]]] = {}
    while waiting:
        workspace, entry = waiting.popleft()
        found.setdefault(workspace.id, (workspace, []))[1].append(entry)
    return found.values()
