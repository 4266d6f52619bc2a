"""Watch the logs that somebody follows: one look in turn for each, however many follow it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ingest import tail
from ingest.tail import Window
from models.database import Database, TimedOut, Unavailable
from models.database_tail import frontier
from models.values import Workspace

POLL_SECONDS = 0.2
"""How often a log is looked at: an event is told within twice this time of its commit."""

PATIENCE_SECONDS = 30.0
"""For how long a database may be away before those who follow are told."""

WINDOWS_KEPT = 16
"""Pieces of a log that are kept for others who follow it."""


class Closed(Exception):
    """The server stops: follow the log elsewhere, from where you are."""


class Tail:
    """The log of one workspace, as far as it is complete."""

    def __init__(self, database: Database, workspace: Workspace) -> None:
        self.database = database
        self.workspace = workspace
        self.followers = 0
        self._frontier = frontier(database, workspace.id)
        self._complete: int | None = None
        self._failing_since: float | None = None
        self._failure: Exception | None = None
        self._moved = asyncio.Condition()
        self._windows: dict[tuple[int, int], asyncio.Task[Window]] = {}

    async def end(self) -> int:
        """Return where the log ends now; raise Unavailable, TimedOut or Closed."""
        return await self.beyond(-1)

    async def beyond(self, position: int) -> int:
        """Return where the log ends once that is behind `position`."""
        async with self._moved:
            await self._moved.wait_for(lambda: self._failure or self._is_beyond(position))
        if self._failure is not None:
            raise self._failure
        if self._complete is None:
            raise AssertionError("it was waited for")
        return self._complete

    def _is_beyond(self, position: int) -> bool:
        return self._complete is not None and self._complete > position

    async def step(self, after: int, upto: int) -> int:
        """Return how far to read in one piece."""
        return await tail.step(self.database, self.workspace, after, upto)

    async def window(self, after: int, upto: int) -> Window:
        """Return whom a piece of the log is about; it is read once for all who follow."""
        reading = self._windows.get((after, upto))
        if reading is None:
            work = tail.window(self.database, self.workspace, after, upto)
            reading = self._windows[after, upto] = asyncio.create_task(work)
            while len(self._windows) > WINDOWS_KEPT:
                self._windows.pop(next(iter(self._windows)))
        try:
            return await asyncio.shield(reading)
        except (Unavailable, TimedOut):
            self._windows.pop((after, upto), None)
            raise

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                complete = await self._frontier.look()
            except (Unavailable, TimedOut) as error:
                await self._fail(error)
            except Exception as error:  # noqa: BLE001 (the outermost edge: those who follow tell it)
                await self._tell(self._complete, error)
            else:
                self._failing_since = None
                if complete is not None and (complete != self._complete or self._failure):
                    await self._tell(complete, None)
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Send away all who follow."""
        await self._tell(self._complete, Closed())

    async def _fail(self, error: Exception) -> None:
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        if self._complete is None or now - self._failing_since > PATIENCE_SECONDS:
            await self._tell(self._complete, error)

    async def _tell(self, complete: int | None, failure: Exception | None) -> None:
        async with self._moved:
            self._complete, self._failure = complete, failure
            self._moved.notify_all()


class Tails:
    """The logs that are followed in this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tails: dict[int, tuple[Tail, asyncio.Task[None]]] = {}
        self._closed = False

    @asynccontextmanager
    async def follow(self, workspace: Workspace) -> AsyncIterator[Tail]:
        """Give the tail of a workspace's log; it is watched as long as anybody follows it."""
        if self._closed:
            raise Closed
        if workspace.id not in self._tails:
            made = Tail(self._database, workspace)
            watching = asyncio.create_task(made.watch(), name="calyx-tail")
            self._tails[workspace.id] = made, watching
        found, watching = self._tails[workspace.id]
        found.followers += 1
        try:
            yield found
        finally:
            found.followers -= 1
            if not found.followers:
                self._tails.pop(workspace.id)
                watching.cancel()

    async def close(self) -> None:
        """Send away all who follow a log, and let in nobody more."""
        self._closed = True
        for found, watching in list(self._tails.values()):
            watching.cancel()
            await found.close()
