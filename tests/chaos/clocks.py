"""Clocks that jump by years, and events from ten years off: the state is still that of the model."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from ingest import clock
from models.database import Database
from models.values import Workspace
from tests.chaos.grounds import a_ground
from tests.chaos.permuted import difference, told
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.databases import opened
from tests.laws import model
from tests.laws.histories import consistent, random_history
from tests.laws.model import Delivery
from tests.laws.test_law import cut, plain, rearranged

_YEAR_US = 365 * 86_400 * 1_000_000
_LENGTH = 12
_TIMES = ("timestamp", "originalTimestamp", "sentAt")


async def jump(plan: Plan, outcome: Outcome) -> None:
    """Tell histories while the clock of the server jumps, to both databases."""
    count = plan.times(15, 300)
    for kind in ("sqlite", "postgres"):
        rng = plan.rng(outcome.name)
        async with a_ground(kind, plan.folder, plan.server) as ground, a_database(ground) as url:
            async with opened(url) as database:
                for number in plan.rounds(outcome.name, count):
                    await _jump_one(database, number, rng.randrange(10**12), outcome)
            outcome.troubles += await ground.broken(url)


async def _jump_one(database: Database, number: int, seed: int, outcome: Outcome) -> None:
    history = shaken(random.Random(seed))
    expected = plain(model.state(history))
    for place, batches in enumerate(_orders(seed, history)):
        workspace = Workspace(2 * number + place + 2, f"w{number}.{place}")
        said = await told(database, workspace, batches)
        outcome.stored += len(history)
        if said != expected:
            outcome.troubles.append(f"history {seed}: {difference(said, expected)}")
    outcome.did["histories"] += 1


def shaken(rng: random.Random) -> list[Delivery]:
    """Return a history in which clocks, ours and the senders', are years off at any moment."""
    return consistent([_off(rng, one) for one in random_history(rng, _LENGTH)])


def _off(rng: random.Random, delivery: Delivery) -> Delivery:
    moved = delivery.received_at + rng.choice((0, 0, 1, -1, 10, -10)) * _YEAR_US
    body = delivery.body
    if isinstance(body, dict) and rng.random() < 0.5:
        at = (
            moved
            + rng.choice((10, -10, 1, -1)) * _YEAR_US
            + rng.choice((0, 1, 299_999_999, 300_000_001))
        )
        body = {**body, rng.choice(_TIMES): clock.text(at)}
    return replace(delivery, received_at=moved, body=body)


def _orders(seed: int, history: Sequence[Delivery]) -> list[list[list[Delivery]]]:
    rng = random.Random(seed)
    return [cut(rng, history), rearranged(rng, history)]


SCENARIOS = (
    Scenario(
        "clocks",
        "our clock jumps, events ten years off, against the model",
        "the state of the model on both databases",
        jump,
        "nothing-deleted",
    ),
)
