"""A disk that is full, and a database that is locked: 503, reads go on, and all is well again by itself."""

from __future__ import annotations

import asyncio
import random
import resource
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.chaos.grounds import Ground, a_ground
from tests.chaos.kills import under_load, unexpected
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.chaos.servers import Server, a_nursery, serving
from tests.cluster.load import Load
from tests.databases import file_of

Hurt = Callable[[str, Server], AbstractContextManager[None]]

# Longer than SQLite waits for a lock.
_HURT_SECONDS = (2.5, 3.5)
_WELL_SECONDS_MAX = 5.0


async def fill(plan: Plan, outcome: Outcome) -> None:
    """Let the file system take nothing more of the database while clients post."""
    await _hurting(plan, outcome, full, "full disks")


async def lock(plan: Plan, outcome: Outcome) -> None:
    """Hold the lock of the one that writes while clients post."""
    await _hurting(plan, outcome, locked, "locks")


async def _hurting(plan: Plan, outcome: Outcome, hurt: Hurt, what: str) -> None:
    rng = plan.rng(outcome.name)
    async with (
        a_ground("sqlite", plan.folder, plan.server) as ground,
        a_nursery(plan.folder) as nursery,
        a_database(ground) as url,
        serving(nursery, url, planted=plan.planted) as server,
    ):
        async with under_load(server, f"d{rng.randrange(10**9)}") as load:
            for _ in plan.rounds(outcome.name, plan.times(1, 10)):
                await asyncio.sleep(rng.uniform(0.3, 0.8))
                with hurt(url, server):
                    await _suffer(load, rng, outcome)
                await _recover(load, outcome)
                outcome.did[what] += 1
        await judge_all(ground, url, server, load, outcome)
    refused = load.tally.retries
    outcome.notes.append(", ".join(f"{count:,} x {answer}" for answer, count in refused.items()))
    if not refused["503"] and outcome.is_well:
        outcome.troubles.append("nothing was refused, so nothing was hurt")


async def _suffer(load: Load, rng: random.Random, outcome: Outcome) -> None:
    before = len(load.tally.read_at)
    await asyncio.sleep(rng.uniform(*_HURT_SECONDS))
    if len(load.tally.read_at) == before:
        outcome.troubles.append("nobody could read meanwhile")


async def _recover(load: Load, outcome: Outcome) -> None:
    since = time.monotonic()
    while not load.tally.acknowledged_at or load.tally.acknowledged_at[-1] < since:
        await asyncio.sleep(0.05)
        if time.monotonic() - since > _WELL_SECONDS_MAX:
            outcome.troubles.append(f"not well {_WELL_SECONDS_MAX:g} s later")
            return


async def judge_all(ground: Ground, url: str, server: Server, load: Load, outcome: Outcome) -> None:
    """Judge what a server was sent and said, and what it left; it is killed for that."""
    verdict = await ground.judge(url, load.tally.sent, load.tally.acknowledged)
    outcome.take(verdict, "in the end")
    outcome.troubles += unexpected(load) + server.errors()[:3]
    await server.kill()
    outcome.troubles += await ground.broken(url)


@contextmanager
def full(url: str, server: Server) -> Iterator[None]:
    """Let no file of a server grow beyond a little more than its log has now, as on a full disk."""
    log = file_of(f"{url}-wal")
    size = log.stat().st_size if log.exists() else 0
    before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (size + 20_000, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def locked(url: str, _server: Server) -> Iterator[None]:
    """Hold the lock of the one that writes, as another program may."""
    other = sqlite3.connect(file_of(url), isolation_level=None, timeout=10)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


SCENARIOS = (
    Scenario(
        "disk-full",
        "the disk full, and room again (RLIMIT_FSIZE of the server)",
        "503, reads go on, well within 5 s, 0 lost",
        fill,
        "fault-answers",
    ),
    Scenario(
        "locked",
        "the SQLite file locked by another program",
        "503, reads go on, well within 5 s, 0 lost",
        lock,
        "fault-answers",
    ),
)
