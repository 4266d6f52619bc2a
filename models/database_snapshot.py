"""One moment of a database, read at leisure: what others write meanwhile is not seen."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiosqlite

from models import dialect
from models.connection import Row, Unavailable
from models.database import sqlite_path
from models.database_sqlite import BUSY_TIMEOUT_MS

# Few enough to hold, many enough that asking for them costs nothing beside them.
CHUNK_ROWS = 1_000


class Snapshot(Protocol):
    """A moment, and statements that see all of it and nothing later."""

    def rows(self, sql: str, args: Sequence[Any]) -> AsyncIterator[Row]:
        """Yield the rows of one statement as they are found; few are in memory at a time."""
        ...


@asynccontextmanager
async def open_snapshot(url: str) -> AsyncIterator[Snapshot]:
    """Give the present moment of the database at `url`, for as long as it is read."""
    path = sqlite_path(url)
    async with _of_sqlite(path) if path is not None else _of_postgres(url) as snapshot:
        yield snapshot


class _SqliteSnapshot:
    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, args: Sequence[Any]) -> AsyncIterator[Row]:
        try:
            async with self._connection.execute(sql, args) as cursor:
                while chunk := await cursor.fetchmany(CHUNK_ROWS):
                    for row in chunk:
                        yield tuple(row)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the database cannot serve: {error}") from error


class _PostgresSnapshot:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def rows(self, sql: str, args: Sequence[Any]) -> AsyncIterator[Row]:
        found = self._connection.cursor(dialect.numbered(sql), *args, prefetch=CHUNK_ROWS)
        async for row in found:
            yield tuple(row)


@asynccontextmanager
async def _of_sqlite(path: str) -> AsyncIterator[_SqliteSnapshot]:
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        await connection.execute("PRAGMA query_only = ON")
        await connection.execute("BEGIN")
        # The moment is that of the first look, and not of the beginning.
        await connection.execute_fetchall("SELECT 1 FROM sqlite_schema LIMIT 1")
        yield _SqliteSnapshot(connection)


@asynccontextmanager
async def _of_postgres(url: str) -> AsyncIterator[_PostgresSnapshot]:
    from models.database_postgres_connections import connect  # noqa: PLC0415 (an extra)

    # Whoever reads slowly keeps nobody waiting: no limit is set.
    connection = await connect(url, server_settings={"statement_timeout": "0", "jit": "off"})
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            yield _PostgresSnapshot(connection)
    finally:
        await connection.close()
