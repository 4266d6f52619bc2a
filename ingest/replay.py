"""The state of a workspace as one canonical value, keyed by identifiers, to compare and to hash."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ingest import canonical, state
from models.database import Database
from models.database_snapshot import Snapshot, open_snapshot
from models.values import Workspace

State = dict[str, Any]


async def dump(database: Database, workspace: Workspace) -> State:
    """Return all that is known in `workspace`; row numbers and keys are left out."""
    async with open_snapshot(database.url) as moment:
        return await dump_at(moment, workspace)


async def dump_at(moment: Snapshot, workspace: Workspace) -> State:
    """Return all that was known in `workspace` at a moment, as `dump` does."""
    standings = [one async for one in state.standings(moment, workspace)]
    standings += [one async for one in state.held(moment, workspace)]
    return {
        "customers": {n: piece async for n, piece in state.customers(moment, workspace)},
        "accounts": {n: piece async for n, piece in state.accounts(moment, workspace)},
        "erasures": [piece async for piece in state.erasures(moment, workspace)],
        "quarantine": [piece async for piece in state.quarantine(moment, workspace)],
        "receipts": list(state.receipts(iter(sorted(standings, key=state.order)))),
    }


def digest(said: State) -> str:
    """Return the SHA-256 of a state's canonical JSON."""
    return sha256(canonical.encode(said)).hexdigest()
