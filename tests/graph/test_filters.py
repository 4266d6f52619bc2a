"""Filters, searches and orders mean what the contract says, whatever they are made of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph import strategies
from tests.graph.examples import several
from tests.graph.graphs import Asking, a_graph
from tests.graph.oracle import answer
from tests.graph.rows import Rows

_BATCH = 12

Cases = list[dict[str, Any]]

CUSTOMERS = """query($where: CustomerFilter, $order: [CustomerOrder!]) {
  customers(where: $where, orderBy: $order, first: 100) { totalCount nodes { id userId } } }"""
ACCOUNTS = """query($where: AccountFilter, $order: [AccountOrder!]) {
  accounts(where: $where, orderBy: $order, first: 100) { totalCount nodes { groupId } } }"""
EVENTS = """query($where: EventFilter) {
  events(where: $where, first: 100) { totalCount nodes { id } }
  customer(userId: "u7") { events(where: $where) { nodes { id } } } }"""
INNER = """query($where: CustomerFilter, $accounts: AccountFilter, $role: StringFilter) {
  accounts(where: {or: [{deleted: true}, {deleted: false}]}) {
    nodes { members(where: $where, role: $role) { totalCount nodes { id } } } }
  customers { nodes { accounts(where: $accounts, role: $role) { nodes { id } } } } }"""


def check(url: str, rows: Rows, query: str, cases: Sequence[dict[str, Any]]) -> None:
    """Compare answers with plain resolvers, for several variables at once."""

    async def ask() -> None:
        async with a_graph(url) as asking:
            for variables in cases:
                assert await asking.get(query, variables) == answer(rows, query, variables), (
                    variables
                )

    asyncio.run(ask())


def _cases(count: int = _BATCH, **variables: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.fixed_dictionaries(variables), min_size=count, max_size=count)


_ROLES = strategies.texts(st.sampled_from(["admin", "Admin", "member"]))


@several(25)
@given(
    cases=_cases(where=strategies.customers(), order=strategies.orders(strategies.CUSTOMER_ORDERS))
)
def test_customers_are_those_a_filter_describes(world_url: str, rows: Rows, cases: Cases) -> None:
    check(world_url, rows, CUSTOMERS, cases)


@several(25)
@given(
    cases=_cases(where=strategies.accounts(), order=strategies.orders(strategies.ACCOUNT_ORDERS))
)
def test_accounts_are_those_a_filter_describes(world_url: str, rows: Rows, cases: Cases) -> None:
    check(world_url, rows, ACCOUNTS, cases)


@several(25)
@given(cases=_cases(where=strategies.events()))
def test_events_are_those_a_filter_describes(world_url: str, rows: Rows, cases: Cases) -> None:
    check(world_url, rows, EVENTS, cases)


@several(10)
@given(cases=_cases(4, where=strategies.customers(1), accounts=strategies.accounts(1), role=_ROLES))
def test_inner_lists_are_filtered_as_outer_ones(world_url: str, rows: Rows, cases: Cases) -> None:
    check(world_url, rows, INNER, cases)


@several(25)
@given(cases=_cases(where=strategies.customers()))
def test_not_is_the_exact_complement(world_url: str, cases: Cases) -> None:
    query = """query($where: CustomerFilter!) { all: customers { totalCount }
      in: customers(where: $where) { totalCount } out: customers(where: {not: $where}) { totalCount } }"""

    async def ask() -> None:
        async with a_graph(world_url) as asking:
            for variables in cases:
                found = await asking.get(query, variables)
                counts = {name: page["totalCount"] for name, page in found.items()}
                assert counts["in"] + counts["out"] == counts["all"], variables

    asyncio.run(ask())


@pytest.mark.parametrize(
    "where",
    [
        {"email": {"eq": None}},
        {"email": {"in": None}},
        {"lastSeenAt": {"gt": None}},
        {"lastSeenAt": {"exists": None}},
        {"trait": {"key": "plan", "eq": None}},
        {"trait": {"key": "plan", "contains": None}},
        {"audience": {"in": None}},
        {"events": {"count": {"eq": None}}},
        {"events": {"type": None}},
        {"accounts": {"some": {"deleted": None}}},
        {"not": {"name": {"startsWith": None}}},
    ],
)
async def test_an_operator_that_is_null_is_refused(world: Asking, where: dict[str, Any]) -> None:
    query = "query($where: CustomerFilter) { customers(where: $where) { totalCount } }"
    assert await world.code(query, {"where": where}) == "BAD_USER_INPUT"
    assert world.database.asked == []


@pytest.mark.parametrize(
    "where",
    [
        None,
        {},
        {"email": None},
        {"email": {}},
        {"not": None},
        {"and": []},
        {"and": None},
        {"or": None},
        {"accounts": None},
        {"accounts": {}},
        {"accounts": {"some": None, "role": None}},
        {"events": {"count": None, "name": None}, "trait": None},
    ],
)
async def test_a_filter_that_is_null_or_empty_is_as_if_not_given(
    world: Asking, rows: Rows, where: Any
) -> None:
    query = "query($where: CustomerFilter) { customers(where: $where) { totalCount } }"
    found = await world.get(query, {"where": where})
    assert found == answer(rows, query, {"where": where})
    if where is None or "events" not in where:
        assert found["customers"]["totalCount"] == len(rows.customers)


async def test_an_empty_or_holds_for_nobody(world: Asking) -> None:
    found = await world.get("{ customers(where: {or: []}) { totalCount nodes { id } } }")
    assert found["customers"] == {"totalCount": 0, "nodes": []}


@pytest.mark.parametrize(
    "order",
    [
        "{}",
        '{field: NAME, trait: "plan"}',
        "{field: null}",
        "{field: null, trait: null}",
        "{field: NAME, direction: null}",
    ],
)
async def test_an_order_is_by_one_thing(world: Asking, order: str) -> None:
    query = f"{{ customers(orderBy: [{order}]) {{ totalCount }} }}"
    assert await world.code(query) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "key", ["' OR 1=1 --", '"', "$.*", "a'); DROP TABLE customers; --", "\0", "\\"]
)
async def test_what_callers_send_is_never_part_of_a_statement(world: Asking, key: str) -> None:
    query = """query($key: String!, $id: String!) {
      customers(where: {or: [{trait: {key: $key, exists: true}}, {name: {contains: $key}},
        {audience: {in: [$key]}}, {userId: {in: [$key]}}, {events: {name: {eq: $key}}}]},
        search: $key, orderBy: [{trait: $key}]) { nodes { id } pageInfo { endCursor } }
      customer(userId: $id) { trait(key: $key) { key } traits(keys: [$key]) inAudience(key: $key) }
      audience(key: $key) { id } }"""
    world.database.asked.clear()
    first = await world.get(query, {"key": "plan", "id": "u7"})
    assert first["customer"]["traits"]
    found = await world.get(query, {"key": key, "id": "u7"})
    assert found["customer"] == {"trait": None, "traits": {}, "inAudience": False}
    (sql, _), (other, _) = world.database.asked
    assert sql == other
    literal = query.replace("$key: String!, ", "").replace("$key", json_text(key))
    assert (await world.get(literal, {"id": "u7"})) == found
    assert key not in world.database.asked[-1][0].replace(":::", "") or key in {"'", '"', "\\"}


def json_text(text: str) -> str:
    """Return a text as GraphQL writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\0", "\\u0000")
    return f'"{escaped}"'
