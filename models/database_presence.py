"""Tell whether anybody else uses a database: before it is opened, and while it is written to."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from models.connection import Transaction
from models.database import sqlite_path

_CLIENTS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND backend_type = 'client backend'"
)
_OTHERS = f"{_CLIENTS} AND pid <> pg_backend_pid()"
_NAMES = _OTHERS.replace("count(*)", "coalesce(application_name, '')")
# How a process of Calyx calls its connections.
_PROCESS = re.compile(r"calyx (\d{4})")


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


async def older_than(revision: str, url: str) -> str:
    """Return, in words, who has the database at `url` open and is older; nothing if nobody is."""
    if sqlite_path(url) is not None:
        return "another process has it open" if await is_in_use(url) else ""
    from models.database_postgres_connections import connect  # noqa: PLC0415 (an extra)

    connection = await connect(url)
    try:
        names = [name for (name,) in await connection.fetch(_NAMES) if _is_older(name, revision)]
    finally:
        await connection.close()
    said = ", ".join(sorted({name or "no name" for name in names}))
    return f"{len(names)} connections are of older ones ({said})" if names else ""


def _is_older(name: str, revision: str) -> bool:
    found = _PROCESS.match(name)
    # The first version gave its connections no name; those of other programs have theirs.
    return not name or (found is not None and found[1] < revision)


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


class Neighbours:
    """Tells inside transactions whether others have turned up at a database since the first of them."""

    def __init__(self, url: str) -> None:
        # SQLite says whether others wrote, PostgreSQL how many are there.
        self._sql = _CLIENTS if sqlite_path(url) is None else "PRAGMA data_version"
        self._first: int | None = None

    @property
    def is_first(self) -> bool:
        """Return whether nobody has looked yet."""
        return self._first is None

    async def are_here(self, tx: Transaction) -> bool:
        """Return whether there are others than at the first look."""
        found: int = (await tx.fetch(self._sql, ()))[0][0]
        if self._first is None:
            self._first = found
        return found > self._first
