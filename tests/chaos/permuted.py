"""Made-up histories, permuted, repeated and cut anew: both databases must say what the model says."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Sequence
from typing import Any, NamedTuple

from ingest.replay import dump_at
from models.database import Database, Transaction
from models.database_snapshot import Snapshot, open_snapshot
from models.values import Workspace
from tests.chaos.crew import PROCESSES, a_crew
from tests.chaos.grounds import Ground
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.databases import ERASURE_KEY, opened, save_batches
from tests.laws import model
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import plain, rearranged

PERMUTATIONS = 8
"""So often is a history told anew: the model is asked once."""

# Short ones: order spoils what two or three messages do to each other, and many fit into an hour.
_LENGTHS = (3, 4, 5, 6, 8)
# A database is begun anew after so many workspaces, lest its trees grow deep; it is read once, in the end.
_WORKSPACES_MAX = 600
# Whoever waits for a server has time for another history; a file has one writer.
_WRITERS_OF_POSTGRES = 3


class Telling(NamedTuple):
    """A history in one of its orders, with a workspace of its own and the state it must leave."""

    seed: int
    workspace: Workspace
    batches: list[list[Delivery]]
    expected: Any


class Told(NamedTuple):
    """What came of some tellings."""

    histories: int
    messages: int
    """As many to each database, repetitions included."""
    troubles: list[str]


async def permute(plan: Plan, outcome: Outcome) -> None:
    """Tell histories in many orders to both databases, each in a workspace of its own."""
    rng = plan.rng(outcome.name)
    count = plan.times(64, 4_000)
    step = PROCESSES * _WORKSPACES_MAX
    messages = 0
    async with a_crew(plan, alone=count <= _WORKSPACES_MAX) as (crew, files, rows):
        for done in plan.rounds(outcome.name, count, step):
            sizes = _sizes(min(step, count - done))
            asked = [(files, rows, rng.randrange(10**12), size) for size in sizes]
            for told in await crew.do(_tell_both, asked):
                outcome.did["permuted histories"] += told.histories
                outcome.troubles += told.troubles
                messages += told.messages
            if len(outcome.troubles) > 10:
                break
    outcome.notes.append(
        f"{messages / max(1, outcome.did['permuted histories']):.1f} messages each, repetitions included, told to each"
        f" database; {PERMUTATIONS} orders of a history"
    )


def _sizes(count: int) -> list[int]:
    """Return how many tellings each database gets."""
    return [min(_WORKSPACES_MAX, count - first) for first in range(0, count, _WORKSPACES_MAX)]


async def _tell_both(files: Ground, rows: Ground, seed: int, count: int) -> Told:
    """Tell a new database of each kind the same."""
    tellings = _tellings(random.Random(seed), count)
    found = await asyncio.gather(
        _share(files, tellings, 1), _share(rows, tellings, _WRITERS_OF_POSTGRES)
    )
    messages = sum(len(batch) for one in tellings for batch in one.batches)
    return Told(count, messages, [trouble for troubles in found for trouble in troubles])


def _tellings(rng: random.Random, count: int) -> list[Telling]:
    """Return so many orders, some of each history, in workspaces from 2 on."""
    made: list[Telling] = []
    while len(made) < count:
        seed = rng.randrange(10**12)
        mine = random.Random(seed)
        history = random_history(mine, mine.choice(_LENGTHS))
        expected = plain(model.state(history))
        for _ in range(min(PERMUTATIONS, count - len(made))):
            workspace = Workspace(len(made) + 2, f"w{len(made)}")
            made.append(Telling(seed, workspace, rearranged(mine, history), expected))
    return made


async def _share(ground: Ground, tellings: Sequence[Telling], writers: int) -> list[str]:
    """Have several writers of one new database tell it; return what is wrong."""
    async with a_database(ground) as url:

        async def some(first: int) -> list[str]:
            async with opened(url) as database:
                return await tell(database, tellings[first::writers])

        found = await asyncio.gather(*(some(first) for first in range(writers)))
    return [trouble for troubles in found for trouble in troubles]


async def tell(database: Database, tellings: Sequence[Telling]) -> list[str]:
    """Tell a database all of it, batch by batch; return where its states are not those of the model."""

    async def make(tx: Transaction) -> None:
        sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (?1, ?2, 0, ?3)"
        for one in tellings:
            await tx.fetch(sql, (one.workspace.id, one.workspace.name, ERASURE_KEY))

    await database.write(make)
    found = [await _fault(save_batches(database, one.batches, one.workspace)) for one in tellings]
    async with open_snapshot(database.url) as moment:
        found += [await _fault(_compare(moment, one)) for one in tellings]
    kind = database.url.split(":")[0]
    pairs = zip([*tellings, *tellings], found, strict=True)
    return [f"history {one.seed}, {kind}: {fault}" for one, fault in pairs if fault]


async def _compare(moment: Snapshot, telling: Telling) -> None:
    state = plain(await dump_at(moment, telling.workspace))
    if state != telling.expected:
        raise AssertionError(difference(state, telling.expected))


async def _fault(work: Awaitable[object]) -> str | None:
    try:
        await work
    except Exception as error:  # noqa: BLE001 (whatever it is, no history may raise it)
        return f"{error!r:.700}"
    return None


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
