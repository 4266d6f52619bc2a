"""A process that keeps a server busy over a few connections and says what came back.

It speaks HTTP/1.1 itself, over sockets that stay open, and knows just what these servers answer. A
client library would take more time for a request than the server does, and would be what is measured.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple, NoReturn

import msgspec
import uvloop

from tests.benchmarks import messages

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_STATUS = slice(9, 12)
_SHOWN_BYTES = 500
_ANSWER_BYTES_MAX = 4 * 1024 * 1024
# The last answers may wait in a long queue; what takes longer than this has hung.
_LAST_ANSWERS_SECONDS = 120


class Messages(msgspec.Struct, frozen=True, tag=True):
    """Bodies that post new messages: one each, or batches of several."""

    seed: int
    customers: int
    batch: int | None = None
    whom: messages.Whom = messages.Whom.ZIPF
    drafts: int = 10_000
    """How many different messages there are: they are sent over and over, each time as new ones."""

    @property
    def each(self) -> int:
        """Return how many messages one body has."""
        return self.batch or 1

    def bodies(self) -> Iterator[bytes]:
        """Return bodies without end."""
        # Made before the first is asked for, so that the warm-up is not spent on it.
        return self._stamped(messages.templates(self.seed, self.customers, self.drafts, self.whom))

    def _stamped(self, drafts: list[bytes]) -> Iterator[bytes]:
        # Not seeded: a second run against one server sends new messages, not known ones.
        rng = random.Random()
        for pick in itertools.count(step=self.each):
            at = datetime.now(UTC).isoformat(timespec="milliseconds")[:-6].encode() + b"Z"
            stamped = [
                messages.stamp(
                    drafts[(pick + each) % len(drafts)],
                    b"ajs-next-%032x" % rng.getrandbits(128),
                    at,
                )
                for each in range(self.each)
            ]
            if self.batch is None:
                yield stamped[0]
            else:
                yield b'{"batch":[' + b",".join(stamped) + b'],"sentAt":"' + at + b'"}'


class Requests(msgspec.Struct, frozen=True, tag=True):
    """Bodies that are sent over and over, in turn."""

    texts: list[str]
    each: int = 1

    def bodies(self) -> Iterator[bytes]:
        """Return bodies without end."""
        return itertools.cycle([text.encode() for text in self.texts])


class Plan(msgspec.Struct, frozen=True):
    """What to send to whom, over how many connections, for how long."""

    port: int
    path: str
    headers: dict[str, str]
    connections: int
    seconds: float
    warm_up_seconds: float
    server_pid: int
    what: Messages | Requests
    core: int | None = None
    database_pid: int | None = None
    a_second: float | None = None
    """How many bodies are due, whether or not there were answers; without it, each waits for an answer."""


class Measured(msgspec.Struct, frozen=True):
    """What came back while it was measured, and over all."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_micros: float
    """The server's CPU time for each message or request, in all its processes."""
    failures: int
    answered_in_all: int
    """Messages or requests that were answered with 200, outside the measured time too."""
    load_busy: float
    """The part of the time for which this process had a core: near 1, it is what was measured."""
    database_cpu_micros: float | None = None
    """The same of the database's processes, where it has its own."""


class Times(NamedTuple):
    """What four clocks say at one moment, in seconds."""

    wall: float
    server: float
    own: float
    database: float


