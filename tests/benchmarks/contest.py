"""Servers that take messages in, measured in turn on empty databases of one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.comparison import Broken, Comparison, Load, Say, Sizes, put_under_load
from tests.benchmarks.load import Measured
from tests.benchmarks.servers import Server
from tests.benchmarks.stores import Store

Start = Callable[[Path, str], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Contestant:
    """A server that takes messages in, and the table in which it keeps each, if it keeps any."""

    name: str
    start: Start
    table: str | None = "event"


@dataclass(frozen=True)
class Contest:
    """Who is put under which loads, on which kind of database."""

    loads: list[Load]
    contestants: list[Contestant]
    store: Store | None
    absent: Mapping[str, str]
    """Who cannot be measured, and why; without a store, nobody can."""
    rounds: list[dict[str, list[Measured]]] = field(default_factory=list)
    """What each did under each load, round by round."""

    def measure(self, folder: Path, sizes: Sizes, say: Say) -> None:
        """Measure one round; raise Broken if a server lost what it said 200 to."""
        if self.store is not None:
            did = {}
            for one in self.contestants:
                did[one.name] = measure_from_empty(one, self.store, folder, self.loads, sizes, say)
            self.rounds.append(did)

    def compare(self, names: list[str], about: str = "") -> list[Comparison]:
        """Return what these did beside each other, load by load."""
        absent = {name: self.absent[name] for name in names if name in self.absent}
        present = [name for name in names if name not in absent]
        return [
            Comparison(
                load,
                [{name: did[name][place] for name in present} for did in self.rounds],
                absent,
                about,
            )
            for place, load in enumerate(self.loads)
        ]

    @property
    def stored(self) -> int:
        """Return how many events were answered with 200, all of which were found stored."""
        each = (one for did in self.rounds for measured in did.values() for one in measured)
        return sum(one.answered_in_all for one in each)


def measure_from_empty(
    one: Contestant, store: Store, folder: Path, loads: list[Load], sizes: Sizes, say: Say
) -> list[Measured]:
    """Return what a server does on a new database; raise Broken if it lost what it said 200 to."""
    url = store.new()
    with one.start(folder, url) as server:
        measured = [put_under_load(server, load, sizes, say, store.pid) for load in loads]
    if one.table is not None:
        answered = sum(found.answered_in_all for found in measured)
        stored = store.count(url, one.table)
        if stored < answered:
            raise Broken(f"{one.name} said 200 to {answered} events and has stored {stored}")
    store.drop(url)
    return measured
