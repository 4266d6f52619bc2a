"""Open the database that a URL names."""

from __future__ import annotations

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from models.connection import (
    READ_TIMEOUT_S,
    READERS,
    Database,
    Raced,
    Row,
    TimedOut,
    Transaction,
    Unavailable,
    Unsupported,
    Work,
)
from models.database_sqlite import SqliteDatabase, spare_memory_statistics

__all__ = [
    "READERS",
    "READ_TIMEOUT_S",
    "Database",
    "Raced",
    "Row",
    "TimedOut",
    "Transaction",
    "Unavailable",
    "Unsupported",
    "Work",
    "is_shared",
    "open_database",
    "parse_url",
    "spare_memory_statistics",
    "sqlite_path",
]


async def open_database(url: str, *, readers: int = READERS) -> Database:
    """Open the database at `url`, which is already migrated."""
    path = sqlite_path(url)
    if path is not None:
        return await SqliteDatabase.open(path, url, readers)
    try:
        # Only those who have PostgreSQL need its driver.
        from models.database_postgres import PostgresDatabase  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise Unsupported(
            "PostgreSQL needs its driver: pip install 'calyx-cdp[postgres]'"
        ) from error
    return await PostgresDatabase.open(url, readers)


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
