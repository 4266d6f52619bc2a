"""Several processes behind one port, started again when they end, stopped together."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from types import FrameType

import structlog

from api.numbers import Board

log = structlog.get_logger()

AGAIN_SECONDS = 1.0
"""How soon after its start a worker that ended is started again: one that cannot start must not spin."""

_STOP = (signal.SIGINT, signal.SIGTERM)
_BACKLOG = 2_048
# A copy of the supervisor, which has one thread and nothing open: it has everything imported.
_fork = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Post:
    """Where a worker listens, and how it speaks with its supervisor."""

    sockets: Sequence[socket.socket]
    board: Board
    boards: Sequence[Board]
    _started: int
    _supervisor: int

    def started(self) -> None:
        """Say that requests may come."""
        os.write(self._started, b".")

    def watch(self, gone: Callable[[], None]) -> None:
        """Have `gone` called once there is no supervisor any more: nobody else would stop us then."""
        loop = asyncio.get_running_loop()

        def at_the_end() -> None:
            loop.remove_reader(self._supervisor)
            gone()

        loop.add_reader(self._supervisor, at_the_end)


@dataclass(slots=True)
class _Place:
    """What outlives a worker: its sockets, whose queue waits for the next at this place, and its numbers."""

    sockets: Sequence[socket.socket]
    board: Board = field(default_factory=Board)
    worker: ForkProcess | None = None
    began: float = 0.0


class Workers:
    """Processes that serve one port. Each has sockets of its own, and the kernel shares out the callers."""

    def __init__(
        self, count: int, host: str, port: int, serve: Callable[[Post], None], grace_s: float
    ) -> None:
        self._serve = serve
        self._grace_s = grace_s
        self._places = [_Place(sockets) for sockets in _listening(host, port, count)]
        # What is written here is read by whoever waits; what is closed there is noticed.
        self._told_end, self._tell_end = os.pipe()
        self._started_end, self._start_end = os.pipe()
        self._alive_end, self._life_end = os.pipe()

    def run(self, started: Callable[[str, int], None]) -> bool:
        """Serve until told to stop; call `started` once all listen. Return False if one could not start."""
        with self._signals():
            for place in self._places:
                self._begin(place)
            if not self._all_started():
                self._stop()
                return False
            host, port = self._places[0].sockets[0].getsockname()[:2]
            started(host, port)
            while not self._is_told(self._next_due()):
                self._begin_again()
            self._stop()
            return True

    def _all_started(self) -> bool:
        missing = len(self._places)
        while missing:
            waited = [*self._sentinels(), self._started_end, self._told_end]
            ready = wait(waited)
            if self._told_end in ready:
                # Told to stop meanwhile: that is no failure, and the next look finds it again.
                return True
            if self._started_end not in ready:
                return False
            missing -= len(os.read(self._started_end, missing))
        return True

    def _begin(self, place: _Place) -> None:
        place.worker = _fork.Process(target=self._work, args=(place,), daemon=True)
        place.began = time.monotonic()
        # A signal that came between would find the supervisor's answer to it in the worker.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
        try:
            place.worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)

    def _begin_again(self) -> None:
        for place in self._places:
            worker = place.worker
            if worker is not None and not worker.is_alive():
                log.warning("worker_ended", pid=worker.pid, exit_code=worker.exitcode)
                worker.close()
                place.worker = None
            if place.worker is None and time.monotonic() >= place.began + AGAIN_SECONDS:
                self._begin(place)

    def _next_due(self) -> float | None:
        ended = [place.began for place in self._places if place.worker is None]
        return max(0.0, min(ended) + AGAIN_SECONDS - time.monotonic()) if ended else None

    def _is_told(self, seconds: float | None) -> bool:
        return self._told_end in wait([*self._sentinels(), self._told_end], seconds)

    def _sentinels(self) -> list[int]:
        return [place.worker.sentinel for place in self._places if place.worker is not None]

    def _stop(self) -> None:
        # Whoever calls now is refused at once, rather than left in a queue that nobody empties.
        for place in self._places:
            for each in place.sockets:
                each.close()
        workers = [place.worker for place in self._places if place.worker is not None]
        for worker in workers:
            worker.terminate()
        until = time.monotonic() + self._grace_s
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))
            if worker.exitcode is None:
                log.error("worker_killed", pid=worker.pid)
                worker.kill()
                worker.join()

    def _work(self, place: _Place) -> None:
        """Be a worker: what only the supervisor needs is let go first."""
        for sig in _STOP:
            signal.signal(sig, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP)
        for end in (self._told_end, self._tell_end, self._started_end, self._life_end):
            os.close(end)
        for other in self._places:
            if other is not place:
                for each in other.sockets:
                    each.close()
        boards = [each.board for each in self._places]
        ends = (self._start_end, self._alive_end)
        self._serve(Post(place.sockets, place.board, boards, *ends))

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def tell(_sig: int, _frame: FrameType | None) -> None:
            os.write(self._tell_end, b".")

        before = {each: signal.signal(each, tell) for each in _STOP}
        try:
            yield
        finally:
            for each, answer in before.items():
                signal.signal(each, answer)


def _listening(host: str, port: int, count: int) -> list[list[socket.socket]]:
    """Return for each worker a socket at each address of the host, all at one port."""
    places: list[list[socket.socket]] = [[] for _ in range(count)]
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, address in dict.fromkeys((family, address) for family, *_, address in found):
        # Another server that shares its port would let us in beside it: alone, it does not.
        with _bound(family, (address[0], port, *address[2:])) as alone:
            port = alone.getsockname()[1]
        for place in places:
            place.append(_bound(family, (address[0], port, *address[2:]), shared=True))
            place[-1].listen(_BACKLOG)
    return places


def _bound(family: int, address: tuple[object, ...], *, shared: bool = False) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            with suppress(OSError):
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
