"""Hash the state of a workspace as it streams by: of any size, in bounded memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from ingest import canonical, state
from models.database_scratch import Pile
from models.database_snapshot import Snapshot
from models.values import Outcome, Workspace

_CHUNK = 1_000

Take = Callable[[bytes], None]


async def state_hash(
    made: Snapshot, live: Snapshot, workspace: Workspace, folder: Path, watch: Callable[[int], None]
) -> str:
    """Return the SHA-256 of the state's canonical JSON; `watch` hears of events whose receipt is told.

    What follows from the log is read from `made`, what waits beside it from `live`. Receipts are
    sorted in a file of `folder`.
    """
    told = sha256()
    take = told.update
    take(b'{"accounts":')
    await _members(take, state.accounts(made, workspace))
    take(b',"customers":')
    await _members(take, state.customers(made, workspace))
    take(b',"erasures":')
    await _elements(take, state.erasures(made, workspace))
    take(b',"quarantine":')
    await _elements(take, state.quarantine(live, workspace))
    take(b',"receipts":')
    pile = Pile(folder / "receipts.db", 5)
    try:
        await _pile_up(pile, state.standings(made, workspace), watch)
        await _pile_up(pile, state.held(live, workspace), watch)
        standings = ((*row[:3], Outcome(row[3]), row[4]) for row in pile.sorted())
        first = True
        for piece in state.receipts(standings):
            take((b"[" if first else b",") + canonical.encode(piece))
            first = False
        take(b"[]}" if first else b"]}")
    finally:
        pile.close()
    return told.hexdigest()


async def _members(take: Take, pieces: AsyncIterator[tuple[str, dict[str, Any]]]) -> None:
    opening = b"{"
    async for name, piece in pieces:
        take(opening + canonical.encode(name) + b":" + canonical.encode(piece))
        opening = b","
    take(b"{}" if opening == b"{" else b"}")


async def _elements(take: Take, pieces: AsyncIterator[dict[str, Any]]) -> None:
    opening = b"["
    async for piece in pieces:
        take(opening + canonical.encode(piece))
        opening = b","
    take(b"[]" if opening == b"[" else b"]")


async def _pile_up(
    pile: Pile, standings: AsyncIterator[state.Standing], watch: Callable[[int], None]
) -> None:
    chunk = []
    async for one in standings:
        chunk.append(one)
        if len(chunk) == _CHUNK:
            pile.add(chunk)
            watch(len(chunk))
            chunk = []
    pile.add(chunk)
    watch(len(chunk))
