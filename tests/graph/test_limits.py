"""What a request may ask for, how it may be sent, and what it is told when it may not."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query

from api.auth import Scope
from tests.graph.graphs import Asking

RESPONSE = b"application/graphql-response+json"
JSON = b"application/json"


def nested(depth: int) -> str:
    """Return a query of so many levels."""
    inner = "id"
    for level in range(depth - 2):
        inner = f"{'customer' if level % 2 else 'setBy'} {{ {inner} }}"
    return f'{{ customer(userId: "u1") {{ {inner} }} }}'


async def cost(asking: Asking, query: str, variables: dict[str, Any] | None = None) -> int:
    """Return what an operation costs."""
    found = await asking.ask(query, variables)
    requested: int = found["extensions"]["cost"]["requested"]
    assert found["extensions"]["cost"]["limit"] == 10_000
    return requested


CURVES = """{ audiences(first: 3) { nodes {
  activity(since: "2026-07-01T00:00:00Z", interval: WEEK) { start members } } } }"""
FRAGMENTS = """{ customers(first: 10) { nodes { ...f } } }
  fragment f on Customer { ...g accounts(first: 2) { nodes { id } } }
  fragment g on Customer { events(first: 1) { nodes {
    customer { accounts(first: 1) { edges { cursor } } } } } }"""
INTERFACES = """{ nodes(ids: ["trk_00000000000000000000000000000000"]) {
  ... on Customer { accounts(first: 4) { nodes { id } } }
  ... on Account { members(first: 9) { nodes { id } } } } }"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __typename }", 0),
        ("{ __schema { types { name } } }", 0),
        ('{ customer(userId: "u1") { id events(first: 20) { nodes { id } } } }', 21),
        ("{ customers { nodes { id } } }", 50),
        ("{ customers(first: 5) { totalCount nodes { id } edges { cursor } } }", 5),
        ("{ customers(last: 7) { pageInfo { endCursor } } }", 7),
        ("{ customers { totalCount } }", 1),
        ("{ customers { __typename } }", 1),
        ("{ a: customers(first: 2) { nodes { id } } b: customers(first: 3) { nodes { id } } }", 5),
        ("{ customers(first: 10) { nodes { accounts(first: 3) { nodes { id } } } } }", 40),
        ("{ customers(first: 10) { nodes { accounts { totalCount } } } }", 20),
        (FRAGMENTS, 10 + 20 + 10 + 10),
        (INTERFACES, 1 + 9),
        ("{ customers(first: 0) { nodes { accounts { nodes { id } } } } }", 0),
        ('{ stats(since: "2026-07-01T00:00:00Z", interval: DAY) { events } }', 100),
        (CURVES, 3 + 3 * 100),
    ],
)  # fmt: skip
async def test_the_cost_is_page_sizes_multiplied(asking: Asking, query: str, expected: int) -> None:
    assert await cost(asking, query) == expected


async def test_page_sizes_in_variables_count(asking: Asking) -> None:
    query = "query($n: Int = 4) { customers(first: $n) { nodes { events(last: $n) { nodes { id } } } } }"
    assert await cost(asking, query) == 20
    assert await cost(asking, query, {"n": 9}) == 90
    refused = await asking.ask(query, {"n": 100})
    assert refused["errors"][0]["extensions"] == {
        "code": "COST_LIMIT",
        "cost": {"requested": 10_100, "limit": 10_000},
    }


