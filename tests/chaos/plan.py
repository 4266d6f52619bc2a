"""What a run of chaos was asked for, and what came of each scenario."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos import planted
from tests.chaos.grounds import Ground
from tests.cluster.oracle import Verdict

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """One run: the seed that replays it, where it may write, and how much it does."""

    seed: int
    folder: Path
    quick: bool = False
    count: int | None = None
    """How often, where a command says so; else each scenario's own number."""
    seconds: float | None = None
    """For how long at most a scenario goes on, where a command says so."""
    planted: str | None = None
    """The bug that servers are started with, to see it caught."""
    server: str | None = None
    """The PostgreSQL to use; else each scenario starts one."""
    say: Say = lambda _line: None

    def rng(self, name: str) -> random.Random:
        """Return the chance of one scenario, which no other scenario moves."""
        return random.Random(f"{self.seed}/{name}")

    def times(self, quick: int, normal: int) -> int:
        """Return how often a scenario does what it does."""
        return self.count or (quick if self.quick else normal)

    def rounds(self, name: str, count: int, step: int = 1) -> Iterator[int]:
        """Yield numbers until the time is over, and say now and then how far it is."""
        began = said = time.monotonic()
        for number in range(0, count, step):
            if self.seconds is not None and time.monotonic() - began > self.seconds:
                return
            if time.monotonic() - said > 10:
                said = time.monotonic()
                self.say(f"{name}: {number:,} of {count:,}")
            yield number


@dataclass
class Outcome:
    """What a scenario did, what it counted, and what is wrong."""

    name: str
    did: Counter[str] = field(default_factory=Counter)
    """How often each thing was done: kills, faults, requests."""
    acknowledged: int = 0
    stored: int = 0
    notes: list[str] = field(default_factory=list)
    """Figures worth telling."""
    troubles: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_well(self) -> bool:
        """Return whether nothing was found."""
        return not self.troubles

    def take(self, verdict: Verdict, where: str) -> None:
        """Add what an oracle counted in the end of a part, and what it found."""
        self.acknowledged += verdict.acknowledged
        self.stored += verdict.stored
        self.blame(verdict, where)

    def blame(self, verdict: Verdict, where: str) -> None:
        """Add what an oracle found."""
        if not verdict.is_well:
            self.troubles.append(
                f"{where}: {verdict.lost} lost, {verdict.duplicated} double, {verdict.torn} torn,"
                f" {verdict.foreign} made up"
            )


Run = Callable[[Plan, Outcome], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One way to be hurt."""

    name: str
    about: str
    goal: str
    """What a full run has to count."""
    run: Run
    plant: str
    """The planted bug that its oracle must find."""


async def outcome_of(scenario: Scenario, plan: Plan) -> Outcome:
    """Run a scenario and return what came of it."""
    began = time.monotonic()
    outcome = Outcome(scenario.name)
    with planted.growing(plan.planted) if plan.planted else nullcontext():
        await scenario.run(plan, outcome)
    outcome.seconds = time.monotonic() - began
    return outcome


@asynccontextmanager
async def a_database(ground: Ground) -> AsyncIterator[str]:
    """Give the URL of a database that is gone afterwards."""
    url = await asyncio.to_thread(ground.template.copy)
    try:
        yield url
    finally:
        await asyncio.to_thread(ground.template.drop, url)
