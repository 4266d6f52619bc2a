"""A database for one calculation: a SQLite file that nobody else opens and nobody will miss."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from models.connection import Database, Row
from models.database_sqlite import SqliteDatabase


async def open_scratch(path: Path) -> Database:
    """Open the file at `path`, which is already migrated; what is written there may not last."""
    return await _Scratch.open(str(path), f"sqlite+aiosqlite:///{path}", readers=1)


class _Scratch(SqliteDatabase):
    def _connect(self) -> None:
        connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        self._connection = connection
        # Nothing waits for the disk, and what memory it takes is bounded.
        connection.execute("PRAGMA journal_mode = MEMORY")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -65536")


class Pile:
    """Rows of one width that come in any order and are read in theirs; they lie in a file of `folder`."""

    def __init__(self, path: Path, width: int) -> None:
        path.unlink(missing_ok=True)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._columns = ", ".join(f"c{place}" for place in range(width))
        self._places = ", ".join("?" * width)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -65536"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(f"CREATE TABLE pile ({self._columns})")

    def add(self, rows: list[Row]) -> None:
        """Put rows on it."""
        sql = f"INSERT INTO pile VALUES ({self._places})"
        self._connection.execute("BEGIN")
        self._connection.executemany(sql, rows)
        self._connection.execute("COMMIT")

    def sorted(self) -> Iterator[Row]:
        """Yield all rows in the order of their columns, absent values first, text by bytes."""
        yield from self._connection.execute(f"SELECT * FROM pile ORDER BY {self._columns}")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