FIVES = " ".join(f"a{number}: __typename" for number in range(31))
TOO_MUCH = {
    "deep": (nested(16), "DEPTH_LIMIT"),
    "deep in fragments": (
        '{ customer(userId: "u1") { ...f0 } } '
        + " ".join(
            f'fragment f{n} on Customer {{ trait(key: "x") {{ setBy {{ customer {{ ...f{n + 1} }} }} }} }}'
            for n in range(5)
        )
        + " fragment f5 on Customer { id }",
        "DEPTH_LIMIT",
    ),
    "aliases": (f"{{ {FIVES} }}", "COST_LIMIT"),
    "tokens": ("{ " + "__typename " * 2_000 + "}", "COST_LIMIT"),
    "directives": ("{ __typename " + "@include(if: true) " * 6 + "}", "COST_LIMIT"),
    "rows": (
        "{ customers(first: 100) { nodes { accounts(first: 100) { nodes { id } } } } }",
        "COST_LIMIT",
    ),
    "fields": (
        '{ customer(userId: "u1") { ...f0 } } '
        + " ".join(
            f"fragment f{n} on Customer {{ "
            + " ".join(
                f't{n}{m}: trait(key: "x") {{ setBy {{ customer {{ ...f{n + 1} }} }} }}'
                for m in range(7)
            )
            + " }"
            for n in range(4)
        )
        + " fragment f4 on Customer { id name email phone title avatar userId traits }",
        "COST_LIMIT",
    ),
    "conditions": (
        "{ customers(where: {or: [" + '{email: {eq: "x"}}' * 260 + "]}) { totalCount } }",
        "COST_LIMIT",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_too_much_is_refused_before_it_runs(asking: Asking, name: str) -> None:
    query, code = TOO_MUCH[name]
    assert await asking.code(query) == code
    assert asking.database.asked == []


async def test_conditions_in_variables_are_bounded_too(asking: Asking) -> None:
    query = "query($w: CustomerFilter) { customers(where: $w) { totalCount } }"
    many = {"and": [{"email": {"ne": "x"}}] * 249}
    await asking.get(query, {"w": many})
    assert await asking.code(query, {"w": {"and": [many, many]}}) == "COST_LIMIT"


async def test_what_nests_beyond_the_database_is_refused_as_too_deep(asking: Asking) -> None:
    query = "query($w: CustomerFilter) { customers(where: $w) { totalCount } }"
    deep: Any = {}
    for _ in range(20):
        deep = {"not": deep}
    await asking.get(query, {"w": deep})
    for _ in range(80):
        deep = {"not": {"and": [deep, deep]}} if len(str(deep)) < 3_000 else {"not": deep}
    assert await asking.code(query, {"w": deep}) in {"DEPTH_LIMIT", "COST_LIMIT"}
    alone: Any = {}
    for _ in range(90):
        alone = {"not": alone}
    assert await asking.code(query, {"w": alone}) == "DEPTH_LIMIT"


def lists(depth: int) -> str:
    """Return a query of lists within lists."""
    inner = "id"
    for level in range(depth - 1):
        name = "members" if (depth - level) % 2 else "accounts"
        inner = f"{name}(first: 1) {{ edges {{ node {{ {inner} }} }} pageInfo {{ hasNextPage }} }}"
    return f"{{ customers(first: 1) {{ nodes {{ {inner} }} }} }}"


async def test_five_lists_within_each_other_are_one_statement(asking: Asking) -> None:
    for depth in range(1, 6):
        await asking.get(lists(depth))
    assert await asking.code(lists(7)) == "DEPTH_LIMIT"


async def test_the_whole_schema_can_be_asked_for(asking: Asking) -> None:
    found = await asking.get(get_introspection_query())
    assert {"Customer", "Account"} <= {kind["name"] for kind in found["__schema"]["types"]}


async def test_introspection_cannot_be_made_to_explode(asking: Asking) -> None:
    query = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
    assert "errors" in await asking.ask(query)


@pytest.mark.parametrize(
    ("scopes", "query", "allowed"),
    [
        ({Scope.READ}, "{ __typename }", True),
        ({Scope.READ}, "{ __schema { queryType { name } } }", True),
        ({Scope.ADMIN}, "{ __typename }", True),
        ({Scope.WRITE}, "{ __typename }", False),
        ({Scope.INGEST}, "{ __schema { queryType { name } } }", False),
        (
            {Scope.READ},
            'mutation { deleteAccount(input: {groupId: "a"}) { userErrors { code } } }',
            False,
        ),
        (
            {Scope.WRITE},
            'mutation { deleteAccount(input: {groupId: "a"}) { account { id } } }',
            True,
        ),
        (
            {Scope.ADMIN},
            'mutation { deleteAccount(input: {groupId: "a"}) { account { id } } }',
            True,
        ),
    ],
)
async def test_scopes_say_what_a_key_may_do(
    asking: Asking, scopes: set[Scope], query: str, *, allowed: bool
) -> None:
    asking.scopes = frozenset(scopes)
    answer = await asking.answer(query)
    assert answer.status == (200 if allowed else 403)
    assert (b"FORBIDDEN" in answer.body) is not allowed


@pytest.mark.parametrize(
    ("selection", "code"),
    [
        ("customer { events(first: 101) { nodes { id } } }", "BAD_USER_INPUT"),
        ('customer { events(after: "x") { nodes { id } } }', "BAD_USER_INPUT"),
        ("customer { accounts(where: {name: {eq: null}}) { totalCount } }", "BAD_USER_INPUT"),
        (
            "customer { accounts(first: 100) { nodes { members(first: 100) { nodes { id } } } } }",
            "COST_LIMIT",
        ),
    ],
)
async def test_nothing_is_written_when_the_answer_cannot_be_read(
    asking: Asking, selection: str, code: str
) -> None:
    before = await asking.get("{ events { totalCount } }")
    say = 'identify(input: {userId: "u1", traits: {n: 1}})'
    query = f"mutation {{ a: {say} {{ receipt {{ outcome }} }} b: {say} {{ {selection} }} }}"
    found = await asking.ask(query)
    assert found["errors"][0]["extensions"]["code"] == code
    assert "data" not in found
    assert await asking.get("{ events { totalCount } }") == before


async def test_a_refused_operation_is_told_its_cost(asking: Asking) -> None:
    for query in (
        '{ customers(first: 7, after: "x") { nodes { id } } }',
        '{ customers(first: 7, after: "x") { nodes { id } } __schema { queryType { name } } }',
    ):
        found = await asking.ask(query)
        assert found["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
        assert found["extensions"] == {"cost": {"requested": 7, "limit": 10_000}}
        assert "data" not in found


async def test_exactly_one_id_names_a_customer_or_an_account(asking: Asking) -> None:
    for query in (
        "{ customer { id } }",
        '{ customer(userId: "u1", anonymousId: "d1") { id } }',
        "{ customer(userId: null) { id } }",
        '{ account(id: "acc_00", groupId: "a1") { id } }',
        "{ account { id } }",
    ):
        assert await asking.code(query) == "BAD_USER_INPUT"
    assert (await asking.get('{ customer(userId: "u7", id: null) { userId } }'))["customer"]


@pytest.mark.parametrize(
    "bad",
    ["", "x", "cus_", "cus_zz", "CUS_" + "0" * 32, "cus_" + "0" * 31, "aud_zz", "aud_78", "é"],
)
async def test_what_is_no_id_is_refused(asking: Asking, bad: str) -> None:
    for query in ("customer(id: $id) { id }", "node(id: $id) { id }", "nodes(ids: [$id]) { id }"):
        assert await asking.code(f"query($id: ID!) {{ {query} }}", {"id": bad}) == "BAD_USER_INPUT"


async def test_an_id_of_another_kind_finds_nothing(asking: Asking) -> None:
    ids = (await asking.get("{ accounts(first: 1) { nodes { id } } }"))["accounts"]["nodes"]
    found = await asking.get("query($id: ID!) { customer(id: $id) { id } }", {"id": ids[0]["id"]})
    assert found == {"customer": None}
    many = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert await asking.code(many, {"ids": ["cus_" + "0" * 32] * 101}) == "BAD_USER_INPUT"
