"""Made-up histories, permuted, repeated and cut anew: both databases must say what the model says."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ingest.replay import dump
from models.database import Database, Transaction
from models.values import Workspace
from tests.chaos.grounds import Ground, a_ground
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.databases import ERASURE_KEY, opened, save_batches
from tests.laws import model
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import plain, rearranged

PERMUTATIONS = 4
"""So often is a history told anew: the model is asked once."""

_LENGTHS = (3, 5, 8, 12)
# A database is begun anew after so many workspaces, lest its trees grow deep.
_WORKSPACES_MAX = 400


async def permute(plan: Plan, outcome: Outcome) -> None:
    """Tell histories in many orders to both databases, each in a workspace of its own."""
    rng = plan.rng(outcome.name)
    count = plan.times(60, 4_000)
    async with (
        a_ground("sqlite", plan.folder, plan.server) as files,
        a_ground("postgres", plan.folder, plan.server) as rows,
    ):
        for done in plan.rounds(outcome.name, count, _WORKSPACES_MAX):
            some = min(_WORKSPACES_MAX, count - done)
            async with _both(files, rows) as databases:
                for number in range(0, some, PERMUTATIONS):
                    seed = rng.randrange(10**12)
                    await _permute_one(databases, seed, number + 2, outcome)
            if len(outcome.troubles) > 10:
                return


@asynccontextmanager
async def _both(files: Ground, rows: Ground) -> AsyncIterator[list[Database]]:
    async with (
        a_database(files) as file,
        a_database(rows) as name,
        opened(file) as one,
        opened(name) as other,
    ):
        yield [one, other]


async def _permute_one(
    databases: Sequence[Database], seed: int, first: int, outcome: Outcome
) -> None:
    """Tell one history in several orders; each must leave the state of the model in each database."""
    rng = random.Random(seed)
    history = random_history(rng, rng.choice(_LENGTHS))
    expected = plain(model.state(history))
    for number in range(first, first + PERMUTATIONS):
        batches = rearranged(rng, history)
        outcome.did["permuted histories"] += 1
        for database in databases:
            said = await told(database, Workspace(number, f"w{number}"), batches)
            outcome.stored += len(history)
            if said != expected:
                outcome.troubles.append(
                    f"history {seed}, {database.url.split(':')[0]}: {difference(said, expected)}"
                )


async def told(
    database: Database, workspace: Workspace, batches: Sequence[Sequence[Delivery]]
) -> Any:
    """Return the state of a new workspace that was told these batches."""

    async def make(tx: Transaction) -> None:
        sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (?1, ?2, 0, ?3)"
        await tx.fetch(sql, (workspace.id, workspace.name, ERASURE_KEY))

    await database.write(make)
    await save_batches(database, batches, workspace)
    return plain(await dump(database, workspace))


def difference(told: Any, expected: Any) -> str:
    """Return the first part in which two states differ."""
    for name in expected:
        if told.get(name) != expected[name]:
            both = (
                json.dumps(one, sort_keys=True)[:300] for one in (told.get(name), expected[name])
            )
            return f"{name} is {' and not '.join(both)}"
    return "more than expected"


SCENARIOS = (
    Scenario(
        "permuted",
        "histories in any order, against the model, both databases",
        "100,000 permuted histories",
        permute,
        "nothing-deleted",
    ),
)
