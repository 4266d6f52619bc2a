"""How connections to PostgreSQL are set up, and the pool of those that read."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from asyncpg.exceptions import (
    InterfaceError,
    InternalClientError,
    PostgresError,
    QueryCanceledError,
)
from sqlalchemy import pool
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from models import dialect
from models.connection import Readers, Row, TimedOut, Unavailable
from models.revision import APPLICATION

READERS = 8
"""Connections that read, of each process: enough that a few slow statements hold nobody up."""

CONNECT_TIMEOUT_S = 5.0

BROKEN_OFF = (OSError, TimeoutError, InterfaceError, InternalClientError)
"""What is raised when there is no server, or no longer: a driver that is cut off may call it internal."""

# The caller gives up first and says so; the server follows where the caller is gone.
_SERVER_LATER_S = 0.5
# A connection may be found dead when the server was restarted or another took its place.
_READ_ATTEMPTS = 2
# Of connection, resources, shutdown, a read-only server, locks, and replicas that must go on.
_PASSING = {"08", "25", "40", "53", "55", "57", "58"}


def dsn_of(url: str) -> str:
    """Return a URL as the driver reads it, its own parameters such as `sslmode` included."""
    return "postgresql://" + url.split("://", 1)[1]


def named(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings of a connection that also say who it is, so that a migration can tell."""
    return {**settings, "application_name": APPLICATION}


async def connect(url: str, **given: Any) -> asyncpg.Connection:
    """Return a connection; raise Unavailable when there is none to be had."""
    given["server_settings"] = named(given.get("server_settings", {}))
    try:
        return await asyncpg.connect(dsn_of(url), timeout=CONNECT_TIMEOUT_S, **given)
    except (PostgresError, *BROKEN_OFF) as error:
        raise Unavailable(why(error)) from error


def engine_of(url: str, parsed: URL) -> AsyncEngine:
    """Return an engine for migrations, which connects as everything else does."""

    async def creator() -> asyncpg.Connection:
        return await connect(url)

    # The driver reads the whole URL; what it knows of several hosts is more than an engine does.
    named = parsed.set(query={})
    return create_async_engine(named, poolclass=pool.NullPool, async_creator=creator)


def is_passing(error: PostgresError) -> bool:
    """Return whether a fault is of the moment, so that trying again may help."""
    return str(error.sqlstate)[:2] in _PASSING


def why(error: BaseException) -> str:
    """Return what to tell of a fault of the moment."""
    return f"the database cannot serve: {str(error) or type(error).__name__}"


class _Reader(asyncpg.Connection):
    """A connection that only reads: it keeps nothing of those who used it."""

    def get_reset_query(self) -> str:
        """Return nothing to be sent: a round trip after each statement would undo nothing."""
        return ""


class ReadingPool:
    """Connections that read, never more than `size`, with the statements they have prepared."""

    def __init__(self, url: str, size: int, seconds_max: float) -> None:
        self._seconds_max = seconds_max
        self._url = url
        self._size = size
        self._pool: asyncpg.Pool | None = None

    async def open(self, *, connected: bool) -> None:
        """Be ready to read; `connected` makes sure that there is a server."""
        milliseconds = round((self._seconds_max + _SERVER_LATER_S) * 1_000)
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": str(milliseconds),
            # Statements look dear by their length; compiling them takes longer than running them.
            "jit": "off",
        }
        self._pool = await asyncpg.create_pool(
            dsn_of(self._url),
            min_size=1 if connected else 0,
            max_size=self._size,
            timeout=CONNECT_TIMEOUT_S,
            connection_class=_Reader,
            server_settings=named(settings),
            # The longest statements take longest to plan, and are prepared for good.
            max_cacheable_statement_size=0,
            max_cached_statement_lifetime=0,
        )

    @property
    def readers(self) -> Readers:
        """Return what of the connections are busy; there are no more than are needed at once."""
        pool = self._pool
        return Readers(self._size, 0 if pool is None else pool.get_size() - pool.get_idle_size())

    async def read(self, sql: str, args: Sequence[Any], timeout_s: float) -> list[Row]:
        """Return the rows of one statement; waiting for a connection counts as its time."""
        for attempt in range(1, _READ_ATTEMPTS + 1):
            try:
                async with asyncio.timeout(timeout_s):
                    return await self._fetch(dialect.numbered(sql), args, timeout_s)
            except (TimeoutError, QueryCanceledError) as error:
                raise TimedOut(f"the statement took more than {timeout_s:g} seconds") from error
            except (PostgresError, *BROKEN_OFF) as error:
                if isinstance(error, PostgresError) and not is_passing(error):
                    raise
                if attempt == _READ_ATTEMPTS:
                    raise Unavailable(why(error)) from error
                # What cut this one off will have cut off the others.
                if self._pool is not None:
                    await self._pool.expire_connections()
        raise AssertionError("the last attempt returns or raises")

    async def close(self) -> None:
        """Let go of the connections once what is under way is done."""
        closing, self._pool = self._pool, None
        if closing is not None:
            await closing.close()

    async def _fetch(self, sql: str, args: Sequence[Any], timeout_s: float) -> list[Row]:
        if self._pool is None:
            raise InterfaceError("the database is closed")
        async with self._pool.acquire() as connection:
            if timeout_s <= self._seconds_max:
                return [tuple(row) for row in await connection.fetch(sql, *args)]
            async with connection.transaction():
                milliseconds = round((timeout_s + _SERVER_LATER_S) * 1_000)
                await connection.execute(f"SET LOCAL statement_timeout = {milliseconds}")
                return [tuple(row) for row in await connection.fetch(sql, *args)]