class Run:
    """The time that is measured: from one answer to another, so that no part of a request counts."""

    def __init__(self, plan: Plan) -> None:
        head = [f"POST {plan.path} HTTP/1.1", f"Host: 127.0.0.1:{plan.port}"]
        head += [f"{name}: {value}" for name, value in plan.headers.items()]
        self._head = ("\r\n".join(head) + "\r\nContent-Length: ").encode()
        self._plan = plan
        self._bodies = plan.what.bodies()
        self._latencies: list[float] = []
        self._failures = 0
        self._answered_in_all = 0
        self._begun: Times | None = None
        self._ended: Times | None = None
        begun = time.perf_counter()
        self._warm_at = begun + plan.warm_up_seconds
        self._dues = None if plan.a_second is None else itertools.count(begun, 1 / plan.a_second)

    def due(self) -> float:
        """Return when the next request is to be sent, which may have been a while ago."""
        return time.perf_counter() if self._dues is None else next(self._dues)

    def request(self) -> bytes | None:
        """Return the next request as bytes; None once the time is over."""
        if self._ended:
            return None
        body = next(self._bodies)
        return self._head + str(len(body)).encode() + _HEAD_END + body

    def answered(self, due_at: float, *, failure: bytes | None) -> None:
        """Count the answer to what was due then."""
        now = time.perf_counter()
        well = failure is None
        if failure is not None and not self._failures:
            print(failure[:_SHOWN_BYTES], file=sys.stderr)
        self._answered_in_all += well * self._plan.what.each
        self._failures += not well
        if self._begun is None:
            if now >= self._warm_at:
                self._begun = self._times(now)
        elif self._ended is None:
            if well:
                self._latencies.append(now - due_at)
            # Who does answer, but hardly ever, is measured until it has.
            told = self._latencies or not self._answered_in_all
            if told and now - self._begun.wall >= self._plan.seconds:
                self._ended = self._times(now)

    def measured(self) -> Measured:
        """Return what came back, once it is over."""
        if self._begun is None or self._ended is None or not self._latencies:
            _fail(f"no answer was a 200; {self._failures} were not")
        wall, server, own, database = (
            end - begin for begin, end in zip(self._begun, self._ended, strict=True)
        )
        ordered = sorted(self._latencies)
        done = len(ordered) * self._plan.what.each
        return Measured(
            per_second=done / wall,
            p50_ms=1_000 * ordered[len(ordered) // 2],
            p99_ms=1_000 * ordered[len(ordered) * 99 // 100],
            cpu_micros=1e6 * server / done,
            failures=self._failures,
            answered_in_all=self._answered_in_all,
            load_busy=own / wall,
            database_cpu_micros=1e6 * database / done if self._plan.database_pid else None,
        )

    def _times(self, now: float) -> Times:
        database = self._plan.database_pid
        return Times(
            wall=now,
            server=cpu_seconds(self._plan.server_pid),
            own=time.process_time(),
            database=cpu_seconds(database) if database else 0.0,
        )


async def keep_asking(run: Run, port: int) -> None:
    """Send what is due, wait for the answer, and send again, over one connection, until it is over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_ANSWER_BYTES_MAX)
    while (request := run.request()) is not None:
        due_at = run.due()
        if (early := due_at - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        writer.write(request)
        head = await reader.readuntil(_HEAD_END)
        body = await reader.readexactly(_body_bytes(head))
        # GraphQL says with 200, too, that something failed.
        well = head[_STATUS] == b"200" and b'"errors":' not in body
        run.answered(due_at, failure=None if well else head + body)
    writer.close()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process and those it started have had, also those that ended."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for thread in threads for child in thread.read_text().split()]
    # A child that ends meanwhile is in its parent's account, which is read after it.
    of_children = sum(_cpu_seconds_if_alive(child) for child in children)
    # The name, in parentheses, may have spaces; the times are fields 14 and 15, of ended children 16 and 17.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return of_children + sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _cpu_seconds_if_alive(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


async def main() -> None:
    """Do what the plan on standard input says; print what was measured."""
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    if plan.core is not None:
        os.sched_setaffinity(0, {plan.core})
    run = Run(plan)
    limit = plan.warm_up_seconds + plan.seconds + _LAST_ANSWERS_SECONDS
    try:
        async with asyncio.timeout(limit):
            asking = (keep_asking(run, plan.port) for _ in range(plan.connections))
            await asyncio.gather(*asking)
    except (OSError, EOFError, TimeoutError) as error:
        _fail(str(error) or f"no answer within {limit:.0f} s")
    sys.stdout.buffer.write(msgspec.json.encode(run.measured()))


def _body_bytes(head: bytes) -> int:
    start = head.lower().find(_LENGTH)
    if start < 0:
        _fail(f"an answer does not say how long it is: {head[:_SHOWN_BYTES]!r}")
    return int(head[start + len(_LENGTH) : head.index(b"\r\n", start + 2)])


def _fail(why: str) -> NoReturn:
    sys.exit(f"the load cannot go on: {why}")


if __name__ == "__main__":
    uvloop.run(main())
