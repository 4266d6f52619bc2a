"""PostgreSQL behind a wire that resets and stalls, and a server that is restarted, under load."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.disk import judge_all
from tests.chaos.grounds import a_ground, a_server_of_our_own
from tests.chaos.kills import under_load
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.chaos.servers import a_nursery, serving
from tests.cluster.oracle import longest_gap
from tests.cluster.relay import Relay
from tests.postgres import free_port

_RESET_SECONDS = (0.03, 0.3)
_STALL_SECONDS = (0.2, 1.5)
_FAULTS_OF_A_DATABASE = 200


class Wire(Relay):
    """A wire that can be shaken."""

    def reset(self) -> int:
        """Drop every connection with all that is on its way; return how many there were."""
        count = len(self._open) // 2
        for writer in list(self._open):
            writer.transport.abort()
        return count

    def flow(self) -> None:
        """Pass everything on again after a stall."""
        self._flowing.set()


async def shake(plan: Plan, outcome: Outcome) -> None:
    """Reset and stall the connections of a server to its database."""
    rng = plan.rng(outcome.name)
    faults = plan.times(30, 300)
    longest = 0.0
    async with (
        a_ground("postgres", plan.folder, plan.server) as ground,
        a_nursery(plan.folder) as nursery,
    ):
        for done in plan.rounds(outcome.name, faults, _FAULTS_OF_A_DATABASE):
            async with a_database(ground) as url:
                wire, port = Wire([int(url.rsplit(":", 1)[1].split("/")[0])]), free_port()
                host, name = url.rsplit(":", 1)[0], url.rsplit("/", 1)[1]
                async with (
                    wire.listening(port),
                    serving(nursery, f"{host}:{port}/{name}", planted=plan.planted) as server,
                ):
                    async with under_load(server, f"c{rng.randrange(10**9)}") as load:
                        some = min(_FAULTS_OF_A_DATABASE, faults - done)
                        await _shake_often(wire, some, rng, outcome)
                    await judge_all(ground, url, server, load, outcome)
                tally = load.tally
                gap = longest_gap(tally.acknowledged_at, tally.began, tally.ended)
                longest = max(longest, gap)
    outcome.notes.append(f"longest time without an acknowledgement {longest:.1f} s")


async def _shake_often(wire: Wire, count: int, rng: random.Random, outcome: Outcome) -> None:
    for _ in range(count):
        await asyncio.sleep(rng.uniform(*_RESET_SECONDS))
        if rng.random() < 0.1:
            wire.stall()
            await asyncio.sleep(rng.uniform(*_STALL_SECONDS))
            wire.flow()
            outcome.did["stalls"] += 1
        else:
            outcome.did["connections reset"] += wire.reset()
            outcome.did["resets"] += 1


async def restart(plan: Plan, outcome: Outcome) -> None:
    """Stop PostgreSQL as if the power went, and start it again, while clients post."""
    rng = plan.rng(outcome.name)
    async with (
        a_server_of_our_own(plan.folder) as (server, ground),
        a_nursery(plan.folder) as nursery,
        a_database(ground) as url,
        serving(nursery, url, planted=plan.planted) as calyx,
    ):
        async with under_load(calyx, f"r{rng.randrange(10**9)}") as load:
            for _ in plan.rounds(outcome.name, plan.times(1, 20)):
                await asyncio.sleep(rng.uniform(0.3, 1.5))
                await asyncio.to_thread(server.stop)
                await asyncio.sleep(rng.uniform(0, 0.5))
                await asyncio.to_thread(server.start)
                outcome.did["restarts"] += 1
        await judge_all(ground, url, calyx, load, outcome)


SCENARIOS = (
    Scenario(
        "connections",
        "connections to PostgreSQL reset and stalled under load",
        "1,000 resets and stalls, 0 lost",
        shake,
        "acknowledge-before-commit",
    ),
    Scenario(
        "restarts",
        "PostgreSQL stopped at once and started again under load",
        "0 lost, well again by itself",
        restart,
        "acknowledge-before-commit",
    ),
)
