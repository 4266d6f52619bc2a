"""Measure how fast the pages of a dashboard are answered, by servers on one and the same database."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks import population, servers
from tests.benchmarks.comparison import Broken, Comparison, Load, Say, Sizes, put_under_load
from tests.benchmarks.load import Requests
from tests.benchmarks.servers import Server

PEER = "dataloaders"

LIST_PAGE = """
query ListPage {
  customers(first: 50) {
    edges {
      node {
        id userId name email lastSeenAt traits
        audiences { key member since }
        accounts(first: 5) {
          edges { role joinedAt node { id groupId name plan } }
          pageInfo { hasNextPage }
        }
      }
    }
    pageInfo { hasNextPage endCursor }
  }
}
"""

CUSTOMER_PAGE = """
query CustomerPage($userId: String!) {
  customer(userId: $userId) {
    id userId anonymousIds name email firstSeenAt lastSeenAt traits
    audiences { key member since }
    accounts(first: 10) {
      edges { role joinedAt node { id groupId name plan employees traits } }
      pageInfo { hasNextPage }
    }
    events(first: 20) {
      edges { node { id type name timestamp properties } }
      pageInfo { hasNextPage endCursor }
    }
  }
}
"""

_CONNECTIONS = 16
_PAGES_MAX = 200
_PAGES_CHECKED = 5
_CURSORS = {"endCursor"}


def compare(sizes: Sizes, folder: Path, say: Say) -> tuple[list[Comparison], dict[str, int]]:
    """Return what Calyx and a dataloader server do, in turn, and how many rows they read from."""
    database = folder / "reads.db"
    asyncio.run(population.load(database, sizes, say))
    loads = _loads(sizes)
    comparisons = [Comparison(load) for load in loads]
    url = f"sqlite+aiosqlite:///{database}"
    with ExitStack() as stack:
        ours = stack.enter_context(servers.calyx(folder, url))
        peer = servers.fastapi(PEER, "idiomatic_graphql", folder, url)
        theirs = stack.enter_context(peer)
        check_answers(ours, theirs, loads)
        for number in range(sizes.rounds):
            say(f"reading, round {number + 1} of {sizes.rounds}")
            for comparison in comparisons:
                load = comparison.load
                did = {one.name: put_under_load(one, load, sizes, say) for one in (ours, theirs)}
                comparison.rounds.append(did)
    return comparisons, population.rows(database)


def check_answers(
    ours: Server, theirs: Server, loads: list[Load], in_their_words: list[Load] | None = None
) -> None:
    """Raise Broken unless both servers give the same answers, cursors aside."""
    for load, other in zip(loads, in_their_words or loads, strict=True):
        for text, their_text in zip(_checked(load), _checked(other), strict=True):
            told = _ask(ours, load, text), _ask(theirs, other, their_text)
            if where := next(differences(*told), None):
                raise Broken(f"{load.title}: {theirs.name} answers otherwise at {where}")


def _checked(load: Load) -> list[str]:
    if not isinstance(load.what, Requests):
        raise TypeError("only requests have answers to compare")
    return load.what.texts[:_PAGES_CHECKED]


def differences(ours: Any, theirs: Any, path: str = "data") -> Iterator[str]:
    """Yield where two answers differ, cursors aside: of those only that both are there."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for key, value in ours.items():
            if key not in _CURSORS:
                yield from differences(value, theirs[key], f"{path}.{key}")
            elif (value is None) != (theirs[key] is None):
                yield f"{path}.{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for place, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(*pair, f"{path}[{place}]")
    elif ours != theirs or type(ours) is not type(theirs):
        yield f"{path}: {str(ours)[:200]} and {str(theirs)[:200]}"


def _loads(sizes: Sizes) -> list[Load]:
    active = range(0, sizes.customers, population.ACTIVE_EACH)[:_PAGES_MAX]
    pages = [_request(CUSTOMER_PAGE, {"userId": f"u{customer}"}) for customer in active]
    return [
        _load("list page", Requests([_request(LIST_PAGE, {})])),
        _load("customer page", Requests(pages)),
    ]


def _load(page: str, what: Requests) -> Load:
    return Load(
        title=f"{page}, {_CONNECTIONS} connections",
        unit="requests",
        path="/graphql",
        authorization=servers.BEARER,
        connections=_CONNECTIONS,
        what=what,
    )


def _request(query: str, variables: dict[str, str]) -> str:
    return json.dumps({"query": query, "variables": variables})


def _ask(server: Server, load: Load, text: str) -> Any:
    """Return the answer's data; raise Broken when it is empty or has errors."""
    headers = {"Content-Type": "application/json", "Authorization": load.authorization}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request("POST", load.path, text, headers)
        answer = connection.getresponse().read()
    finally:
        connection.close()
    said = json.loads(answer)
    if said.get("errors") or not all((said.get("data") or {"": None}).values()):
        raise Broken(f"{load.title}: {server.name} answers {answer.decode()[:500]}")
    return said["data"]
