"""Clocks that jump by years, and events from ten years off: the state is still that of the model."""

from __future__ import annotations

import random
from dataclasses import replace

from ingest import clock
from models.values import Workspace
from tests.chaos.grounds import a_ground
from tests.chaos.permuted import Telling, tell
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
    rng = plan.rng(outcome.name)
    seeds = [rng.randrange(10**12) for _ in range(plan.times(15, 300))]
    tellings = [one for place, seed in enumerate(seeds) for one in _orders(seed, 2 * place + 2)]
    for kind in ("sqlite", "postgres"):
        async with a_ground(kind, plan.folder, plan.server) as ground, a_database(ground) as url:
            async with opened(url) as database:
                outcome.troubles += await tell(database, tellings)
            outcome.troubles += await ground.broken(url)
        outcome.did["histories"] += len(seeds)


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


def _orders(seed: int, first: int) -> list[Telling]:
    """Return a history as it was sent and in another order, for two workspaces from that number on."""
    history = shaken(random.Random(seed))
    expected = plain(model.state(history))
    rng = random.Random(seed)
    orders = (cut(rng, history), rearranged(rng, history))
    return [
        Telling(seed, Workspace(number, f"w{number}"), order, expected)
        for number, order in enumerate(orders, first)
    ]


SCENARIOS = (
    Scenario(
        "clocks",
        "our clock jumps, events ten years off, against the model",
        "the state of the model on both databases",
        jump,
        "nothing-deleted",
    ),
)
