"""The slow lane of the writer: requests whose people or accounts are folded ahead, while others go by."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ingest import ahead
from ingest.queued import Answers, Busy, Request, fail, store
from ingest.ready import EVENTS_MAX, MEMBERS_MAX, PAGE, SETTLED, SINCE_MAX, Ahead
from models.database import Database, TimedOut, Transaction, Unavailable

_STOPPING = "this process is stopping; send it again"


@dataclass(frozen=True, slots=True)
class HeavyLimits:
    """What counts as much behind an event, and how many requests may wait for such."""

    events_max: int = EVENTS_MAX
    """Events that are folded again inside a transaction."""
    since_max: int = SINCE_MAX
    """Events that may have come while others were folded."""
    requests_max: int = 100
    bytes_max: int = 8 * 1024 * 1024
    retry_after_s: int = 30
    messages_max: int = 500
    """Messages that are stored together."""
    page: int = PAGE
    settled: int = SETTLED
    members_max: int = MEMBERS_MAX

    def ahead(self) -> Ahead:
        """Return what a transaction may fold, with nothing ready."""
        return Ahead(self.events_max, self.since_max, self.settled, self.page, self.members_max)


HEAVY_LIMITS = HeavyLimits()

Told = Callable[[list[Request], Answers, float], object]
"""What hears of requests that are durable, their answers, and how long their transaction took."""


class Lane:
    """Takes requests that are heavy, and commits some of one workspace at a time."""

    def __init__(
        self,
        database: Database,
        limits: HeavyLimits,
        told: Told,
        failed: Callable[[list[Request], Exception], Awaitable[None]],
    ) -> None:
        self._database = database
        self._limits = limits
        self._told = told
        self._failed = failed
        self._queue: deque[Request] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to commit what is taken."""
        self._task = asyncio.create_task(self._run(), name="calyx-slow-lane")

    def take(self, request: Request) -> None:
        """Commit a request in its turn; it is Busy where too many wait already."""
        if self._closing:
            fail([request], Busy(_STOPPING, 1))
        elif self._queue and (
            len(self._queue) >= self._limits.requests_max
            or self._bytes + request.size > self._limits.bytes_max
        ):
            waiting = f"{len(self._queue)} requests already wait that have much behind them"
            fail([request], Busy(f"{waiting}; try again", self._limits.retry_after_s))
        else:
            self._queue.append(request)
            self._bytes += request.size
            self._wake.set()

    async def close(self) -> None:
        """Answer Busy to what waits, and stop; what is being committed is."""
        self._closing = True
        fail(list(self._queue), Busy(_STOPPING, 1))
        self._queue.clear()
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._closing:
            if self._queue:
                await self._commit(self._next_batch())
            else:
                self._wake.clear()
                await self._wake.wait()

    def _next_batch(self) -> list[Request]:
        """Take the oldest request and others of its workspace: what they have in common is folded once."""
        batch = [self._queue.popleft()]
        messages = len(batch[0].items)
        rest: deque[Request] = deque()
        for request in self._queue:
            fits = messages + len(request.items) <= self._limits.messages_max
            same = request.workspace.id == batch[0].workspace.id
            if fits and same and not (request.alone or batch[0].alone):
                batch.append(request)
                messages += len(request.items)
            else:
                rest.append(request)
        self._queue = rest
        self._bytes -= sum(request.size for request in batch)
        return batch

    async def _commit(self, batch: list[Request]) -> None:
        started = 0.0

        async def work(tx: Transaction, ready: Ahead | None) -> Answers:
            nonlocal started
            started = time.perf_counter()
            return await store(tx, batch, ready)

        try:
            answers = await ahead.write(
                self._database, batch[0].workspace, work, self._limits.ahead(), self._pause
            )
        except Busy as error:
            fail(batch, error)
        except (Unavailable, TimedOut) as error:
            fail(batch, Busy(str(error), 1))
        except Exception as error:  # noqa: BLE001 (whatever it is, the callers must hear of it)
            for request in batch:
                # It may be the fault of one, and they would meet here again.
                request.alone = True
            await self._failed(batch, error)
        else:
            self._told(batch, answers, time.perf_counter() - started)

    async def _pause(self) -> None:
        if self._closing:
            raise Busy(_STOPPING, 1)
        await asyncio.sleep(0)
