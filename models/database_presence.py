"""Tell whether anybody else uses a database, before it is opened."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from models.database import sqlite_path

_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


async def is_in_use(url: str) -> bool:
    """Return whether somebody has the database at `url` open; nobody of this process may."""
    path = sqlite_path(url)
    if path is not None:
        return _is_open(path)
    from models.database_postgres_connections import connect  # noqa: PLC0415 (an extra)

    connection = await connect(url)
    try:
        return bool(await connection.fetchval(_OTHERS))
    finally:
        await connection.close()


def _is_open(path: str) -> bool:
    if not Path(path).exists():
        return False
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection:
        try:
            # In this mode a file is locked whole as soon as it is looked at.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        except sqlite3.OperationalError:
            return True
    return False
