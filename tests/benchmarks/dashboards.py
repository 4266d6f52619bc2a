"""Measure the pages of a dashboard on as many rows as dashboards have, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from tests import postgres
from tests.benchmarks import dashboard_pages as pages
from tests.benchmarks import dashboard_rows, node, postgraphile, reads, servers, stores
from tests.benchmarks.comparison import Comparison, Load, Say, Sizes, put_under_load
from tests.benchmarks.dashboard_rows import Size
from tests.benchmarks.load import Measured
from tests.benchmarks.servers import PEERS, Server

LIMIT = "the same SQL, bare ASGI"
MERCURIUS = "mercurius + graphql-jit"
NODE_PEERS = {MERCURIUS: PEERS / "mercurius_jit", postgraphile.NAME: postgraphile.FOLDER}

_ALL = 99
# What is asked for on so many customers reads no event: each has one.
_EVENTS_OF_MANY = 1

Start = Callable[[Path, str], AbstractContextManager[Server]]
OwnWords = Callable[[list[Load], Size], list[Load]]
"""Return the pages that a server has as it is asked for them."""


@dataclass(frozen=True)
class Contestant:
    """A server, and how it is asked for the pages that it has."""

    name: str
    start: Start
    pages_count: int = pages.COMMON
    own_words: OwnWords | None = None

    def loads(self, loads: list[Load], size: Size) -> list[Load]:
        """Return the pages that it has, in the order of all."""
        return loads[: self.pages_count] if self.own_words is None else self.own_words(loads, size)


@dataclass(frozen=True)
class Measurements:
    """What was measured, and the versions of all but Calyx."""

    comparisons: list[Comparison]
    about: list[str]


def compare(
    sizes: Sizes,
    folder: Path,
    say: Say,
    *,
    installs: bool,
    on_postgres: Callable[[], AbstractContextManager[stores.PostgresServer]] = (
        stores.durable_postgres
    ),
) -> Measurements:
    """Return what each server does on each database, page by page."""
    peers = [
        Contestant(LIMIT, lambda f, u: servers.fastapi(LIMIT, "bare_sql", f, u), _ALL),
        Contestant(reads.PEER, lambda f, u: servers.fastapi(reads.PEER, "idiomatic_graphql", f, u)),
    ]
    versions = {"Strawberry": version("strawberry-graphql"), "SQLModel": version("sqlmodel")}
    contest = _Contest("SQLite", stores.SqliteFiles(folder), peers, {})
    found = contest.measure(sizes, folder, say)
    about = []
    try:
        with on_postgres() as store:
            more, absent = _on_node(say, installs=installs)
            for one in more:
                versions |= node.versions(NODE_PEERS[one.name])
            contest = _Contest("PostgreSQL", store, peers + more, absent)
            found += contest.measure(sizes, folder, say)
            about.append(f"{store.about()}, held to no core")
    except postgres.Missing as missing:
        say(f"PostgreSQL was not measured: {missing}")
    told = ", ".join(f"{name} {number}" for name, number in versions.items())
    return Measurements(found, [f"Peers: {told}", *about])


@dataclass(frozen=True)
class _Contest:
    """One kind of database, and who reads it beside Calyx."""

    kind: str
    store: stores.Store
    peers: list[Contestant]
    absent: dict[str, str]

    def measure(self, sizes: Sizes, folder: Path, say: Say) -> list[Comparison]:
        """Fill databases, and return what each server does."""
        size = Size(sizes.customers)
        url = self._filled(size, say)
        with ExitStack() as stack:
            ours = stack.enter_context(servers.calyx(folder, url))
            loads = pages.all_pages(self.kind, ours, size)
            running = [(ours, loads)]
            for each in self.peers:
                server, asked = (
                    stack.enter_context(each.start(folder, url)),
                    each.loads(loads, size),
                )
                reads.check_answers(ours, server, loads[: len(asked)], asked)
                running.append((server, asked))
            found = [
                Comparison(load, absent=self.absent if at < pages.COMMON else {})
                for at, load in enumerate(loads)
            ]
            for number in range(sizes.rounds):
                say(f"{self.kind}, round {number + 1} of {sizes.rounds}")
                for at, comparison in enumerate(found):
                    taking = [(one, asked[at]) for one, asked in running if at < len(asked)]
                    comparison.rounds.append(self._round(taking, sizes, say))
        return found + (self._on_many(url, sizes, folder, say) if sizes.many else [])

    def _on_many(self, url: str, sizes: Sizes, folder: Path, say: Say) -> list[Comparison]:
        """Return what Calyx does on a database beside what it does on one that is larger."""
        many = Size(sizes.many, _EVENTS_OF_MANY)
        larger = self._filled(many, say)
        running = []
        with ExitStack() as stack:
            for size, at in ((Size(sizes.customers), url), (many, larger)):
                name = f"Calyx, {size.customers:,} customers"
                server = stack.enter_context(servers.calyx(folder, at, name=name))
                running.append((server, pages.pages_of_any_size(self.kind, server, size)))
            about = "more customers"
            found = [Comparison(load, about=about) for load in running[0][1]]
            for _ in range(sizes.rounds):
                for place, comparison in enumerate(found):
                    taking = [(one, asked[place]) for one, asked in running]
                    comparison.rounds.append(self._round(taking, sizes, say))
        return found

    def _round(
        self, running: list[tuple[Server, Load]], sizes: Sizes, say: Say
    ) -> dict[str, Measured]:
        return {
            server.name: put_under_load(server, load, sizes, say, self.store.pid)
            for server, load in running
        }

    def _filled(self, size: Size, say: Say) -> str:
        url = self.store.new()
        asyncio.run(dashboard_rows.load(url, size, say))
        self.store.analyze(url)
        return url


def _on_node(say: Say, *, installs: bool) -> tuple[list[Contestant], dict[str, str]]:
    words = {MERCURIUS: None, postgraphile.NAME: pages.for_postgraphile}
    present, absent = [], {}
    for name, peer in NODE_PEERS.items():
        why = node.absence(peer, say, installs=installs)
        if why is None:
            present.append(_node_contestant(name, peer, words[name]))
        else:
            absent[name] = why
    return present, absent


def _node_contestant(name: str, peer: Path, own_words: OwnWords | None) -> Contestant:
    return Contestant(name, lambda f, u: servers.node(name, peer, f, u), own_words=own_words)
