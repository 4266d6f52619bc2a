"""Let many requests share one commit: each waits until its messages are durable.

The next batch is whatever queued while the last one committed; nobody lingers. The queue is
bounded by messages and by bytes, and full means Busy, at once. A request with so much behind it
that the others would have to wait goes to a slow lane.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextvars import Context
from dataclasses import dataclass

from ingest import audit
from ingest.lane import HEAVY_LIMITS, HeavyLimits, Lane
from ingest.message import hold
from ingest.queued import Answers, Busy, Request, answer, entries, fail, store
from ingest.ready import TooMuch
from ingest.store import Item, save
from models.database import Database, Unavailable, is_shared
from models.values import Workspace

BATCH_MESSAGES_MAX, SHARED_BATCH_MESSAGES_MAX = 2_000, 500
"""Messages of a commit. Where others write, too, what one commit is about must not be what all are about."""

# A commit of fewer takes about as long as one of so many: only full ones tell how many fit.
_FULL_FROM = 500
_LEARNT_OF_EACH = 0.2
_COMMITS_UNKNOWN = 1_000


@dataclass(frozen=True, slots=True)
class Committed:
    """One batch, for whoever watches."""

    messages: int
    seconds: float
    # What each request was part of, for those who follow one through.
    contexts: Sequence[Context]

    @property
    def requests(self) -> int:
        """Return how many shared the commit."""
        return len(self.contexts)


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much may wait for a commit."""

    messages_max: int = 20_000
    bytes_max: int = 64 * 1024 * 1024
    seconds_max: float = 0.5
    """For how long what waits may keep the database busy, as fast as it is now."""


QUEUE_LIMITS = QueueLimits()


