"""Let a command wait for its turn to write where another process writes without a pause."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from models.database import (
    READ_TIMEOUT_S,
    Database,
    First,
    Readers,
    Row,
    Trial,
    Unavailable,
    Work,
    is_shared,
)

T = TypeVar("T")

SECONDS_MAX = 30.0
"""How long a command asks again. SQLite's writers do not queue: each looks now and then, by chance."""

_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class Patient:
    """A database whose writes wait for their turn; all else is as ever."""

    inner: Database

    @property
    def url(self) -> str:
        """Return what was opened."""
        return self.inner.url

    @property
    def collation(self) -> str | None:
        """Return by which collation PostgreSQL folds case; None where Calyx does it."""
        return self.inner.collation

    @property
    def readers(self) -> Readers:
        """Return what of its connections are busy."""
        return self.inner.readers

    async def read(
        self, sql: str, args: Sequence[Any] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> list[Row]:
        """Return the rows of one statement, as committed; raise TimedOut or Unavailable."""
        return await self.inner.read(sql, args, timeout_s)

    async def write(self, work: Work[T], first: First | None = None) -> T:
        """Do `work` in one transaction, however long others take theirs; raise Unavailable in the end."""
        until = time.monotonic() + SECONDS_MAX
        while True:
            try:
                return await self.inner.write(work, first)
            except Unavailable:
                # Writers of PostgreSQL wait in a row: what is not available there is down.
                if is_shared(self.url) or time.monotonic() > until:
                    raise
            await asyncio.sleep(_PAUSE_S)

    async def rehearse(self, trial: Trial[T], seconds: float) -> T:
        """Return what `trial` finds out; nothing it does is kept."""
        return await self.inner.rehearse(trial, seconds)

    async def about(self) -> dict[str, str]:
        """Return engine, version and what of its set-up matters for durability."""
        return await self.inner.about()

    async def close(self) -> None:
        """Finish what is under way and let go of the connections."""
        await self.inner.close()
