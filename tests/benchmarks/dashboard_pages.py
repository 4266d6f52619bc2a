"""The pages of a dashboard: what is asked, and how peers with names of their own are asked for the same."""

from __future__ import annotations

import http.client
import json
from dataclasses import replace
from typing import Any

from tests.benchmarks import postgraphile, reads, servers
from tests.benchmarks.comparison import Broken, Load
from tests.benchmarks.dashboard_rows import Size
from tests.benchmarks.load import Requests
from tests.benchmarks.servers import Server

COMMON = 2
"""How many of the pages all peers have, the first of them."""

_PAGES = 200
_DEEP_PAGE, _PAGE = 1_000, 50
_COUNTING = 2
"""Connections that count at once: more only wait for each other, until a statement is out of time."""
_TYPED = ("a", "ad", "ada", "ada l", "hop", "grace h", "u12", "knuth", "mara", "u99")

_FILTERED = """
query Filtered($where: CustomerFilter!, $count: Boolean!) {
  customers(where: $where, first: 50) {
    totalCount @include(if: $count)
    nodes { id userId name email lastSeenAt traits }
    pageInfo { hasNextPage endCursor }
  }
}
"""
_WHERE = {
    "trait": {"key": "plan", "eq": "enterprise"},
    "audience": {"in": ["audience_3"]},
    "accounts": {"some": {"trait": {"key": "employees", "gt": 1_000}}},
}
_DEEP = """
query Deep($after: String) {
  customers(first: 50, after: $after) {
    nodes { id userId name email lastSeenAt } pageInfo { hasNextPage endCursor }
  }
}
"""
_SEARCH = """
query Search($typed: String!) {
  customers(search: $typed, first: 6) { nodes { id userId name email } }
  accounts(search: $typed, first: 4) { nodes { id groupId name } }
}
"""
_WALK = """query Walk($after: String) { customers(first: 100, after: $after) { pageInfo { endCursor } } }"""


def all_pages(kind: str, ours: Server, size: Size) -> list[Load]:
    """Return all pages of a database of a kind, the common ones first."""
    customers = [_request(reads.CUSTOMER_PAGE, {"userId": user}) for user in _users(size)]
    counted = _load(f"{kind}, filtered page with totalCount (Q3)", [_filtered(count=True)])
    return [
        _load(f"{kind}, list page (Q1)", [_request(reads.LIST_PAGE, {})]),
        _load(f"{kind}, customer page (Q2)", customers),
        _load(f"{kind}, filtered page (Q3)", [_filtered(count=False)]),
        replace(counted, connections=_COUNTING),
        *pages_of_any_size(kind, ours, size)[1:],
    ]


def pages_of_any_size(kind: str, ours: Server, size: Size) -> list[Load]:
    """Return the pages that are to take no longer however many customers there are."""
    deep = _request(_DEEP, {"after": _cursor(ours, (_DEEP_PAGE - 1) * _PAGE, size)})
    typed = [_request(_SEARCH, {"typed": text}) for text in _TYPED]
    return [
        _load(f"{kind}, filtered page (Q3)", [_filtered(count=False)]),
        _load(f"{kind}, page {_DEEP_PAGE:,}", [deep]),
        _load(f"{kind}, search as you type", typed),
    ]


def for_postgraphile(loads: list[Load], size: Size) -> list[Load]:
    """Return the common pages as PostGraphile is asked for them."""
    pages = [postgraphile.customer_page(user) for user in _users(size)]
    texts = [[postgraphile.list_page()], pages]
    return [
        replace(load, what=Requests(own)) for load, own in zip(loads[:COMMON], texts, strict=True)
    ]


def _users(size: Size) -> list[str]:
    step = max(1, size.customers // _PAGES)
    return [f"u{number}" for number in range(1, size.customers + 1, step)]


def _filtered(*, count: bool) -> str:
    return _request(_FILTERED, {"where": _WHERE, "count": count})


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
