"""PostgreSQL: one connection that writes, and a pool that reads."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from asyncpg.exceptions import (
    DeadlockDetectedError,
    InsufficientPrivilegeError,
    InvalidParameterValueError,
    LockNotAvailableError,
    PostgresError,
    QueryCanceledError,
    SerializationError,
)

from models.connection import (
    READ_TIMEOUT_S,
    First,
    Raced,
    Readers,
    Row,
    T,
    TimedOut,
    Trial,
    Unavailable,
    Work,
)
from models.database_postgres_connections import (
    BROKEN_OFF,
    READERS,
    ReadingPool,
    connect,
    is_passing,
    why,
)
from models.database_postgres_transaction import (
    Alone,
    Numbers,
    PostgresRehearsal,
    PostgresTransaction,
)
from models.dialect_read_postgres import COLLATIONS

# A transaction that lost a race is done again; so many in a row are no race but a fault.
RACES_MAX = 20
# Who meets others in the same customers waits for its turn so many times, before it tries without: each
# row that one waits for is read anew, and much is done twice.
_TURNS = 50
_WRITE_TIMEOUT_S = 30.0
# So long callers wait for a commit that waits for a standby; those after them wait no longer than this.
COMMIT_PATIENCE_S = 30.0
TURN_PATIENCE_S = 1.0
# What has nothing to write waits for no standby, and would tell a retry that a row is stored which nobody
# else has. With this one there is something, and the standby must have all that was before it.
_COMMIT = (
    "SELECT pg_logical_emit_message(true, 'calyx', '')"
    " WHERE pg_current_xact_id_if_assigned() IS NULL; COMMIT"
)
_WAITS = "the commit waits for a standby; send it again"
_RACED = "too many others write the same; try again"
_RACES = (Raced, SerializationError, DeadlockDetectedError, LockNotAvailableError)
# The driver knows no other word for a statement that it must not break off.
_NEVER_S = 1e8
_STATEMENTS_KEPT = 500
# A server lets go of what a writer holds that has gone without a word.
_WRITER_SETTINGS = {
    # To plan takes as long as to do. What is left to choose between is the index, and the keys say which.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "statement_timeout": "35s",
    "idle_in_transaction_session_timeout": "35s",
    "jit": "off",
}
# Before anybody counts as deadlocked: it is the rehearsal that gives way.
_REHEARSAL_SETTINGS = _WRITER_SETTINGS | {"lock_timeout": "200ms"}
# Not every server is built with every collation, nor does each fit every encoding.
_COLLATION = (
    "SELECT collname FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace"
    " AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding()))"
    " AND collname = ANY ($1::text[]) ORDER BY array_position($1::text[], collname::text) LIMIT 1"
)


class PostgresDatabase:
    """A PostgreSQL database, shared with any number of other processes."""

    def __init__(self, url: str, readers: int, seconds_max: float) -> None:
        self.url = url
        self.collation: str = COLLATIONS[-1]
        self._writer: asyncpg.Connection | None = None
        self._numbers = Numbers()
        self._turns = 0
        self._pool = ReadingPool(url, readers, seconds_max)
        self._writing = asyncio.Lock()
        self._rehearsing = asyncio.Lock()
        self.commit_patience_s = COMMIT_PATIENCE_S
        # A commit that nobody waits for any more, and that nobody may break off either.
        self._unheard: asyncio.Future[str] | None = None

    @classmethod
    async def open(
        cls, url: str, readers: int | None = None, seconds_max: float = READ_TIMEOUT_S
    ) -> PostgresDatabase:
        """Connect to the database at `url`."""
        self = cls(url, readers or READERS, seconds_max)
        try:
            await self._pool.open(connected=True)
            connection = await self._connection()
            self.collation = await connection.fetchval(_COLLATION, COLLATIONS)
        except (PostgresError, *BROKEN_OFF) as error:
            await self.close()
            raise Unavailable(why(error)) from error
        except Unavailable:
            await self.close()
            raise
        return self

    @property
    def readers(self) -> Readers:
        return self._pool.readers

    async def read(
        self, sql: str, args: Sequence[Any] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> list[Row]:
        """Return the rows of one statement, as committed; raise TimedOut or Unavailable."""
        return await self._pool.read(sql, args, timeout_s)

    async def write(self, work: Work[T], first: First | None = None) -> T:
        """Do `work` in one transaction and return once it is durable; raise Unavailable if it is not.

        `first` and it have a connection of their own.
        """
        if first is not None:
            return await self._write_apart(work, first)
        async with self._writing:
            await self._hear_out()
            alone: frozenset[int] = frozenset()
            for _ in range(RACES_MAX):
                try:
                    return await self._write(work, alone)
                except Alone as wish:
                    alone |= {wish.workspace}
                except _RACES:
                    self._turns = _TURNS
                except asyncio.CancelledError:
                    # Cut off in its BEGIN it would take the next one into itself, and never commit.
                    if self._unheard is None:
                        await self._drop()
                    raise
                except (PostgresError, *BROKEN_OFF) as error:
                    if isinstance(error, PostgresError) and not is_passing(error):
                        raise
                    await self._drop()
                    raise Unavailable(why(error)) from error
            raise Unavailable(_RACED)

    async def rehearse(self, trial: Trial[T], seconds: float) -> T:
        """Return what `trial` finds out; nothing it does is kept. Raise TimedOut or Unavailable."""
        try:
            async with asyncio.timeout(seconds), self._rehearsing:
                connection = await connect(
                    self.url,
                    command_timeout=seconds,
                    server_settings=_REHEARSAL_SETTINGS,
                    max_cached_statement_lifetime=0,
                )
                try:
                    return await _rehearse(connection, trial)
                finally:
                    # Whatever is open there is undone by the server.
                    connection.terminate()
        except (TimeoutError, QueryCanceledError):
            raise TimedOut("it takes longer than it may") from None
        except (PostgresError, *BROKEN_OFF) as error:
            if isinstance(error, PostgresError) and not is_passing(error):
                raise
            raise Unavailable(why(error)) from error

    async def about(self) -> dict[str, str]:
        """Return engine, version and what of its set-up matters for durability."""
        names = ("server_version", "fsync", "synchronous_commit", "full_page_writes")
        rows = await self.read(
            "SELECT name, setting FROM pg_settings WHERE name = ANY ($1::text[])", (list(names),)
        )
        found: dict[str, str] = dict(rows)
        return {
            "engine": "PostgreSQL",
            "version": found["server_version"],
            "fsync": found["fsync"].upper(),
            "synchronous": found["synchronous_commit"].upper(),
        }

    async def close(self) -> None:
        """Finish what is under way and let go of the connections."""
        async with self._writing:
            await self._drop()
        await self._pool.close()

    async def _connection(self) -> asyncpg.Connection:
        if self._writer is None or self._writer.is_closed():
            self._writer = await connect(
                self.url,
                command_timeout=_WRITE_TIMEOUT_S,
                server_settings=_WRITER_SETTINGS,
                # As many as there are sets of tables that a commit writes.
                statement_cache_size=_STATEMENTS_KEPT,
            )
            self._numbers = Numbers()
            await _compress(self._writer)
        return self._writer

    async def _write(self, work: Work[T], alone: frozenset[int]) -> T:
        connection = await self._connection()
        in_turn = self._turns > 0
        self._turns -= in_turn
        tx = PostgresTransaction(connection, alone, self._numbers, "BEGIN;", in_turn=in_turn)
        try:
            done = await work(tx)
            await tx.flush()
        except Exception:
            if tx.is_open:
                await connection.execute("ROLLBACK")
            raise
        if tx.is_open:
            await self._commit(connection)
        return done

    async def _commit(self, connection: asyncpg.Connection) -> None:
        """Return once all is durable; raise Unavailable when that takes long, and let it go on.

        A driver that times out has the server cancel the COMMIT. One that waits for a standby would
        then count as done, and a retry be acknowledged, though nobody else has it.
        """
        commit = self._unheard = _begin_to_commit(connection)
        if not await _ends(commit, self.commit_patience_s):
            raise Unavailable(_WAITS)
        self._unheard = None
        await commit

    async def _write_apart(self, work: Work[T], first: First) -> T:
        """Do `first`, and then `work` alone; others write meanwhile, for whom the writer is left free."""
        try:
            connection = await connect(
                self.url, command_timeout=_WRITE_TIMEOUT_S, server_settings=_WRITER_SETTINGS
            )
            try:
                return await self._race(connection, work, first)
            finally:
                # Whatever is open there is undone by the server; a commit goes on.
                connection.terminate()
        except (PostgresError, *BROKEN_OFF) as error:
            if isinstance(error, PostgresError) and not is_passing(error):
                raise
            raise Unavailable(why(error)) from error

    async def _race(self, connection: asyncpg.Connection, work: Work[T], first: First) -> T:
        for _ in range(RACES_MAX):
            tx = PostgresTransaction(connection, frozenset({first.workspace}), opening="BEGIN;")
            try:
                await first.work(tx)
                done = await work(tx)
                await tx.flush()
            except _RACES:
                await connection.execute("ROLLBACK")
                continue
            commit = _begin_to_commit(connection)
            if not await _ends(commit, self.commit_patience_s):
                raise Unavailable(_WAITS)
            await commit
            return done
        raise Unavailable(_RACED)

    async def _hear_out(self) -> None:
        """Wait a moment for a commit that still goes on; raise Unavailable if it will not end."""
        if self._unheard is None:
            return
        if not await _ends(self._unheard, TURN_PATIENCE_S):
            raise Unavailable("an earlier commit still waits for a standby; send it again")
        commit, self._unheard = self._unheard, None
        if commit.exception() is not None:
            await self._drop()

    async def _drop(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.terminate()


def _begin_to_commit(connection: asyncpg.Connection) -> asyncio.Future[str]:
    return asyncio.ensure_future(connection.execute(_COMMIT, timeout=_NEVER_S))


async def _ends(commit: asyncio.Future[str], seconds: float) -> bool:
    """Return whether a commit ends in time, one way or the other."""
    ended, _ = await asyncio.wait([commit], timeout=seconds)
    return bool(ended)


async def _compress(connection: asyncpg.Connection) -> None:
    """Have whole pages packed that go into the server's log, where the role may say so.

    After each checkpoint every page that is touched goes there: of customers at random, that is most of
    what is written.
    """
    # Who may not is not told twice; nor is every server built with it.
    with suppress(InsufficientPrivilegeError, InvalidParameterValueError):
        await connection.execute("SET wal_compression = lz4")


async def _rehearse(connection: asyncpg.Connection, trial: Trial[T]) -> T:
    for _ in range(RACES_MAX):
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SAVEPOINT rehearsal")
        try:
            found = await trial(PostgresRehearsal(connection))
        except _RACES:
            await connection.execute("ROLLBACK")
            continue
        await connection.execute("ROLLBACK")
        return found
    raise Unavailable(_RACED)
