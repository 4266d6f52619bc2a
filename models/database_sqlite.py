"""SQLite: a thread with the one connection that writes, and a pool that reads snapshots."""

from __future__ import annotations

import _sqlite3
import asyncio
import ctypes
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Connection, Engine, event

from models import dialect
from models.connection import (
    READ_TIMEOUT_S,
    First,
    Readers,
    Row,
    T,
    TimedOut,
    Trial,
    Unavailable,
    Unsupported,
    Work,
)
from models.database_sqlite_checkpoints import Checkpoints
from models.dialect_read_sqlite import SQLITE_FUNCTIONS

BUSY_TIMEOUT_MS = 2_000
KEYS_MAX = 32
"""Keys of one look-up; larger sets are asked for in parts.

The planner takes the number of rows in VALUES for a power of two: beyond some 170 of them, it reads a whole
workspace to make a Bloom filter before it looks a single key up. A table that an ANALYZE found
almost empty keeps it from doing so up to 32.
"""

_SQLITE_CONFIG_MEMSTATUS = 9
# How many steps of SQLite pass between two looks at the clock: well below a millisecond.
_STEPS = 10_000
# Floor for `->>` and UPSERT as the statements use them.
_SQLITE_MIN = (3, 38)


# For each None and each bytes the driver looks in three places for who adapts it, which takes longer
# than to bind it. What these return is what they were given.
_NOTHING: dict[None, None] = {}
sqlite3.register_adapter(type(None), _NOTHING.get)
sqlite3.register_adapter(bytes, bytes)


def spare_memory_statistics() -> bool:
    """Switch off SQLite's global memory statistics; call before anything opens a database.

    They are behind one lock, which makes two reader threads slower than one.
    """
    library = ctypes.CDLL(_sqlite3.__file__)
    library.sqlite3_shutdown()
    done = bool(library.sqlite3_config(_SQLITE_CONFIG_MEMSTATUS, 0) == 0)
    library.sqlite3_initialize()
    return done


def undo_whole(engine: Engine) -> None:
    """Let transactions of an engine undo changes of tables, too: Python's driver begins none for them."""

    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


