"""Ten times what a slow database can take: memory and waiting stay small, and the rest is told to come again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.grounds import Ground, a_ground
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.chaos.servers import KEY, Server, a_nursery, serving
from tests.cluster.oracle import Request, judge

TIMES = 10
BATCH = 100
MEMORY_MB_MAX = 64
P99_SECONDS_MAX = 1.0
WELL_SECONDS_MAX = 5.0

_AT_ONCE = 12
# So much fills the 16 MiB of pages that the writer keeps; what grows afterwards is what waits, and not those.
_FILLING_BATCHES = 100
_FILLING_BATCH = 2_000
_ANSWER_SECONDS_MAX = 20.0
_IDLE_SECONDS_MAX = 2.0
_HEAD = (
    "POST /v1/batch HTTP/1.1\r\nHost: calyx\r\nContent-Type: application/json\r\n"
    f"Authorization: Bearer {KEY}\r\nContent-Length: {{}}\r\n\r\n"
)


@dataclass
class Crowd:
    """Clients that do not wait for each other: what is due is sent, however the last one fared."""

    port: int
    name: str
    batch: int = BATCH
    sent: list[Request] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    waited_s: list[float] = field(default_factory=list)
    """How long each that was acknowledged had waited since it was due."""
    answers: Counter[str] = field(default_factory=Counter)
    idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = field(
        default_factory=list
    )
    """Open connections, and since when each is idle."""

    async def post(self, due: float) -> bool:
        """Send one batch; return whether it was acknowledged."""
        number = len(self.sent)
        ids = tuple(f"{self.name}.{number}.{place}" for place in range(self.batch))
        self.sent.append(ids)
        messages = [_message(one, place) for place, one in enumerate(ids)]
        try:
            async with asyncio.timeout(_ANSWER_SECONDS_MAX):
                answer = await self._call(json.dumps({"batch": messages}).encode())
        except (OSError, EOFError, TimeoutError) as error:
            answer = type(error).__name__
        self.answers[answer] += 1
        if answer != "200":
            return False
        self.waited_s.append(asyncio.get_running_loop().time() - due)
        self.acknowledged.update(ids)
        return True

    async def _call(self, body: bytes) -> str:
        reader, writer = self._idle() or await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(_HEAD.format(len(body)).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        self.idle.append((asyncio.get_running_loop().time(), reader, writer))
        again = " Retry-After" if b"\r\nretry-after: " in head else ""
        return head[9:12].decode() + again

    def _idle(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Return a connection that may be used again, if there is one."""
        now = asyncio.get_running_loop().time()
        while self.idle:
            since, reader, writer = self.idle.pop()
            # The server closes those that were idle for long; at that very moment nothing may be sent.
            if now - since < _IDLE_SECONDS_MAX:
                return reader, writer
            writer.close()
        return None

    async def take_turns(self, seconds: float) -> float:
        """Send as fast as answers come; return how many a second were acknowledged."""
        clock = asyncio.get_running_loop().time
        until = clock() + seconds
        done = 0

        async def one() -> None:
            nonlocal done
            while clock() < until:
                is_done = await self.post(clock())
                done += is_done

        await asyncio.gather(*(one() for _ in range(_AT_ONCE)))
        return done / seconds

    async def rush(self, a_second: float, seconds: float) -> None:
        """Send so many a second, whatever is answered."""
        clock = asyncio.get_running_loop().time
        began = clock()
        tasks: set[asyncio.Task[bool]] = set()
        for number in range(round(a_second * seconds)):
            due = began + number / a_second
            await asyncio.sleep(max(0.0, due - clock()))
            task = asyncio.create_task(self.post(due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)


async def overrun(plan: Plan, outcome: Outcome) -> None:
    """Overrun a server whose every transaction takes a fifth of a second."""
    seconds = float(plan.times(3, 60))
    async with (
        a_ground("sqlite", plan.folder, plan.server) as ground,
        a_nursery(plan.folder) as nursery,
        a_database(ground) as url,
        serving(nursery, url, planted=plan.planted or "slow") as server,
    ):
        await _overrun(ground, url, server, seconds, outcome)
        await server.kill()
        outcome.troubles += await ground.broken(url)


async def _overrun(
    ground: Ground, url: str, server: Server, seconds: float, outcome: Outcome
) -> None:
    clock = asyncio.get_running_loop().time
    filling = Crowd(server.port, "filling", _FILLING_BATCH)
    for _ in range(round(_FILLING_BATCHES * min(1.0, seconds / 60))):
        await filling.post(clock())
    usual = Crowd(server.port, "usual")
    a_second = await usual.take_turns(min(5.0, seconds))
    before = memory_mb(server.pid)
    crowd = Crowd(server.port, "crowd")
    watching = asyncio.create_task(_most_memory(server.pid))
    await crowd.rush(TIMES * a_second, seconds)
    well_after = await _well_again(server)
    watching.cancel()
    grown = await watching - before
    waited = sorted(crowd.waited_s) or [float("inf")]
    p99 = waited[int(len(waited) * 0.99)]
    outcome.did["requests"] += len(crowd.sent)
    outcome.notes += [
        f"{len(filling.sent) * _FILLING_BATCH:,} messages before, so that its pages are in memory",
        f"{a_second:.0f} batches of {BATCH} a second, then {TIMES} times that for {seconds:g} s",
        f"p99 of what was accepted {p99:.2f} s, memory +{grown:.0f} MB, well after {well_after:.1f} s",
        ", ".join(f"{count:,} x {answer}" for answer, count in sorted(crowd.answers.items())),
    ]
    odd = set(crowd.answers) - {"200", "503 Retry-After", "429 Retry-After"}
    checks = {
        f"p99 is {p99:.2f} s": p99 < P99_SECONDS_MAX,
        f"memory grew by {grown:.0f} MB": grown < MEMORY_MB_MAX,
        f"well only after {well_after:.1f} s": well_after < WELL_SECONDS_MAX,
        f"answers {sorted(odd)}": not odd,
        "nothing was refused, so it was not too much": len(crowd.answers) > 1,
    }
    outcome.troubles += [trouble for trouble, is_well in checks.items() if not is_well]
    outcome.troubles += server.errors()[:3]
    for one in (filling, usual, crowd):
        mine = [each for each in await ground.stored(url) if each.startswith(f"{one.name}.")]
        outcome.take(judge(one.sent, one.acknowledged, mine), one.name)


async def _most_memory(pid: int) -> float:
    """Return, once it is cancelled, the most that a process held."""
    most = 0.0
    try:
        while True:
            most = max(most, memory_mb(pid))
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        return most


async def _well_again(server: Server) -> float:
    """Return after how many seconds a batch is taken at once and in time."""
    clock = asyncio.get_running_loop().time
    began = clock()
    late = Crowd(server.port, "late")
    while clock() - began < 2 * WELL_SECONDS_MAX:
        if await late.post(clock()) and late.waited_s[-1] < P99_SECONDS_MAX:
            break
        await asyncio.sleep(0.1)
    return clock() - began


def memory_mb(pid: int) -> float:
    """Return what a process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


def _message(message_id: str, place: int) -> dict[str, object]:
    return {
        "type": "track",
        "event": "Report Viewed",
        "messageId": message_id,
        "userId": f"u{place % 20}",
        "timestamp": "2026-11-02T00:00:00Z",
        "properties": {"page": place},
    }


SCENARIOS = (
    Scenario(
        "overload",
        "ten times what a slow database takes (0.2 s for each transaction)",
        "60 s: p99 < 1 s, memory < 64 MB, 429/503 with Retry-After, well within 5 s",
        overrun,
        "slow-and-patient",
    ),
)
