"""Pages: forward, backward, in any order, while events arrive."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.graph import strategies
from tests.graph.examples import several
from tests.graph.graphs import Asking, a_graph
from tests.graph.oracle import answer
from tests.graph.rows import Rows

WALK = """query($order: [CustomerOrder!], $first: Int, $after: String, $last: Int, $before: String) {
  customers(orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
    edges { cursor node { id } } nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
ALL = """query($order: [CustomerOrder!]) { customers(orderBy: $order, first: 100) { nodes { id } } }"""


async def walk(asking: Asking, order: Any, size: int, *, backward: bool) -> list[str]:
    """Return the ids of a whole list, page by page."""
    found: list[str] = []
    cursor = None
    for _ in range(100):
        page = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        answered = await asking.get(WALK, {"order": order, **page})
        connection = answered["customers"]
        ids = [edge["node"]["id"] for edge in connection["edges"]]
        assert ids == [node["id"] for node in connection["nodes"]]
        info = connection["pageInfo"]
        cursors = [edge["cursor"] for edge in connection["edges"]]
        assert [info["startCursor"], info["endCursor"]] == [cursors[0], cursors[-1]]
        assert info["hasNextPage" if backward else "hasPreviousPage"] == bool(found)
        found = ids + found if backward else found + ids
        cursor = info["startCursor" if backward else "endCursor"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return found
    raise AssertionError("the walk does not end")


@several(15)
@given(
    order=strategies.orders(strategies.CUSTOMER_ORDERS),
    size=st.integers(1, 9),
    backward=st.booleans(),
)
def test_a_walk_in_any_order_meets_each_row_once(
    world_url: str, rows: Rows, order: Any, size: int, *, backward: bool
) -> None:
    async def ask() -> list[str]:
        async with a_graph(world_url) as asking:
            return await walk(asking, order, size, backward=backward)

    whole = answer(rows, ALL, {"order": order})["customers"]["nodes"]
    assert asyncio.run(ask()) == [node["id"] for node in whole]


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_timelines_and_members_are_walked_as_lists_are(
    world: Asking, rows: Rows, size: int
) -> None:
    query = """query($n: Int!, $events: String, $members: String) { account(groupId: "a0") {
      events(first: $n, after: $events) { nodes { id } pageInfo { hasNextPage endCursor } }
      members(first: $n, after: $members, orderBy: [{field: ROLE}, {trait: "plan"}]) {
        nodes { id } pageInfo { hasNextPage endCursor } } } }"""
    for name in ("events", "members"):
        ids: list[str] = []
        cursor, more = None, True
        while more:
            found = await world.get(query, {"n": size, name: cursor})
            page = found["account"][name]
            ids += [node["id"] for node in page["nodes"]]
            cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        whole = """{ account(groupId: "a0") { events(first: 100) { nodes { id } }
          members(first: 100, orderBy: [{field: ROLE}, {trait: "plan"}]) { nodes { id } } } }"""
        expected = answer(rows, whole)["account"][name]["nodes"]
        assert ids == [node["id"] for node in expected]


async def test_what_arrives_during_a_walk_moves_no_other_row(empty: Asking) -> None:
    users = [f"u{number:02}" for number in range(20)]
    await empty.deliver(
        [
            {"type": "identify", "userId": user, "timestamp": f"2026-01-{number + 1:02}T00:00:00Z"}
            for number, user in enumerate(users)
        ]
    )
    query = """query($after: String) { customers(first: 3, after: $after) {
      nodes { userId } pageInfo { hasNextPage endCursor } } }"""
    seen: list[str] = []
    cursor, more, step = None, True, 0
    while more:
        page = (await empty.get(query, {"after": cursor}))["customers"]
        seen += [node["userId"] for node in page["nodes"]]
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        step += 1
        await empty.deliver(
            [
                {"type": "identify", "userId": f"new{step}", "timestamp": "2026-02-01T00:00:00Z"},
                {
                    "type": "track",
                    "event": "x",
                    "userId": seen[0],
                    "timestamp": "2026-02-02T00:00:00Z",
                },
            ]
        )
    assert seen == sorted(users, reverse=True)


async def test_rows_around_a_page_are_told_of(world: Asking) -> None:
    whole = (await world.get(WALK, {"first": 100}))["customers"]["edges"]
    third, sixth = whole[2]["cursor"], whole[5]["cursor"]
    between = (await world.get(WALK, {"first": 2, "after": third, "before": sixth}))["customers"]
    assert [edge["cursor"] for edge in between["edges"]] == [whole[3]["cursor"], whole[4]["cursor"]]
    assert between["pageInfo"]["hasNextPage"]
    assert between["pageInfo"]["hasPreviousPage"]
    last = (await world.get(WALK, {"last": 2, "after": third}))["customers"]
    assert [edge["cursor"] for edge in last["edges"]] == [edge["cursor"] for edge in whole[-2:]]
    assert not last["pageInfo"]["hasNextPage"]
    first = (await world.get(WALK, {"before": third}))["customers"]
    assert [edge["cursor"] for edge in first["edges"]] == [edge["cursor"] for edge in whole[:2]]
    beyond = (await world.get(WALK, {"first": 2, "after": whole[-1]["cursor"]}))["customers"]
    assert beyond["edges"] == []
    assert beyond["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": True,
        "startCursor": None,
        "endCursor": None,
    }


async def test_a_cursor_counts_only_where_it_came_from(world: Asking) -> None:
    found = await world.get(
        """{ customers(first: 1) { pageInfo { endCursor } }
          byName: customers(first: 1, orderBy: [{field: NAME}]) { pageInfo { endCursor } }
          byPlan: customers(first: 1, orderBy: [{trait: "plan"}]) { pageInfo { endCursor } }
          byDeep: customers(first: 1, orderBy: [{trait: "deep"}]) { pageInfo { endCursor } }
          up: customers(first: 1, orderBy: [{field: LAST_SEEN_AT, direction: ASC}]) { pageInfo { endCursor } }
          accounts(first: 1) { pageInfo { endCursor } } events(first: 1) { pageInfo { endCursor } } }"""
    )
    plain = "query($after: String) { customers(after: $after) { nodes { id } } }"
    cursors = {name: page["pageInfo"]["endCursor"] for name, page in found.items()}
    assert len(set(cursors.values())) == len(cursors)
    await world.get(plain, {"after": cursors.pop("customers")})
    for cursor in cursors.values():
        assert await world.code(plain, {"after": cursor}) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "cursor",
    ["", " ", "x", "00", "5b5d", "5b22", "ff" * 40, "é", "[]", "arrayconnection:1", "5b31" * 9_000],
)
async def test_what_is_no_cursor_is_refused(world: Asking, cursor: str) -> None:
    for name in ("after", "before"):
        query = f"query($at: String) {{ customers({name}: $at) {{ nodes {{ id }} }} }}"
        assert await world.code(query, {"at": cursor}) == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    "page", ["first: -1", "first: 101", "last: -1", "last: 101", "first: 1, last: 1"]
)
async def test_a_page_has_0_to_100_rows_from_one_end(world: Asking, page: str) -> None:
    query = f"{{ customers({page}) {{ nodes {{ id }} }} }}"
    assert await world.code(query) == "BAD_USER_INPUT"
    assert await world.code(query.replace("nodes { id }", "totalCount")) == "BAD_USER_INPUT"


async def test_a_null_page_is_the_default_page(world: Asking) -> None:
    query = "query($n: Int, $c: String) { customers(first: $n, last: $n, after: $c, before: $c) { nodes { id } } }"
    assert await world.get(query) == await world.get("{ customers { nodes { id } } }")
    assert await world.get(query, {"n": None, "c": None}) == await world.get(query)