class _Pace:
    """How much may wait, so that it is committed in time at the pace of the last commits."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._messages = float(_FULL_FROM)
        self._seconds = 0.0

    def note(self, committed: Committed) -> None:
        """Learn from a commit; a single slow one does not say much."""
        self._messages += (committed.messages - self._messages) * _LEARNT_OF_EACH
        self._seconds += (committed.seconds - self._seconds) * _LEARNT_OF_EACH

    @property
    def messages_max(self) -> float:
        """Return beyond how many waiting messages nobody is let in; some may always wait."""
        of_a_commit = max(self._messages, _FULL_FROM)
        commits = self._limits.seconds_max / self._seconds if self._seconds else _COMMITS_UNKNOWN
        return max(2 * _FULL_FROM, of_a_commit * commits)


class Writer:
    """The one that writes: takes requests, commits batches of one workspace each."""

    def __init__(
        self,
        database: Database,
        limits: QueueLimits = QUEUE_LIMITS,
        watch: Callable[[Committed], None] = lambda _: None,
        heavy: HeavyLimits = HEAVY_LIMITS,
    ) -> None:
        self._database = database
        self._limits = limits
        self._watch = watch
        self._queue: deque[Request] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._pace = _Pace(limits)
        shared = is_shared(database.url)
        self._batch_max = SHARED_BATCH_MESSAGES_MAX if shared else BATCH_MESSAGES_MAX
        self._heavy = heavy
        self._lane = Lane(database, heavy, self._done, self._commit_apart)
        self.messages_waiting = 0
        self.bytes_waiting = 0

    def start(self) -> None:
        """Begin to commit what is submitted."""
        self._task = asyncio.create_task(self._run(), name="calyx-writer")
        self._lane.start()

    async def submit(
        self,
        workspace: Workspace,
        items: Sequence[Item],
        size: int,
        *,
        by: audit.Entry | None = None,
        alone: bool = False,
    ) -> Answers:
        """Return, once `items` are durable, a receipt for each that was asked about.

        `by` is written with them, as what came of the first; `alone` keeps others out of the commit. Raise Busy when the queue is full or the database cannot serve; then nothing was stored.
        """
        if not items:
            return []
        self._admit(len(items), size)
        request = Request(workspace, items, size, by, alone)
        self._queue.append(request)
        self._wake.set()
        # What is under way is written whether or not the caller still waits.
        return await asyncio.shield(request.done)

    async def close(self) -> None:
        """Commit what is queued, then stop; what waits in the slow lane is Busy."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        await self._lane.close()

    def expect_room(self) -> None:
        """Raise Busy where every request would be refused: that is known before one is parsed."""
        if self._closing:
            raise Busy("this process is stopping; send it again", 1)
        if self._queue and self.messages_waiting > self._pace.messages_max:
            raise Busy("the database is slow now, and enough waits for it; try again", 1)

    def _admit(self, messages: int, size: int) -> None:
        self.expect_room()
        if not self._queue:
            # A request larger than the queue is still served when nothing else waits.
            pass
        elif self.messages_waiting + messages > self._limits.messages_max:
            raise Busy(f"{self.messages_waiting} messages already wait for a commit; try again", 1)
        elif self.bytes_waiting + size > self._limits.bytes_max:
            raise Busy(f"{self.bytes_waiting} bytes already wait for a commit; try again", 1)
        self.messages_waiting += messages
        self.bytes_waiting += size

    async def _run(self) -> None:
        while True:
            while not self._queue:
                if self._closing:
                    return
                self._wake.clear()
                await self._wake.wait()
            batch = self._next_batch()
            await self._commit(batch)
            for request in batch:
                self.messages_waiting -= len(request.items)
                self.bytes_waiting -= request.size

    def _next_batch(self) -> list[Request]:
        """Take the oldest request and those behind it that may share its transaction."""
        workspace = self._queue[0].workspace
        batch: list[Request] = []
        rest: deque[Request] = deque()
        messages = 0
        while self._queue:
            request = self._queue.popleft()
            full = messages > 0 and messages + len(request.items) > self._batch_max
            if full or (batch and (request.alone or batch[0].alone)):
                rest.append(request)
                break
            if request.workspace.id == workspace.id:
                batch.append(request)
                messages += len(request.items)
            else:
                rest.append(request)
        self._queue.extendleft(reversed(rest))
        return batch

    async def _commit(self, batch: list[Request]) -> None:
        started = time.perf_counter()
        try:
            answers = await self._database.write(lambda tx: store(tx, batch, self._heavy.ahead()))
        except TooMuch:
            await self._set_aside(batch)
        except Unavailable as error:
            fail(batch, Busy(str(error), 1))
        except Exception as error:  # noqa: BLE001 (whatever it is, the callers must hear of it)
            await self._commit_apart(batch, error)
        else:
            committed = self._done(batch, answers, time.perf_counter() - started)
            self._pace.note(committed)

    async def _set_aside(self, batch: list[Request]) -> None:
        """Commit a batch but for what there is too much behind."""
        if len(batch) == 1:
            self._lane.take(batch[0])
            return
        middle = len(batch) // 2
        await self._commit(batch[:middle])
        await self._commit(batch[middle:])

    def _done(self, batch: list[Request], answers: Answers, seconds: float) -> Committed:
        answer(batch, answers)
        messages = sum(len(request.items) for request in batch)
        committed = Committed(messages, seconds, [request.context for request in batch])
        self._tell(committed)
        return committed

    def _tell(self, committed: Committed) -> None:
        try:
            self._watch(committed)
        except Exception as error:  # noqa: BLE001 (who watches must not stop who writes)
            context = {"message": "a watcher of commits failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    async def _commit_apart(self, batch: list[Request], error: Exception) -> None:
        """Commit each request by itself, so that one that cannot be saved fails alone."""
        if len(batch) > 1:
            for request in batch:
                await self._commit([request])
            return
        request = batch[0]
        try:
            answers = await self._save_around(request.workspace, request.items)
            told = list(entries(batch, answers))
            await self._database.write(lambda tx: audit.write(tx, request.workspace, told))
        except Unavailable as unavailable:
            fail(batch, Busy(str(unavailable), 1))
        except Exception:  # noqa: BLE001 (not even held: the caller hears of the first fault)
            fail(batch, error)
        else:
            request.done.set_result(answers)
            context = {"message": "a message could not be stored and is held", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    async def _save_around(self, workspace: Workspace, items: Sequence[Item]) -> Answers:
        """Save what can be saved, and hold in quarantine the messages that cannot."""
        try:
            return await self._database.write(lambda tx: save(tx, workspace, items))
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 (whatever it is, it concerns one of them)
            if len(items) == 1:
                held = [items[0]._replace(parsed=hold(items[0].parsed))]
                return await self._database.write(lambda tx: save(tx, workspace, held))
        middle = len(items) // 2
        first = await self._save_around(workspace, items[:middle])
        return first + await self._save_around(workspace, items[middle:])
