"""kill -9 at random under load: what was acknowledged is there, and nothing is there by half."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.grounds import Ground, a_ground
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.chaos.servers import KEY, Server, a_nursery, serving
from tests.cluster.load import Load

# Databases are begun anew now and then, lest looking at them takes longer than hurting them.
_KILLS_OF_A_DATABASE = 25
_PACE_SECONDS = 0.004
_ALIVE_SECONDS = (0.02, 0.45)


async def on_sqlite(plan: Plan, outcome: Outcome) -> None:
    """Kill the one server of a SQLite file."""
    await _killing(plan, outcome, "sqlite", plan.times(6, 100), 1)


async def on_postgres(plan: Plan, outcome: Outcome) -> None:
    """Kill the one process of a server on PostgreSQL."""
    await _killing(plan, outcome, "postgres", plan.times(4, 50), 1)


async def on_postgres_together(plan: Plan, outcome: Outcome) -> None:
    """Kill one of two workers, or the server with both."""
    await _killing(plan, outcome, "postgres", plan.times(4, 50), 2)


async def _killing(plan: Plan, outcome: Outcome, kind: str, kills: int, workers: int) -> None:
    rng = plan.rng(outcome.name)
    settings = {"CALYX_WORKERS": str(workers)}
    async with (
        a_ground(kind, plan.folder, plan.server) as ground,
        a_nursery(plan.folder) as nursery,
    ):
        for done in plan.rounds(outcome.name, kills, _KILLS_OF_A_DATABASE):
            some = min(_KILLS_OF_A_DATABASE, kills - done)
            async with (
                a_database(ground) as url,
                serving(nursery, url, planted=plan.planted, **settings) as server,
            ):
                await _kill_often(ground, url, server, some, rng, outcome)


async def _kill_often(
    ground: Ground, url: str, server: Server, kills: int, rng: random.Random, outcome: Outcome
) -> None:
    """Kill a server again and again while clients post, looking each time at what it left."""
    async with under_load(server, f"k{rng.randrange(10**9)}") as load:
        for number in range(kills):
            await asyncio.sleep(rng.uniform(*_ALIVE_SECONDS))
            workers = server.workers()
            if workers and rng.random() < 0.5:
                os.kill(rng.choice(workers), signal.SIGKILL)
                outcome.did["workers killed"] += 1
                continue
            await server.kill()
            outcome.did["servers killed"] += 1
            # Taken now that nobody can answer any more: what comes back later was not acknowledged.
            sent, acknowledged = list(load.tally.sent), set(load.tally.acknowledged)
            verdict = await ground.judge(url, sent, acknowledged)
            outcome.blame(verdict, f"after kill {number + 1}")
            await server.start()
    outcome.take(await ground.judge(url, load.tally.sent, load.tally.acknowledged), "in the end")
    outcome.troubles += unexpected(load) + server.errors()[:3]
    await server.kill()
    outcome.troubles += await ground.broken(url)


@asynccontextmanager
async def under_load(
    server: Server, seed: str, pace_s: float = _PACE_SECONDS
) -> AsyncIterator[Load]:
    """Have clients post and read meanwhile; afterwards each has its last answer."""
    load = Load(server.port, KEY, seed, pace_s)
    running = asyncio.create_task(load.run())
    try:
        yield load
        load.stop()
        await running
    finally:
        running.cancel()


def unexpected(load: Load) -> list[str]:
    """Return the answers that no client should have got."""
    return [f"{count} x {answer}" for answer, count in load.tally.unexpected.most_common(3)]


SCENARIOS = (
    Scenario(
        "kills-sqlite",
        "kill -9 under load, SQLite",
        "1,000 kills, 0 lost",
        on_sqlite,
        "acknowledge-before-commit",
    ),
    Scenario(
        "kills-postgres",
        "kill -9 under load, PostgreSQL, one worker",
        "200 kills, 0 lost",
        on_postgres,
        "acknowledge-before-commit",
    ),
    Scenario(
        "kills-workers",
        "kill -9 of a worker or of both, PostgreSQL",
        "200 kills, 0 lost",
        on_postgres_together,
        "acknowledge-before-commit",
    ),
)
