"""Put servers under load in turn, and compare what they did."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

import msgspec

from tests.benchmarks.load import Measured, Messages, Plan, Requests
from tests.benchmarks.servers import Server, cores, environment

Say = Callable[[str], None]


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and on how much."""

    rounds: int = 3
    seconds: float = 5.0
    warm_up_seconds: float = 1.0
    batch: int = 100
    senders: int = 10_000
    """Customers that messages are about while writing is measured."""
    drafts: int = 10_000
    """Different messages that are written, over and over, each time as new ones."""
    customers: int = 20_000
    """Customers in the database while reading is measured."""
    accounts: int = 2_000
    many: int = 0
    """Customers in a larger database, beside which filtered pages are measured once more; 0 for none."""


@dataclass(frozen=True)
class Load:
    """What is sent to every server alike."""

    title: str
    unit: str
    path: str
    authorization: str
    connections: int
    what: Messages | Requests
    a_second: float | None = None
    """How many bodies are due, answered or not; without it, each connection waits for its answer."""


@dataclass(frozen=True)
class Comparison:
    """What servers did under one load, round by round: the others are compared with the first."""

    load: Load
    rounds: list[Mapping[str, Measured]] = field(default_factory=list)
    absent: Mapping[str, str] = field(default_factory=dict)
    """Who could not be measured, and why."""
    about: str = ""
    """What is compared, where it is not Calyx and its peers."""

    @property
    def title(self) -> str:
        """Return what was sent, and what is compared."""
        return f"{self.load.title}: {self.about}" if self.about else self.load.title

    def each(self) -> list[tuple[str, Measured]]:
        """Return who did what, in the median of the rounds."""
        names = self.rounds[0] if self.rounds else ()
        return [(name, _median([one[name] for one in self.rounds])) for name in names]

    def ratio_to(self, name: str) -> float:
        """Return how many times a server's rate the first one's is: the median of the rounds' ratios."""
        first = next(iter(self.rounds[0]))
        return median(one[first].per_second / one[name].per_second for one in self.rounds)


class Broken(Exception):
    """A measurement that could not be made, or that measured something else; the message says why."""


def put_under_load(
    server: Server, load: Load, sizes: Sizes, say: Say, database_pid: int | None = None
) -> Measured:
    """Return what a server did under a load, and what its database did in processes of its own."""
    _, core = cores()
    plan = Plan(
        port=server.port,
        path=load.path,
        headers={"Content-Type": "application/json", "Authorization": load.authorization},
        connections=load.connections,
        seconds=sizes.seconds,
        warm_up_seconds=sizes.warm_up_seconds,
        server_pid=server.pid,
        what=load.what,
        core=core,
        database_pid=database_pid,
        a_second=load.a_second,
    )
    ended = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.load"],
        input=msgspec.json.encode(plan),
        capture_output=True,
        env=environment({}),
        check=False,
    )
    words = ended.stderr.decode(errors="replace").strip()
    if ended.returncode:
        raise Broken(f"{load.title}, {server.name}: {words}")
    measured = msgspec.json.decode(ended.stdout, type=Measured)
    say(f"{load.title}, {server.name}: {measured.per_second:,.0f} {load.unit}/s. {words}".rstrip())
    return measured


def _median(rounds: list[Measured]) -> Measured:
    databases = [one.database_cpu_micros for one in rounds if one.database_cpu_micros is not None]
    return Measured(
        per_second=median(one.per_second for one in rounds),
        p50_ms=median(one.p50_ms for one in rounds),
        p99_ms=median(one.p99_ms for one in rounds),
        cpu_micros=median(one.cpu_micros for one in rounds),
        database_cpu_micros=median(databases) if databases else None,
        # These two are no figures to be smoothed: one bad round is one too many.
        failures=sum(one.failures for one in rounds),
        load_busy=max(one.load_busy for one in rounds),
        answered_in_all=sum(one.answered_in_all for one in rounds),
    )