class SqliteDatabase:
    """SQLite: a thread with the one connection that writes, and a pool that reads snapshots."""

    def __init__(self, path: str, url: str) -> None:
        self.url = url
        self.collation = None
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="calyx-writer")
        self._pool: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        self._readers: list[aiosqlite.Connection] = []
        self._connection: sqlite3.Connection | None = None
        self._checkpoints: Checkpoints | None = None

    @classmethod
    async def open(cls, path: str, url: str, readers: int) -> SqliteDatabase:
        """Open the file at `path`."""
        if sqlite3.sqlite_version_info < _SQLITE_MIN:
            raise Unsupported(
                f"SQLite {sqlite3.sqlite_version} is too old; 3.38 or later is needed"
            )
        self = cls(path, url)
        try:
            await self._in_thread(self._connect)
            for _ in range(readers):
                reader = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
                self._readers.append(reader)
                self._pool.put_nowait(reader)
                await reader.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
                await reader.execute("PRAGMA query_only = ON")
                for name, (size, call) in SQLITE_FUNCTIONS.items():
                    await reader.create_function(name, size, call, deterministic=True)
        except sqlite3.Error as error:
            await self.close()
            raise Unavailable(_why(error)) from error
        return self

    @property
    def readers(self) -> Readers:
        size = len(self._readers)
        return Readers(size, max(0, size - self._pool.qsize()))

    async def read(
        self, sql: str, args: Sequence[Any] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> list[Row]:
        """Return the rows of one statement, as committed; raise TimedOut or Unavailable."""
        try:
            async with asyncio.timeout(timeout_s):
                reader = await self._pool.get()
        except TimeoutError:
            raise Unavailable("all readers are busy; try again") from None
        asking = asyncio.ensure_future(_ask(reader, sql, args))
        # Only when its statement has ended does a reader serve the next, whoever still waits.
        asking.add_done_callback(lambda _: self._pool.put_nowait(reader))
        try:
            done, _ = await asyncio.wait([asking], timeout=timeout_s)
            if not done:
                raise TimedOut(f"the statement took more than {timeout_s:g} seconds")
            return asking.result()
        except sqlite3.OperationalError as error:
            raise Unavailable(_why(error)) from error
        finally:
            if not asking.done():
                self._interrupt(reader)
                asking.add_done_callback(_hear_out)

    async def write(self, work: Work[T], first: First | None = None) -> T:  # noqa: ARG002 (nobody else can)
        """Do `work` in one transaction and return once it is durable; raise Unavailable if it is not."""
        return await self._in_thread(lambda: self._write(work))

    async def rehearse(self, trial: Trial[T], seconds: float) -> T:
        """Return what `trial` finds out; nothing it does is kept. Raise TimedOut or Unavailable."""
        until = time.monotonic() + seconds
        return await self._in_thread(lambda: self._rehearse(trial, until))

    async def about(self) -> dict[str, str]:
        """Return engine, version and what of its set-up matters for durability."""

        def ask() -> dict[str, str]:
            connection = self._open_connection()
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
            level = connection.execute("PRAGMA synchronous").fetchone()[0]
            names = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
            return {
                "engine": "SQLite",
                "version": sqlite3.sqlite_version,
                "journal": str(mode).upper(),
                "synchronous": names.get(level, str(level)),
            }

        return await self._in_thread(ask)

    async def close(self) -> None:
        """Finish what is under way and let go of the connections."""
        for reader in self._readers:
            await reader.close()
        self._readers.clear()
        if self._checkpoints is not None:
            await asyncio.to_thread(self._checkpoints.close)
        if self._connection is not None:
            await self._in_thread(self._connection.close)
            self._connection = None
        self._thread.shutdown()

    def _connect(self) -> None:
        Path(self._path).parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self._connection = connection
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA journal_mode = WAL")
        # Only FULL survives the loss of power: a 200 is a promise.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What was erased is overwritten where it stood.
        connection.execute("PRAGMA secure_delete = ON")
        # More was not faster, neither on ten thousand customers nor on two hundred thousand.
        connection.execute("PRAGMA cache_size = -16384")
        # Checkpoints has a connection of its own for it.
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        self._checkpoints = Checkpoints(self._path)

    def _write(self, work: Work[T]) -> T:
        connection = self._open_connection()
        try:
            if connection.in_transaction:
                # What failed the last transaction failed its ROLLBACK, too: nothing else can begin before.
                connection.execute("ROLLBACK")
            before = connection.total_changes
            connection.execute("BEGIN IMMEDIATE")
            try:
                done = drive(work(SqliteTransaction(connection)))
                connection.execute("COMMIT")
                if self._checkpoints is not None:
                    self._checkpoints.committed(connection, connection.total_changes - before)
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise Unavailable(_why(error)) from error
        return done

    def _rehearse(self, trial: Trial[T], until: float) -> T:
        connection = self._open_connection()
        if time.monotonic() > until:
            raise TimedOut("others took the time there was: try again")
        try:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SAVEPOINT rehearsal")
            # Who writes waits for this thread.
            connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            return drive(trial(SqliteRehearsal(connection)))
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise TimedOut("it takes longer than it may") from None
            raise Unavailable(_why(error)) from error
        finally:
            connection.set_progress_handler(None, 0)
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise Unavailable("the database is closed")
        return self._connection

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _interrupt(self, reader: aiosqlite.Connection) -> None:
        reader._conn.interrupt()  # noqa: SLF001 (aiosqlite's own call waits behind the statement)


class SqliteTransaction:
    """A transaction on the writing connection. Its calls never wait, so a thread can drive them."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def enter(self, workspace: int) -> None:
        """Nobody else writes while this transaction is open."""

    async def alone(self, workspace: int) -> None:
        """Nobody else writes while this transaction is open."""

    async def claim(
        self,
        table: str,
        columns: tuple[str, ...],
        key: str,  # noqa: ARG002 (nobody else writes, so nothing is there)
        workspace: int,
        rows: Sequence[Row],
    ) -> None:
        await self.insert(table, columns, workspace, rows)

    async def fetch(self, sql: str, args: Sequence[Any]) -> list[Row]:
        return self._connection.execute(sql, args).fetchall()

    async def lookup(
        self,
        table: str,
        columns: tuple[str, ...],
        by: tuple[str, ...],
        workspace: int,
        keys: Iterable[Row],
    ) -> list[Row]:
        rows: list[Row] = []
        rest = iter(dict.fromkeys(keys))
        while part := list(islice(rest, KEYS_MAX)):
            sql = dialect.lookup(table, columns, by, len(part))
            args = [workspace, *(value for key in part for value in key)]
            rows += self._connection.execute(sql, args).fetchall()
        return rows

    async def follow(
        self,
        table: str,
        columns: tuple[str, ...],
        through: tuple[str, str, str],
        workspace: int,
        keys: Iterable[Row],
    ) -> None:
        """Nobody else writes while this transaction is open."""

    async def between(
        self,
        table: str,
        columns: tuple[str, ...],
        by: str,
        workspace: int,
        spans: Iterable[Row],
    ) -> list[Row]:
        rows: list[Row] = []
        rest = iter(dict.fromkeys(spans))
        while part := list(islice(rest, KEYS_MAX)):
            sql = dialect.between(table, columns, by, len(part))
            args = [workspace, *(end for span in part for end in span)]
            rows += self._connection.execute(sql, args).fetchall()
        return rows

    async def count(
        self, table: str, by: str, workspace: int, keys: Iterable[Row], most: int
    ) -> list[Row]:
        rows: list[Row] = []
        rest = iter(dict.fromkeys(keys))
        while part := list(islice(rest, KEYS_MAX)):
            sql = dialect.count(table, by, len(part))
            args = [workspace, most, *(key for (key,) in part)]
            rows += self._connection.execute(sql, args).fetchall()
        return rows

    async def insert(
        self, table: str, columns: tuple[str, ...], workspace: int, rows: Iterable[Row]
    ) -> None:
        sql = dialect.insert(table, columns)
        self._connection.executemany(sql, ((workspace, *row) for row in rows))

    async def upsert(
        self,
        table: str,
        columns: tuple[str, ...],
        key: tuple[str, ...],
        workspace: int,
        rows: Iterable[Row],
    ) -> None:
        sql = dialect.insert(table, columns, key)
        self._connection.executemany(sql, ((workspace, *row) for row in rows))

    async def delete(
        self, table: str, by: tuple[str, ...], workspace: int, keys: Iterable[Row]
    ) -> None:
        sql = dialect.delete(table, by)
        self._connection.executemany(sql, ((workspace, *key) for key in keys))

    async def new_ids(self, table: str, workspace: int, count: int) -> range:
        # Nobody else writes while this transaction is open.
        sql = f"SELECT coalesce(max(id), 0) FROM {table} WHERE workspace_id = ?"
        last: int = self._connection.execute(sql, (workspace,)).fetchone()[0]
        return range(last + 1, last + 1 + count)


class SqliteRehearsal(SqliteTransaction):
    """A transaction that is never committed."""

    async def undo(self) -> None:
        """Take back all that was done so far."""
        self._connection.execute("ROLLBACK TO rehearsal")


async def _ask(reader: aiosqlite.Connection, sql: str, args: Sequence[Any]) -> list[Row]:
    return [tuple(row) for row in await reader.execute_fetchall(sql, args)]


def _hear_out(asked: asyncio.Future[list[Row]]) -> None:
    """Take note of how an abandoned statement ended, which nobody else will."""
    if not asked.cancelled():
        asked.exception()


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits for anything but this thread."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("work on SQLite must not wait for anything else")


def _why(error: sqlite3.Error) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return "the database is locked by another process; try again"
    if "full" in text:
        return "the disk is full; free some space and try again"
    return f"the database cannot serve: {text}"
