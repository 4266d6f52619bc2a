"""Measure the pages of a dashboard on as many rows as dashboards have, on both databases."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests import postgres
from tests.benchmarks import dashboard_rows, node, reads, servers, stores
from tests.benchmarks.comparison import Broken, Comparison, Load, Say, Sizes, put_under_load
from tests.benchmarks.dashboard_rows import Size
from tests.benchmarks.load import Requests
from tests.benchmarks.servers import PEERS, Server

LIMIT = "the same SQL, bare ASGI"
MERCURIUS = "mercurius + graphql-jit"
_PAGES = 200
_ALL, _COMMON = 99, 2
"""How many of the pages a server has: the peers have the first two."""
_DEEP_PAGE, _PAGE = 1_000, 50
_COUNTING = 2
"""Connections that count at once: more only wait for each other, until a statement is out of time."""
_TYPED = ("a", "ad", "ada", "ada l", "hop", "grace h", "u12", "knuth", "mara", "u99")
_INDEX_SECONDS_MAX = 300
_SEARCH_SECONDS_MAX = 0.03

FILTERED = """
query Filtered($where: CustomerFilter!, $count: Boolean!) {
  customers(where: $where, first: 50) {
    totalCount @include(if: $count)
    nodes { id userId name email lastSeenAt traits }
    pageInfo { hasNextPage endCursor }
  }
}
"""
WHERE = {
    "trait": {"key": "plan", "eq": "enterprise"},
    "audience": {"in": ["audience_3"]},
    "accounts": {"some": {"trait": {"key": "employees", "gt": 1_000}}},
}
DEEP = """
query Deep($after: String) {
  customers(first: 50, after: $after) {
    nodes { id userId name email lastSeenAt } pageInfo { hasNextPage endCursor }
  }
}
"""
SEARCH = """
query Search($typed: String!) {
  customers(search: $typed, first: 6) { nodes { id userId name email } }
  accounts(search: $typed, first: 4) { nodes { id groupId name } }
}
"""
_WALK = """query Walk($after: String) { customers(first: 100, after: $after) { pageInfo { endCursor } } }"""
_INDEX = """
mutation Index($key: String!, $entity: Entity!) {
  indexTrait(input: {key: $key, entity: $entity}) { userErrors { message } }
}
"""
_INDEXED = """
query Indexed { c: traitKeys(search: "plan") { nodes { key indexed } }
  a: traitKeys(entity: ACCOUNT, search: "employees") { nodes { key indexed } } }
