"""The databases that servers write to: made empty, counted, and dropped."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg

from tests import postgres

# What an untuned server does, but for a cache fit for today's memory.
DURABLE = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "shared_buffers=256MB",
)
_SHOWN = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


class Store(Protocol):
    """A place for databases."""

    @property
    def pid(self) -> int | None:
        """Return the process that started all those of the database, if it has its own."""
        ...

    def new(self) -> str:
        """Make an empty database and return its URL, as Calyx writes it."""
        ...

    def count(self, url: str, table: str) -> int:
        """Return how many rows a table has."""
        ...

    def drop(self, url: str) -> None:
        """Remove a database that nobody will ask again."""
        ...

    def analyze(self, url: str) -> None:
        """Have the planner know the rows, as it would some minutes after they came."""
        ...

    def flush(self) -> None:
        """Have all that is to be written on the disk, where a server of its own would do it later."""
        ...

    def size(self, url: str) -> int:
        """Return how many bytes a database takes on the disk."""
        ...

    def log_bytes(self) -> int | None:
        """Return how many bytes a server of its own ever wrote to its log."""
        ...


class SqliteFiles:
    """Files of SQLite, in one folder."""

    pid = None

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)

    def new(self) -> str:
        return f"sqlite+aiosqlite:///{self._folder}/writes-{next(self._numbers)}.db"

    def count(self, url: str, table: str) -> int:
        with closing(sqlite3.connect(file_of(url))) as connection:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return int(count)

    def drop(self, url: str) -> None:
        for file in self._folder.glob(f"{file_of(url).name}*"):
            file.unlink()

    def analyze(self, url: str) -> None:
        """Leave it: a file has its statistics from the first on."""

    def flush(self) -> None:
        """Leave it: who serves a file moves its pages."""

    def size(self, url: str) -> int:
        return sum(file.stat().st_size for file in self._folder.glob(f"{file_of(url).name}*"))

    def log_bytes(self) -> int | None:
        return None


class PostgresServer:
    """Databases of a PostgreSQL server on this machine."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._numbers = itertools.count(1)
        # The process that started all the others.
        self.pid = int(self._ask("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)"))

    def new(self) -> str:
        name = f"writes_{next(self._numbers)}"
        self._ask(f"CREATE DATABASE {name}")
        # What an earlier one left to be written is not to be written on this one's time.
        self._ask("CHECKPOINT")
        return f"{self._url}/{name}"

    def count(self, url: str, table: str) -> int:
        sql = f"SELECT count(*) FROM {table}"
        return int(self._ask(sql, _name_of(url)))

    def drop(self, url: str) -> None:
        self._ask(f"DROP DATABASE {_name_of(url)} WITH (FORCE)")

    def analyze(self, url: str) -> None:
        self._ask("ANALYZE", _name_of(url))

    def flush(self) -> None:
        self._ask("CHECKPOINT")

    def size(self, url: str) -> int:
        return int(self._ask(f"SELECT pg_database_size('{_name_of(url)}')"))

    def log_bytes(self) -> int | None:
        return int(self._ask("SELECT (pg_current_wal_lsn() - '0/0')::bigint"))

    def about(self) -> str:
        """Return its version, and what it says of its own durability."""
        shown = [f"{name}={self._ask(f'SHOW {name}')}" for name in _SHOWN]
        version = self._ask("SHOW server_version").split()[0]
        return f"PostgreSQL {version}, {', '.join(shown)}"

    def _ask(self, sql: str, name: str = "postgres") -> Any:
        """Return the one value of a statement, if it has one."""

        async def ask() -> Any:
            connection = await asyncpg.connect(f"{self._url.replace('+asyncpg', '')}/{name}")
            try:
                return await connection.fetchval(sql)
            finally:
                await connection.close()

        return asyncio.run(ask())


Starts = Callable[[], AbstractContextManager[PostgresServer]]
"""What starts a server, or raises Missing."""


@contextmanager
def durable_postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL of our own that keeps what it has committed; raise postgres.Missing."""
    with postgres.primary(*DURABLE) as started:
        yield PostgresServer(started.url)


def file_of(url: str) -> Path:
    """Return the file of a SQLite URL."""
    return Path(url.removeprefix("sqlite+aiosqlite:///"))


def _name_of(url: str) -> str:
    return url.rpartition("/")[2]
