"""The catalog of trait keys says what there is, and an index is had by asking for it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from api.auth import Scope
from ingest.keeper import INDEXES_MAX
from tests.graph.graphs import Asking

CATALOG = """query($entity: Entity!, $search: String) {
  traitKeys(entity: $entity, search: $search, first: 100) { totalCount
    nodes { id key entity types count examples indexed origin } } }"""
INDEX = """mutation($input: IndexTraitInput!) { indexTrait(input: $input) {
  traitKey { id key entity count types examples indexed origin } userErrors { field code message } } }"""
ADMIN = frozenset({Scope.READ, Scope.WRITE, Scope.ADMIN})
TYPES = ["STRING", "NUMBER", "BOOLEAN", "ARRAY", "OBJECT"]


def kind(value: Any) -> str:
    """Return the type of a trait's value."""
    if isinstance(value, bool):
        return "BOOLEAN"
    names = {str: "STRING", int: "NUMBER", float: "NUMBER", list: "ARRAY", dict: "OBJECT"}
    return names[type(value)]


@pytest.mark.parametrize("entity", ["CUSTOMER", "ACCOUNT"])
async def test_the_catalog_counts_what_customers_and_accounts_have(
    world: Asking, entity: str
) -> None:
    query = "{ customers(first: 100) { nodes { traits } } accounts(first: 100, where: {or: [{deleted: true}, {deleted: false}]}) { nodes { traits } } }"
    found = (await world.get(query))["customers" if entity == "CUSTOMER" else "accounts"]["nodes"]
    values: dict[str, list[Any]] = defaultdict(list)
    for node in found:
        for key, value in node["traits"].items():
            values[key].append(value)
    catalog = (await world.get(CATALOG, {"entity": entity}))["traitKeys"]
    assert catalog["totalCount"] == len(values)
    assert [node["key"] for node in catalog["nodes"]] == sorted(values, key=str.encode)
    for node in catalog["nodes"]:
        held = values[node["key"]]
        assert node["entity"] == entity
        assert node["count"] == len(held)
        assert node["types"] == [each for each in TYPES if each in {kind(one) for one in held}]
        assert 0 < len(node["examples"]) <= 5
        assert all(example in held for example in node["examples"])
        assert node["indexed"] is False


async def test_a_key_says_whether_an_audience_builder_computes_it(world: Asking) -> None:
    catalog = (await world.get(CATALOG, {"entity": "CUSTOMER"}))["traitKeys"]["nodes"]
    origins = {node["key"]: node["origin"] for node in catalog}
    assert origins["vip"] == origins["order_completed_last_30days"] == "ENGAGE"
    assert origins["plan"] == "TRAIT"


async def test_keys_are_searched_by_a_part_and_paged(world: Asking) -> None:
    found = await world.get(CATALOG, {"entity": "CUSTOMER", "search": "PLA"})
    assert [node["key"] for node in found["traitKeys"]["nodes"]] == ["$.plan", "plan"]
    query = """query($after: String) { traitKeys(first: 3, after: $after) {
      nodes { key } pageInfo { hasNextPage endCursor } } }"""
    keys: list[str] = []
    cursor, more = None, True
    while more:
        page = (await world.get(query, {"after": cursor}))["traitKeys"]
        keys += [node["key"] for node in page["nodes"]]
        cursor, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
    whole = (await world.get(CATALOG, {"entity": "CUSTOMER"}))["traitKeys"]["nodes"]
    assert keys == [node["key"] for node in whole]


async def test_a_trait_key_is_found_by_its_id(world: Asking) -> None:
    [node] = (await world.get(CATALOG, {"entity": "ACCOUNT", "search": "total"}))["traitKeys"][
        "nodes"
    ]
    query = "query($id: ID!) { node(id: $id) { id ... on TraitKey { key entity count } } }"
    found = (await world.get(query, {"id": node["id"]}))["node"]
    assert found == {name: node[name] for name in ("id", "key", "entity", "count")}
    assert (await world.get(query, {"id": "trk_63" + b"nobody has it".hex()}))["node"] is None


async def test_a_trait_is_indexed_and_given_up(empty: Asking) -> None:
    empty.scopes = ADMIN
    await empty.deliver([{"type": "identify", "userId": "u1", "traits": {"plan": "pro"}}])
    for indexed in (True, True, False, False, True):
        given = {"input": {"key": "plan", "indexed": indexed}}
        payload = (await empty.get(INDEX, given))["indexTrait"]
        assert payload["userErrors"] == []
        assert payload["traitKey"]["indexed"] is indexed
        assert payload["traitKey"]["examples"] == ["pro"]
        [node] = (await empty.get(CATALOG, {"entity": "CUSTOMER"}))["traitKeys"]["nodes"]
        assert node == payload["traitKey"]


async def test_a_trait_that_nobody_has_yet_can_be_indexed(empty: Asking) -> None:
    empty.scopes = ADMIN
    found = await empty.get(INDEX, {"input": {"key": "later", "entity": "ACCOUNT"}})
    key = found["indexTrait"]["traitKey"]
    assert (key["key"], key["entity"], key["count"], key["types"]) == ("later", "ACCOUNT", 0, [])
    assert key["indexed"] is True


async def test_only_an_admin_indexes(empty: Asking) -> None:
    assert await empty.code(INDEX, {"input": {"key": "plan"}}) == "FORBIDDEN"


async def test_a_key_that_no_trait_has_is_refused_and_so_is_one_index_too_many(
    empty: Asking,
) -> None:
    empty.scopes = ADMIN
    [error] = (await empty.get(INDEX, {"input": {"key": "k" * 257}}))["indexTrait"]["userErrors"]
    assert (error["field"], error["code"]) == (["key"], "TOO_LONG")
    await empty.index()
    for at in range(INDEXES_MAX):
        await empty.get(INDEX, {"input": {"key": f"k{at}"}})
    payload = (await empty.get(INDEX, {"input": {"key": "one more"}}))["indexTrait"]
    assert payload["traitKey"] is None
    assert payload["userErrors"][0]["code"] == "INVALID"
    assert (await empty.get(INDEX, {"input": {"key": "k0"}}))["indexTrait"]["userErrors"] == []