"""

Start = Callable[[Path, str], AbstractContextManager[Server]]


@dataclass(frozen=True)
class Contestant:
    """A server, and which pages it has."""

    name: str
    start: Start
    pages_count: int


def compare(
    sizes: Sizes,
    folder: Path,
    say: Say,
    *,
    installs: bool,
    on_postgres: Callable[[], AbstractContextManager[stores.PostgresServer]] = (
        stores.durable_postgres
    ),
) -> list[Comparison]:
    """Return what each server does on each database, page by page."""
    peers = [
        Contestant(LIMIT, lambda f, u: _python(LIMIT, "bare_sql", f, u), _ALL),
        Contestant(
            reads.PEER, lambda f, u: _python(reads.PEER, "idiomatic_graphql", f, u), _COMMON
        ),
    ]
    url = f"sqlite+aiosqlite:///{folder}/dashboards.db"
    found = _Contest("SQLite", url, None, peers, {}).measure(sizes, folder, say)
    try:
        with on_postgres() as store:
            more, absent = _on_node(say, installs=installs)
            contest = _Contest("PostgreSQL", store.new(), store.pid, peers + more, absent, store)
            found += contest.measure(sizes, folder, say)
    except postgres.Missing as missing:
        say(f"PostgreSQL was not measured: {missing}")
    return found


@dataclass(frozen=True)
class _Contest:
    """One database, and who reads it beside Calyx."""

    kind: str
    url: str
    database_pid: int | None
    peers: list[Contestant]
    absent: dict[str, str]
    store: stores.PostgresServer | None = None

    def measure(self, sizes: Sizes, folder: Path, say: Say) -> list[Comparison]:
        """Fill the database, and return what each does."""
        size = Size(sizes.customers)
        asyncio.run(dashboard_rows.load(self.url, size, say))
        if self.store is not None:
            self.store.analyze(self.url)
        with ExitStack() as stack:
            ours = stack.enter_context(servers.calyx(folder, self.url))
            _index(ours)
            running = [(ours, _ALL)]
            for each in self.peers:
                server = stack.enter_context(each.start(folder, self.url))
                running.append((server, each.pages_count))
            loads = _loads(self.kind, ours, size)
            for other, count in running[1:]:
                reads.check_answers(ours, other, loads[:count])
            comparisons = [
                Comparison(load, absent=self.absent if at < _COMMON else {})
                for at, load in enumerate(loads)
            ]
            for number in range(sizes.rounds):
                say(f"{self.kind}, round {number + 1} of {sizes.rounds}")
                for at, comparison in enumerate(comparisons):
                    comparison.rounds.append(
                        {
                            server.name: put_under_load(
                                server, comparison.load, sizes, say, self.database_pid
                            )
                            for server, count in running
                            if at < count
                        }
                    )
        return comparisons


def _on_node(say: Say, *, installs: bool) -> tuple[list[Contestant], dict[str, str]]:
    peer = PEERS / "mercurius_jit"
    why = node.absence(peer, say, installs=installs)
    if why is not None:
        return [], {MERCURIUS: why}
    start = Contestant(MERCURIUS, lambda f, u: servers.node(MERCURIUS, peer, f, u), _COMMON)
    return [start], {}


def _python(name: str, module: str, folder: Path, url: str) -> AbstractContextManager[Server]:
    return servers.fastapi(name, module, folder, url)


def _index(server: Server) -> None:
    """Have the traits of the filter indexed, as whoever filters by them would, and wait for it."""
    for key, entity in (("plan", "CUSTOMER"), ("employees", "ACCOUNT")):
        _ask(server, _INDEX, {"key": key, "entity": entity})
    until = time.monotonic() + _INDEX_SECONDS_MAX
    while time.monotonic() < until:
        found = _ask(server, _INDEXED, {})
        traits = all(any(each["indexed"] for each in found[name]["nodes"]) for name in "ca")
        begun = time.monotonic()
        _ask(server, SEARCH, {"typed": "ada lovelace"})
        # Words are indexed in the background too, which nothing but its speed tells.
        if traits and time.monotonic() - begun < _SEARCH_SECONDS_MAX:
            return
        time.sleep(1)
    raise Broken(f"the indexes were not built within {_INDEX_SECONDS_MAX} s")


def _loads(kind: str, ours: Server, size: Size) -> list[Load]:
    step = max(1, size.customers // _PAGES)
    users = [f"u{number}" for number in range(1, size.customers + 1, step)]
    pages = [_request(reads.CUSTOMER_PAGE, {"userId": user}) for user in users]
    filtered = [_request(FILTERED, {"where": WHERE, "count": count}) for count in (False, True)]
    deep = _request(DEEP, {"after": _cursor(ours, (_DEEP_PAGE - 1) * _PAGE, size)})
    typed = [_request(SEARCH, {"typed": text}) for text in _TYPED]
    return [
        _load(f"{kind}, list page (Q1)", [_request(reads.LIST_PAGE, {})]),
        _load(f"{kind}, customer page (Q2)", pages),
        _load(f"{kind}, filtered page (Q3)", filtered[:1]),
        replace(
            _load(f"{kind}, filtered page with totalCount (Q3)", filtered[1:]),
            connections=_COUNTING,
        ),
        _load(f"{kind}, page {_DEEP_PAGE:,}", [deep]),
        _load(f"{kind}, search as you type", typed),
    ]


def _cursor(server: Server, rows: int, size: Size) -> str | None:
    """Return the cursor behind so many rows, or behind half of what there are."""
    after = None
    for _ in range(min(rows, size.customers // 2) // 100):
        after = _ask(server, _WALK, {"after": after})["customers"]["pageInfo"]["endCursor"]
    return after


def _load(title: str, texts: list[str]) -> Load:
    return Load(
        title=title,
        unit="requests",
        path="/graphql",
        authorization=servers.BEARER,
        connections=16,
        what=Requests(texts),
    )


def _request(query: str, variables: dict[str, Any]) -> str:
    return json.dumps({"query": query, "variables": variables})


def _ask(server: Server, query: str, variables: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json", "Authorization": servers.BEARER}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", "/graphql", _request(query, variables), headers)
        said = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if said.get("errors"):
        raise Broken(f"{server.name} answers {said['errors']}")
    return said["data"]
