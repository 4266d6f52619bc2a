"""Make the state of a workspace again from a moment of its log, in a database beside the live one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingest import log, soundness, store
from ingest.log import Fresh
from models.database import Database, Row, Transaction
from models.database_scratch import open_scratch
from models.database_snapshot import Snapshot
from models.migrate import upgrade
from models.values import Workspace

_BATCH = 2_000
# By time, so that hardly anything comes late and the log need not be asked.
_READ = (
    "SELECT e.key, e.message_id, e.at, e.received_at, e.veil, e.body FROM events e"
    " WHERE e.workspace_id = ?1 ORDER BY e.at, e.id"
)
_MADE = (
    *("events", "identities", "links", "aliases", "customers", "accounts", "memberships"),
    *("audiences", "flags", "intervals", "kept_indexes", "trait_values", "words", "workspaces"),
)
_INDEX = ("id", "kind", "key", "state", "hot", "asked_at", "stage", "done")
_INDEXES = f"SELECT {', '.join(_INDEX)} FROM kept_indexes WHERE workspace_id = ?1 AND state = 1"

_BROKEN_MAX = 100
"""Rows that are told of; who has so many has lost the log."""

Watch = Callable[[int], None]
"""What hears of progress: of so many more events."""


@dataclass(slots=True)
class Heard:
    """What was found in the log: how many events, and rows that nobody wrote as they are."""

    events: int = 0
    broken: list[Row] = field(default_factory=list)


@asynccontextmanager
async def open_beside(folder: Path) -> AsyncIterator[Database]:
    """Give an empty database in `folder`, to be thrown away."""
    path = folder / "beside.db"
    await upgrade(f"sqlite+aiosqlite:///{path}")
    beside = await open_scratch(path)
    try:
        yield beside
    finally:
        await beside.close()


async def make_state(
    beside: Database, snapshot: Snapshot, workspace: Workspace, watch: Watch
) -> Heard:
    """Fold the whole log of a workspace into `beside`, where there may be another state of it."""
    indexes = [row async for row in snapshot.rows(_INDEXES, (workspace.id,))]
    await beside.write(lambda tx: _begin(tx, workspace, indexes))
    heard = Heard()
    async for batch in _batches(snapshot, workspace):
        read = [_fresh(workspace, row, heard.broken) for row in batch]
        fresh = [one for one in read if one is not None]

        async def fold(tx: Transaction, fresh: list[Fresh] = fresh) -> None:
            await store.replay(tx, workspace, fresh)

        await beside.write(fold)
        heard.events += len(batch)
        watch(len(batch))
    return heard


def _fresh(workspace: Workspace, row: Row, broken: list[Row]) -> Fresh | None:
    key, message_id, at, received_at, _, body = row
    veil = soundness.veil_of(row)
    if veil is None or not soundness.is_named(workspace.name, row):
        if len(broken) < _BROKEN_MAX:
            broken.append(row)
        return None
    return Fresh(bytes(key), log.restore((key, message_id, at, received_at, veil, body)))


async def _begin(tx: Transaction, workspace: Workspace, indexes: list[Row]) -> None:
    for table in _MADE:
        by = "id" if table == "workspaces" else "workspace_id"
        await tx.fetch(f"DELETE FROM {table} WHERE {by} = ?1", (workspace.id,))
    sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (?1, ?2, 0, ?3)"
    await tx.fetch(sql, (workspace.id, workspace.name, b""))
    # So that they are kept here, too, from the first event on.
    await tx.insert("kept_indexes", _INDEX, workspace.id, indexes)


async def _batches(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[list[Row]]:
    batch: list[Row] = []
    async for row in snapshot.rows(_READ, (workspace.id,)):
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
