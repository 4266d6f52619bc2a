"""A database that lets something happen before a transaction, and counts what is asked of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from models.connection import READ_TIMEOUT_S
from models.database import Database, First, Row, Work


async def nothing(_: int) -> None:
    """Let nothing happen."""


class Between:
    """Stands for a database; `before` is awaited with the number of each transaction, from 1 on."""

    def __init__(
        self, database: Database, before: Callable[[int], Awaitable[None]] = nothing
    ) -> None:
        self._database = database
        self._before = before
        self.transactions = 0
        # Of each statement outside of a transaction: its text, and how many rows it gave.
        self.read_rows: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @property
    def pages(self) -> list[int]:
        """Return how many events each page had that was read in the order of times."""
        return [count for sql, count in self.read_rows if ", at, id LIMIT" in sql]

    async def write(self, work: Work[Any], first: First | None = None) -> Any:
        self.transactions += 1
        await self._before(self.transactions)
        return await self._database.write(work, first)

    async def read(
        self, sql: str, args: Sequence[Any] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> list[Row]:
        rows = await self._database.read(sql, args, timeout_s)
        self.read_rows.append((sql, len(rows)))
        return rows
