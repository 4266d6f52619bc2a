"""A database in memory for one question: made in a moment, asked, thrown away."""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, cast

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from models.connection import Row, T, TimedOut, Work
from models.database_sqlite import SqliteTransaction, drive
from models.dialect import is_meant
from models.dialect_read_sqlite import SQLITE_FUNCTIONS
from models.tables import Workspace

# How many steps of SQLite pass between two looks at the clock: a few milliseconds.
_STEPS = 50_000


class Memory:
    """Tables as they are migrated, with nothing in them; after `seconds` it raises TimedOut."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._seconds = seconds
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.deserialize(_image())
        self._connection.set_progress_handler(self._is_late, _STEPS)
        for name, (size, call) in SQLITE_FUNCTIONS.items():
            self._connection.create_function(name, size, cast("Any", call), deterministic=True)

    def write(self, work: Work[T], events: Iterable[int] = ()) -> T:
        """Do `work`; the events it adds to the log get these numbers, in their order."""
        if self._is_late():
            raise self._late()
        with self._in_time():
            self._connection.execute("BEGIN")
            done = drive(work(_Numbering(self._connection, deque(events))))
            self._connection.execute("COMMIT")
            return done

    def read(self, sql: str, args: Sequence[Any]) -> list[Row]:
        """Return the rows of one statement."""
        with self._in_time():
            return self._connection.execute(sql, args).fetchall()

    def close(self) -> None:
        """Forget all of it."""
        self._connection.close()

    def _is_late(self) -> bool:
        return time.monotonic() > self._until

    def _late(self) -> TimedOut:
        return TimedOut(f"it took more than {self._seconds:g} seconds")

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise self._late() from None
            raise


class _Numbering(SqliteTransaction):
    """Events have the numbers that they have in the log they come from."""

    def __init__(self, connection: sqlite3.Connection, events: deque[int]) -> None:
        super().__init__(connection)
        self._counting = SqliteTransaction(connection)
        self._events = events

    async def new_ids(  # type: ignore[override]  # as any transaction may: they need not be one range
        self, table: str, workspace: int, count: int
    ) -> Sequence[int]:
        if table == "events":
            return [self._events.popleft() for _ in range(count)]
        return await self._counting.new_ids(table, workspace, count)


@lru_cache(maxsize=1)
def _image() -> bytes:
    """Return an empty database as bytes, which is quicker to read than to make."""
    connection, words = sqlite3.connect(":memory:"), sqlite.dialect()
    for table in Workspace.metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=words)))
        for index in table.indexes:
            if is_meant(index, "sqlite"):
                connection.execute(str(CreateIndex(index).compile(dialect=words)))
    image = connection.serialize()
    connection.close()
    return image
