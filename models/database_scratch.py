"""A database for one calculation: a SQLite file that nobody else opens and nobody will miss."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from models.connection import Database
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
