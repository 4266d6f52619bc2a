"""Count what one batch makes a database do, exactly: no clock is asked, so that nothing can be slow."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import asyncpg

from ingest.store import Item, save
from models.database import Row, Transaction
from models.database_postgres_transaction import PostgresTransaction
from models.database_sqlite import SqliteTransaction, drive
from tests.databases import DEFAULT, Template, file_of, read
from tests.laws.model_message import Delivery

_STEPS = 10
"""Of SQLite's machine, between two counts."""

WAYS_OF_SMALL_TABLES = ("seqscan", "hashjoin", "mergejoin")

_ROWS = (
    "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)::bigint,"
    " coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::bigint"
    " FROM pg_stat_xact_user_tables"
)


@dataclass(frozen=True)
class Effort:
    """What one batch came to."""

    statements: int
    """Calls of the database, however many rows each has."""
    returned: int
    """Rows that the database gave."""
    written: int
    """Rows inserted, updated and deleted."""
    read: int
    """What the database looked at to find them: SQLite's steps, PostgreSQL's rows."""
    bytes: int
    """Of its log."""

    def least(self, other: Effort) -> Effort:
        """Return the least of each: what others do on the server meanwhile only adds."""
        pairs = zip(self.each(), other.each(), strict=True)
        return Effort(*(min(ours, theirs) for ours, theirs in pairs))

    def each(self) -> tuple[int, ...]:
        """Return the figures in the order of their names."""
        return self.statements, self.returned, self.written, self.read, self.bytes


class Meter(Protocol):
    """A database whose batches are counted."""

    async def save(self, bodies: Sequence[dict[str, Any]], now: int) -> Effort:
        """Save one batch."""
        ...


@asynccontextmanager
async def a_meter(template: Template, url: str) -> AsyncIterator[Meter]:
    """Give a meter for a database that nobody else has open."""
    if template.words == "postgres":
        client = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            # Until it knows that a workspace has many rows, it may look through all of them.
            await client.execute("ANALYZE")
            # A small table is read as a whole, and rightly so: here it must go as in a large one.
            for way in WAYS_OF_SMALL_TABLES:
                await client.execute(f"SET enable_{way} = off")
            yield PostgresMeter(client)
        finally:
            await client.close()
    else:
        file = file_of(url)
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            yield SqliteMeter(connection, file)


class Counted:
    """A transaction that counts what is asked through it, and what comes back."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.statements = self.returned = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._tx, name)

        async def counted(*given: Any, **named: Any) -> Any:
            # SQLite is asked for many keys in parts; what counts is who asks how often.
            self.statements += 1
            found: Iterable[Row] | None = await call(*given, **named)
            if isinstance(found, list):
                self.returned += len(found)
            return found

        return counted


class SqliteMeter:
    """Counts on a connection of its own."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        self._connection = connection
        self._log = file.with_name(f"{file.name}-wal")
        self._steps = 0

    async def save(self, bodies: Sequence[dict[str, Any]], now: int) -> Effort:
        connection = self._connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._steps, before = 0, connection.total_changes
        counted = Counted(SqliteTransaction(connection))
        connection.set_progress_handler(self._step, _STEPS)
        connection.execute("BEGIN IMMEDIATE")
        drive(_save(counted, bodies, now))
        connection.execute("COMMIT")
        connection.set_progress_handler(None, 0)
        written = connection.total_changes - before
        size = self._log.stat().st_size
        return Effort(counted.statements, counted.returned, written, self._steps * _STEPS, size)

    def _step(self) -> None:
        self._steps += 1


class PostgresMeter:
    """Counts what a transaction did by what the server says of just this one."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def save(self, bodies: Sequence[dict[str, Any]], now: int) -> Effort:
        connection = self._connection
        begun = await self._place()
        async with connection.transaction():
            # What the last transactions did may not have been taken off yet.
            before = await connection.fetchrow(_ROWS)
            tx = PostgresTransaction(connection, frozenset())
            counted = Counted(tx)
            await _save(counted, bodies, now)
            await tx.flush()
            after = await connection.fetchrow(_ROWS)
        written, seen = (end - begin for begin, end in zip(before, after, strict=True))
        size = await self._place() - begun
        return Effort(counted.statements, counted.returned, written, seen, size)

    async def _place(self) -> int:
        sql = "SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint"
        return int(await self._connection.fetchval(sql))


async def _save(counted: Counted, bodies: Sequence[dict[str, Any]], now: int) -> None:
    items = [Item(read(Delivery(body, now)), asked=True) for body in bodies]
    await save(cast("Transaction", counted), DEFAULT, items)
