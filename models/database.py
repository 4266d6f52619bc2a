"""Open the database that a URL names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from sqlalchemy import pool
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from models.connection import (
    READ_TIMEOUT_S,
    READERS,
    Database,
    First,
    Follower,
    Queries,
    Raced,
    Readers,
    Rehearsal,
    Row,
    TimedOut,
    Transaction,
    Trial,
    Unavailable,
    Unsupported,
    Work,
)
from models.database_sqlite import SqliteDatabase, spare_memory_statistics, undo_whole

__all__ = [
    "READERS",
    "READ_TIMEOUT_S",
    "Database",
    "First",
    "Follower",
    "Queries",
    "Raced",
    "Readers",
    "Rehearsal",
    "Row",
    "TimedOut",
    "Transaction",
    "Trial",
    "Unavailable",
    "Unsupported",
    "Work",
    "engine_of",
    "is_in_the_way",
    "is_shared",
    "open_database",
    "open_replica",
    "parse_url",
    "spare_memory_statistics",
    "sqlite_path",
]


async def open_database(
    url: str, *, readers: int | None = None, seconds_max: float = READ_TIMEOUT_S
) -> Database:
    """Open the database at `url`, which is already migrated; its reads take `seconds_max` at most."""
    path = sqlite_path(url)
    if path is not None:
        return await SqliteDatabase.open(path, url, readers or READERS)
    with _driver():
        # Only those who have PostgreSQL need its driver.
        from models.database_postgres import PostgresDatabase  # noqa: PLC0415 (an extra)
    return await PostgresDatabase.open(url, readers, seconds_max)


@asynccontextmanager
async def open_replica(
    url: str,
    primary: Database,
    *,
    readers: int | None = None,
    seconds_max: float = READ_TIMEOUT_S,
    behind_s_max: float,
) -> AsyncIterator[Follower]:
    """Give the replica at `url`, and watch meanwhile how far it is behind `primary`."""
    with _driver():
        from models.database_replica import Replica  # noqa: PLC0415 (an extra)
    replica = await Replica.open(url, primary, readers, seconds_max, behind_s_max)
    watching = asyncio.create_task(replica.watch(), name="calyx-replica")
    try:
        yield replica
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await replica.close()


def engine_of(url: str, *, migrating: bool = False) -> AsyncEngine:
    """Return an engine for migrations of the database at `url`."""
    parsed = parse_url(url)
    if sqlite_path(url) is not None:
        engine = create_async_engine(parsed, poolclass=pool.NullPool)
        if migrating:
            undo_whole(engine.sync_engine)
        return engine
    with _driver():
        from models import database_postgres_connections  # noqa: PLC0415 (an extra)
    return database_postgres_connections.engine_of(url, parsed)


def is_in_the_way(error: BaseException | None) -> bool:
    """Return whether a migration failed because others use a table just now."""
    return getattr(error, "sqlstate", None) == "55P03"


@contextmanager
def _driver() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise Unsupported(
            "PostgreSQL needs its driver: pip install 'calyx-cdp[postgres]'"
        ) from error


def is_shared(url: str) -> bool:
    """Return whether several processes may write to the database at `url`."""
    return sqlite_path(url) is None


def sqlite_path(url: str) -> str | None:
    """Return the file of a SQLite URL, None for PostgreSQL; raise Unsupported for any other."""
    parsed = parse_url(url)
    return parsed.database if parsed.get_backend_name() == "sqlite" else None


def parse_url(url: str) -> URL:
    """Return a URL that names a database Calyx runs on; raise Unsupported for any other."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        message = f"{url!r} is no database URL; try sqlite+aiosqlite:///calyx.db"
        raise Unsupported(message) from error
    file = parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:")
    if not file and not (parsed.get_backend_name() == "postgresql" and parsed.database):
        shown = parsed.render_as_string(hide_password=True)
        raise Unsupported(
            f"{shown} is not supported; use sqlite+aiosqlite:///path/to/calyx.db"
            " or postgresql+asyncpg://user:password@host/database"
        )
    if file:
        return parsed.set(drivername="sqlite+aiosqlite")
    return parsed.set(drivername="postgresql+asyncpg")
