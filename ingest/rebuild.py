"""Make the state again from the log, beside the live one, and say where the two differ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest import log, store
from ingest.log import Fresh
from ingest.streams import STREAMS, Stream
from models.database import Database, Row, Transaction, open_database
from models.migrate import upgrade
from models.values import Workspace

_BATCH = 1_000
_READ = "SELECT key, message_id, at, received_at, veil, body, id FROM events"
_TIMEOUT_S = 600.0


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell of the live state that the log says otherwise; a whole row where one lacks it."""

    table: str
    row: str
    column: str
    stored: Any
    computed: Any

    def __str__(self) -> str:
        """Return it as an operator reads it."""
        where = f"{self.table}, row {self.row}, {self.column}"
        return f"{where}: stored {shown(self.stored)}, computed {shown(self.computed)}"


async def state_beside(
    live: Database, workspace: Workspace, folder: Path, watch: Callable[[int], None]
) -> Database:
    """Fold the whole log into a new database in `folder`, and return it; `watch` hears of each batch."""
    url = f"sqlite+aiosqlite:///{folder / 'rebuilt.db'}"
    await upgrade(url)
    beside = await open_database(url, readers=1)
    rows = await live.read(
        "SELECT name, created_at, erasure_key FROM workspaces WHERE id = ?1", (workspace.id,)
    )

    async def make(tx: Transaction) -> None:
        sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (?1, ?2, ?3, ?4)"
        await tx.fetch(sql, (workspace.id, *rows[0]))

    await beside.write(make)
    async for batch in _log(live, workspace):

        async def fold(tx: Transaction, batch: list[Fresh] = batch) -> None:
            await store.replay(tx, workspace, batch)

        await beside.write(fold)
        watch(len(batch))
    return beside


async def differences(
    live: Database, beside: Database, workspace: Workspace
) -> AsyncIterator[Difference]:
    """Yield every cell in which the live state differs from the one made again."""
    for stream in STREAMS:
        stored = stream.rows(live, workspace.id)
        computed = stream.rows(beside, workspace.id)
        async for ours, theirs in _paired(stored, computed, len(stream.key)):
            for difference in _compared(stream, ours, theirs):
                yield difference


def shown(value: Any) -> str:
    """Return a value as a report shows it."""
    return value.hex() if isinstance(value, bytes) else repr(value)


async def _log(live: Database, workspace: Workspace) -> AsyncIterator[list[Fresh]]:
    """Yield the log in batches, in the order of its positions."""
    position = 0
    while True:
        where = f"WHERE workspace_id = ?1 AND id > ?2 ORDER BY id LIMIT {_BATCH}"
        rows = await live.read(f"{_READ} {where}", (workspace.id, position), _TIMEOUT_S)
        if not rows:
            return
        yield [Fresh(bytes(row[0]), log.restore(row[:-1])) for row in rows]
        position = rows[-1][-1]


async def _paired(
    stored: AsyncIterator[Row], computed: AsyncIterator[Row], width: int
) -> AsyncIterator[tuple[Row | None, Row | None]]:
    """Yield the rows of both side by side, None where one has no such row."""
    ours, theirs = await anext(stored, None), await anext(computed, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours[:width] < theirs[:width]):
            yield ours, None
            ours = await anext(stored, None)
        elif ours is None or theirs[:width] < ours[:width]:
            yield None, theirs
            theirs = await anext(computed, None)
        else:
            yield ours, theirs
            ours, theirs = await anext(stored, None), await anext(computed, None)


def _compared(stream: Stream, ours: Row | None, theirs: Row | None) -> list[Difference]:
    row = ours if ours is not None else theirs
    if row is None or ours == theirs:
        return []
    name = ", ".join(shown(value) for value in row[: len(stream.key)])
    if ours is None or theirs is None:
        there, missing = "a row", "no row"
        sides = (missing, there) if ours is None else (there, missing)
        return [Difference(stream.name, name, "the whole of it", *sides)]
    cells = zip(stream.names, ours, theirs, strict=True)
    return [
        Difference(stream.name, name, column, mine, other)
        for column, mine, other in cells
        if mine != other
    ]
