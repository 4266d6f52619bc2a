"""With indexes of traits and words the answers are those without, only found otherwise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.indexes import Kind
from ingest.keeper import ASKED_TIMES, COLD_SECONDS, HOT_MAX, Keeper
from tests.databases import DEFAULT, Template
from tests.graph import strategies
from tests.graph.examples import several
from tests.graph.graphs import Asking, a_graph, add_workspace
from tests.graph.oracle import answer
from tests.graph.rows import Rows, read_rows
from tests.graph.test_filters import ACCOUNTS, CUSTOMERS, Cases
from tests.graph.test_pages import walk
from tests.graph.world import DEVICES, GROUPS, KEYS, NAMES, NOW, USERS, VALUES, messages

# Of the random keys every other one, and one whose values an index can sort by.
INDEXED = [*KEYS[::2], "rank"]
SORTED = [each for each in VALUES if each not in (2**53 + 1, 2**64 + 1)]
FEW = [1, 2_000]
PAIRS = """query($order: [CustomerOrder!], $where: CustomerFilter) {
  customers(orderBy: $order, where: $where, first: 100) { nodes { id } } }"""
SEARCH = """query($words: String!) {
  customers(search: $words, first: 100) { totalCount nodes { id } }
  accounts(search: $words, first: 100) { totalCount nodes { groupId } } }"""
PRO = """{ customers(where: {trait: {key: "plan", eq: "pro"}}) { totalCount nodes { id } } }"""


def ranked() -> list[dict[str, Any]]:
    """Return messages that rank most customers and accounts, by values of every kind."""
    said: list[dict[str, Any]] = [
        {"type": "identify", "userId": user, "traits": {"rank": SORTED[at % len(SORTED)]}}
        for at, user in enumerate(USERS[3:] + USERS[6:9])
    ]
    said += [
        {"type": "group", "groupId": group, "traits": {"rank": SORTED[-at]}}
        for at, group in enumerate(GROUPS[1:], 1)
    ]
    return [{**one, "timestamp": "2026-07-01T00:00:00Z"} for one in said]


@pytest.fixture(scope="session")
def indexed_url(template: Template) -> str:
    """Give a database that holds the world, some of its traits indexed; tests only read it."""
    url = template.copy()

    async def fill() -> None:
        async with a_graph(url) as asking:
            await add_workspace(asking.database.inner, DEFAULT)
            said = messages()
            await asking.deliver(said[: len(said) // 2])
            await asking.index(*INDEXED)
            await asking.deliver([*said[len(said) // 2 :], *ranked()])

    asyncio.run(fill())
    return url


@pytest.fixture(scope="session")
def indexed_rows(indexed_url: str) -> Rows:
    """Give the rows of the world whose traits are indexed."""

    async def read() -> Rows:
        async with a_graph(indexed_url) as asking:
            return await read_rows(asking.database.inner, DEFAULT.id)

    return asyncio.run(read())


def check(url: str, rows: Rows, query: str, cases: Cases, few_max: int) -> None:
    """Compare answers with plain resolvers, once it is known what is indexed."""

    async def ask() -> None:
        async with a_graph(url, few_max=few_max) as asking:
            await asking.index()
            for variables in cases:
                asking.database.asked.clear()
                found = await asking.get(query, variables)
                assert found == answer(rows, query, variables), variables
                assert len(asking.database.asked) == 1

    asyncio.run(ask())


def traits() -> st.SearchStrategy[dict[str, Any]]:
    """Give TraitFilters of traits that are indexed, most of them."""
    key = st.sampled_from([*INDEXED, "plan", KEYS[1]])
    return st.tuples(strategies.traits(), key).map(lambda pair: {**pair[0], "key": pair[1]})


def filters() -> st.SearchStrategy[dict[str, Any]]:
    """Give filters of which traits are a part that an index can find."""
    several = st.lists(st.fixed_dictionaries({"trait": traits()}), max_size=2)
    return st.fixed_dictionaries({"trait": traits(), "and": several})


def _cases(**variables: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.fixed_dictionaries(variables), min_size=12, max_size=12)


def orders(fields: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Give orders that begin with a trait."""
    directed = st.sampled_from([{}, {"direction": "ASC"}, {"direction": "DESC"}])
    first = st.tuples(st.sampled_from(["rank", "rank", "plan"]), directed).map(
        lambda pair: {"trait": pair[0], **pair[1]}
    )
    return st.tuples(first, strategies.orders(fields)).map(lambda pair: [pair[0], *pair[1][:1]])


@several(25)
@given(
    cases=_cases(
        where=st.one_of(filters(), strategies.customers()),
        order=st.one_of(orders(strategies.CUSTOMER_ORDERS), st.none()),
    ),
    few_max=st.sampled_from(FEW),
)
def test_customers_are_those_a_filter_describes(
    indexed_url: str, indexed_rows: Rows, cases: Cases, few_max: int
) -> None:
    check(indexed_url, indexed_rows, CUSTOMERS, cases, few_max)


@several(25)
@given(
    cases=_cases(where=filters(), order=st.one_of(orders(strategies.ACCOUNT_ORDERS), st.none())),
    few_max=st.sampled_from(FEW),
)
def test_accounts_are_those_a_filter_describes(
    indexed_url: str, indexed_rows: Rows, cases: Cases, few_max: int
) -> None:
    check(indexed_url, indexed_rows, ACCOUNTS, cases, few_max)


_WORDS = st.sampled_from(
    [*NAMES, *USERS[:12], *DEVICES[:3], *GROUPS, "example.com", "%", "z", "old", "stranger", "é"]
)


