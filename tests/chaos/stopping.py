"""SIGTERM while busy: what is under way is finished, and the process is gone within ten seconds."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.grounds import Ground, a_ground
from tests.chaos.kills import under_load, unexpected
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.chaos.servers import Server, a_nursery, serving

STOP_SECONDS_MAX = 10.0
_STOPS_OF_A_DATABASE = 20


async def stop(plan: Plan, outcome: Outcome) -> None:
    """Stop servers on both databases under load, on PostgreSQL with two workers."""
    stops = plan.times(4, 40)
    rng = plan.rng(outcome.name)
    slowest = 0.0
    for kind, workers in (("sqlite", "1"), ("postgres", "2")):
        async with (
            a_ground(kind, plan.folder, plan.server) as ground,
            a_nursery(plan.folder) as nursery,
        ):
            half = stops // 2
            for done in plan.rounds(outcome.name, half, _STOPS_OF_A_DATABASE):
                some = min(_STOPS_OF_A_DATABASE, half - done)
                async with (
                    a_database(ground) as url,
                    serving(nursery, url, planted=plan.planted, CALYX_WORKERS=workers) as server,
                ):
                    took = await _stop_often(ground, url, server, some, rng, outcome)
                    slowest = max(slowest, took)
    outcome.notes.append(f"slowest end {slowest:.2f} s")


async def _stop_often(
    ground: Ground, url: str, server: Server, stops: int, rng: random.Random, outcome: Outcome
) -> float:
    """Stop a server again and again while clients post; return how long the slowest took."""
    slowest = 0.0
    async with under_load(server, f"s{rng.randrange(10**9)}") as load:
        for number in range(stops):
            await asyncio.sleep(rng.uniform(0.1, 0.6))
            code, took = await server.stop()
            outcome.did["servers stopped"] += 1
            slowest = max(slowest, took)
            if code != 0 or took > STOP_SECONDS_MAX:
                outcome.troubles.append(f"stop {number + 1}: exit code {code} after {took:.1f} s")
            sent, acknowledged = list(load.tally.sent), set(load.tally.acknowledged)
            verdict = await ground.judge(url, sent, acknowledged)
            outcome.blame(verdict, f"after stop {number + 1}")
            await server.start()
    verdict = await ground.judge(url, load.tally.sent, load.tally.acknowledged)
    outcome.take(verdict, "in the end")
    outcome.troubles += unexpected(load) + server.errors()[:3]
    await server.kill()
    outcome.troubles += await ground.broken(url)
    return slowest


SCENARIOS = (
    Scenario(
        "sigterm",
        "SIGTERM while busy, both databases",
        "exit 0 within 10 s, 0 lost",
        stop,
        "hasty-end",
    ),
)
