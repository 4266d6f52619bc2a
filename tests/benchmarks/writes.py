"""Measure how fast messages become durable, one each request and in batches, on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

from tests.benchmarks import node, servers, stores
from tests.benchmarks.comparison import Comparison, Load, Say, Sizes
from tests.benchmarks.contest import Contest, Contestant
from tests.benchmarks.load import Messages
from tests.benchmarks.messages import Whom
from tests.postgres import Missing

CALYX, WORKERS = "Calyx", "Calyx, 2 workers"
SESSION, BETTER_SQLITE, PG = "session an event", "fastify + better-sqlite3", "fastify + pg"
NODE_PEERS = {
    BETTER_SQLITE: servers.PEERS / "fastify_sqlite",
    PG: servers.PEERS / "fastify_pg",
}

_SINGLES_CONNECTIONS = 64
_BATCH_CONNECTIONS = 4


@dataclass(frozen=True)
class Written:
    """What servers did that take messages in."""

    comparisons: list[Comparison]
    stored: int
    """Events that were answered with 200 and found stored."""
    about: list[str]
    """The versions of all but Calyx."""


def compare(sizes: Sizes, folder: Path, say: Say, *, installs: bool) -> Written:
    """Return what Calyx and its peers do, in turn, each round on empty databases."""
    absent = {
        name: why
        for name, peer in NODE_PEERS.items()
        if (why := node.absence(peer, say, installs=installs))
    }
    about = [_versions(absent)]
    with ExitStack() as stack:
        sqlite = _on_sqlite(sizes, folder, absent)
        try:
            server = stack.enter_context(stores.durable_postgres())
        except Missing as missing:
            nobody = dict.fromkeys((CALYX, PG, WORKERS), str(missing))
            on_postgres = Contest(_postgres_loads(sizes), [], None, nobody)
        else:
            about.append(f"{server.about()}, held to no core")
            on_postgres = _on_postgres(sizes, server, absent)
        contests = [sqlite, on_postgres]
        for number in range(sizes.rounds):
            say(f"writing, round {number + 1} of {sizes.rounds}")
            for contest in contests:
                contest.measure(folder, sizes, say)
    comparisons = [
        *sqlite.compare([CALYX, SESSION, BETTER_SQLITE]),
        *on_postgres.compare([CALYX, PG]),
        *on_postgres.compare([WORKERS, CALYX], "2 workers"),
    ]
    return Written(comparisons, sum(contest.stored for contest in contests), about)


def _on_sqlite(sizes: Sizes, folder: Path, absent: dict[str, str]) -> Contest:
    all_of_them = [
        Contestant(CALYX, servers.calyx, "events"),
        Contestant(SESSION, _session_an_event),
        Contestant(BETTER_SQLITE, better_sqlite),
    ]
    loads = [singles("SQLite", sizes), batches("SQLite", sizes, seed=2)]
    return Contest(loads, _present(all_of_them, absent), stores.SqliteFiles(folder), absent)


def _on_postgres(sizes: Sizes, server: stores.PostgresServer, absent: dict[str, str]) -> Contest:
    all_of_them = [
        Contestant(CALYX, servers.calyx, "events"),
        Contestant(PG, _pg),
        Contestant(WORKERS, partial(servers.calyx, workers=2), "events"),
    ]
    return Contest(_postgres_loads(sizes), _present(all_of_them, absent), server, absent)


def _present(contestants: list[Contestant], absent: dict[str, str]) -> list[Contestant]:
    return [one for one in contestants if one.name not in absent]


def _postgres_loads(sizes: Sizes) -> list[Load]:
    # Whom hot customers make fail may still be at it when its time is over: they come last.
    return [
        singles("PostgreSQL", sizes),
        batches("PostgreSQL", sizes, seed=3, whom=Whom.IN_TURN, told=", in turn"),
        batches("PostgreSQL", sizes, seed=2, told=", hot"),
    ]


def singles(store: str, sizes: Sizes) -> Load:
    """Return one message a request."""
    return Load(
        title=f"{store}, one a request, {_SINGLES_CONNECTIONS} connections",
        unit="events",
        path="/segment",
        authorization=servers.BASIC,
        connections=_SINGLES_CONNECTIONS,
        what=Messages(1, sizes.senders, drafts=sizes.drafts),
    )


def batches(store: str, sizes: Sizes, *, seed: int, whom: Whom = Whom.ZIPF, told: str = "") -> Load:
    """Return batches as they are usual; `told` is what they are called besides."""
    return Load(
        title=f"{store}, batches of {sizes.batch}, {_BATCH_CONNECTIONS} connections{told}",
        unit="events",
        path="/v1/batch",
        authorization=servers.BASIC,
        connections=_BATCH_CONNECTIONS,
        what=Messages(seed, sizes.senders, sizes.batch, whom, sizes.drafts),
    )


def better_sqlite(
    folder: Path,
    url: str,
    name: str = BETTER_SQLITE,
    more: Mapping[str, str] = MappingProxyType({}),
) -> AbstractContextManager[servers.Server]:
    """Run the peer on Node and SQLite; `more` is set in its environment."""
    file = stores.file_of(url).as_uri()
    return servers.node(name, NODE_PEERS[BETTER_SQLITE], folder, file, more)


def _session_an_event(folder: Path, url: str) -> AbstractContextManager[servers.Server]:
    return servers.fastapi(SESSION, "naive_service", folder, url.replace("+aiosqlite", ""))


def _pg(folder: Path, url: str) -> AbstractContextManager[servers.Server]:
    return servers.node(PG, NODE_PEERS[PG], folder, url.replace("+asyncpg", ""))


def _versions(absent: dict[str, str]) -> str:
    found = {"FastAPI": version("fastapi"), "SQLModel": version("sqlmodel")}
    for name, peer in NODE_PEERS.items():
        if name not in absent:
            found |= node.versions(peer)
    return "Peers: " + ", ".join(f"{name} {number}" for name, number in found.items())