def typed(draw_from: str, begin: int, size: int) -> str:
    """Return a piece of a text, as somebody types it."""
    return draw_from[begin : begin + size].upper() if size % 2 else draw_from[begin : begin + size]


@several(25)
@given(
    cases=_cases(
        words=st.lists(
            st.builds(typed, _WORDS, st.integers(0, 3), st.integers(0, 12)), max_size=3
        ).map(" ".join)
    ),
    few_max=st.sampled_from(FEW),
)
def test_a_search_finds_what_begins_with_the_words(
    indexed_url: str, indexed_rows: Rows, cases: Cases, few_max: int
) -> None:
    check(indexed_url, indexed_rows, SEARCH, cases, few_max)


@several(25)
@given(
    order=orders(strategies.CUSTOMER_ORDERS),
    size=st.integers(1, 9),
    backward=st.booleans(),
)
def test_a_walk_in_the_order_of_a_trait_meets_each_row_once(
    indexed_url: str, indexed_rows: Rows, order: Any, size: int, *, backward: bool
) -> None:
    async def ask() -> list[str]:
        async with a_graph(indexed_url) as asking:
            await asking.index()
            return await walk(asking, order, size, backward=backward)

    whole = answer(indexed_rows, PAIRS, {"order": order})["customers"]["nodes"]
    assert asyncio.run(ask()) == [node["id"] for node in whole]


@pytest.fixture
async def declared(empty: Asking) -> Asking:
    """Give a Graph over a few customers, whose plan is indexed."""
    said = [
        {"type": "identify", "userId": f"u{at}", "traits": {"plan": "pro" if at % 3 else "free"}}
        for at in range(9)
    ]
    await empty.deliver(said)
    await empty.index("plan")
    return empty


def _uses(asking: Asking, table: str) -> bool:
    return f"{table} AS" in asking.database.asked[-1][0]


async def test_what_is_indexed_is_found_by_the_index(declared: Asking) -> None:
    found = await declared.get(PRO)
    assert found["customers"]["totalCount"] == 6
    assert _uses(declared, "trait_values")
    await declared.get('{ customers(orderBy: [{trait: "plan"}]) { nodes { id } } }')
    assert _uses(declared, "trait_values")
    await declared.get('{ customers(search: "u1") { nodes { id } } }')
    assert _uses(declared, "words")


async def test_an_unfinished_index_is_not_used(declared: Asking) -> None:
    await declared.keeper.give_up(DEFAULT, Kind.CUSTOMER_TRAIT, "plan")
    await declared.keeper.declare(DEFAULT, Kind.CUSTOMER_TRAIT, "plan")
    assert (await declared.get(PRO))["customers"]["totalCount"] == 6
    assert not _uses(declared, "trait_values")
    await declared.index()
    assert (await declared.get(PRO))["customers"]["totalCount"] == 6
    assert _uses(declared, "trait_values")


async def test_who_knows_not_yet_that_an_index_is_gone_answers_all_the_same(
    declared: Asking,
) -> None:
    # Another process gives it up, and has it anew.
    other = Keeper(declared.database.inner, lambda: NOW)
    await other.give_up(DEFAULT, Kind.CUSTOMER_TRAIT, "plan")
    assert (await declared.get(PRO))["customers"]["totalCount"] == 6
    await other.declare(DEFAULT, Kind.CUSTOMER_TRAIT, "plan")
    assert (await declared.get(PRO))["customers"]["totalCount"] == 6
    assert not _uses(declared, "trait_values")


async def test_texts_that_are_long_are_found_and_sorted_by_all_of_them(declared: Asking) -> None:
    long = "x" * 4_000
    said = [
        {"type": "identify", "userId": f"long{at}", "traits": {"plan": long + str(at)}}
        for at in range(4)
    ]
    await declared.deliver(said)
    await declared.index()
    query = """query($plan: JSON!) {
      customers(where: {trait: {key: "plan", eq: $plan}}) { nodes { userId } }
      all: customers(orderBy: [{trait: "plan"}], first: 4) { nodes { userId } } }"""
    found = await declared.get(query, {"plan": long + "2"})
    assert found["customers"]["nodes"] == [{"userId": "long2"}]
    assert [node["userId"] for node in found["all"]["nodes"]] == [
        "long3",
        "long2",
        "long1",
        "long0",
    ]


async def test_a_trait_that_is_asked_for_often_is_indexed(empty: Asking) -> None:
    await empty.index()
    for _ in range(ASKED_TIMES - 1):
        await empty.get(PRO)
    await empty.index()
    assert not _uses(empty, "trait_values")
    await empty.get(PRO)
    await empty.index()
    await empty.get(PRO)
    assert _uses(empty, "trait_values")


async def test_only_so_many_traits_are_indexed_unasked(empty: Asking) -> None:
    query = "query($key: String!) { customers(orderBy: [{trait: $key}]) { nodes { id } } }"
    for at in range(HOT_MAX + 2):
        for _ in range(ASKED_TIMES):
            await empty.get(query, {"key": f"k{at}"})
        await empty.index()
    assert len(empty.keeper.view(DEFAULT).numbers) == HOT_MAX + 1


async def test_a_hot_trait_that_nobody_asks_for_any_more_is_given_up(empty: Asking) -> None:
    for _ in range(ASKED_TIMES):
        await empty.get(PRO)
    await empty.index()
    await empty.keeper.declare(DEFAULT, Kind.ACCOUNT_TRAIT, "plan")
    later = Keeper(empty.database.inner, lambda: NOW + (COLD_SECONDS + 1) * 1_000_000)
    later.view(DEFAULT)
    await later.turn()
    # What was declared stays.
    assert set(later.view(DEFAULT).numbers) == {(Kind.ACCOUNT_TRAIT, "plan"), (Kind.WORDS, "")}
