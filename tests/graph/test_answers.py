"""Compiled answers are those of plain resolvers, by one statement each."""

from __future__ import annotations

from typing import Any

import pytest

from api.auth import Scope
from models.connection import Transaction
from tests.graph.graphs import Asking
from tests.graph.oracle import answer
from tests.graph.rows import Rows

CUSTOMER = """
fragment everything on Customer {
  __typename id userId anonymousIds aliases email name firstName lastName phone title avatar
  signedUpAt firstSeenAt lastSeenAt traits
  some: traits(keys: ["plan", "a.b", "a\\"b", "ключ", "back\\\\slash", "new\\nline", "", "nobody's"])
  none: traits(keys: [])
  traitEntries { key value setAt messageId origin setBy { id messageId } }
  few: traitEntries(keys: ["vip", "$"]) { key value }
  trait(key: "total billed") { key value setAt messageId origin setBy { id type } }
  quoted: trait(key: "it's") { value }
  audiences { key member since origin computationId intervals { enteredAt leftAt }
    latest: intervals(last: 1) { enteredAt } audience { id memberCount } }
  in: audiences(member: true, origin: ENGAGE) { key }
  out: audiences(member: false, keys: ["vip", "beta"]) { key }
  inAudience(key: "vip") other: inAudience(key: "o'clock")
  accounts { totalCount nodes { groupId } edges { role joinedAt node { id name } } }
  events(first: 3) { totalCount nodes { id name } pageInfo { hasNextPage hasPreviousPage } }
}
"""

ACCOUNT = """
fragment everything on Account {
  __typename id groupId name website industry employees plan createdAt deletedAt firstSeenAt
  lastSeenAt traits traitEntries { key value setAt messageId origin setBy { id } }
  audiences { key member since origin } inAudience(key: "vip")
  members(first: 4) {
    totalCount edges { role joinedAt node { userId name } } pageInfo { hasNextPage }
  }
  byRole: members(orderBy: [{field: ROLE, direction: ASC}, {field: NAME}]) { nodes { userId } }
  byTrait: members(orderBy: [{trait: "plan"}, {field: JOINED_AT}]) { nodes { userId } }
  found: members(search: "ad", role: {in: ["admin", "Admin"]}) { totalCount nodes { name } }
  events(last: 2) { nodes { id timestamp } pageInfo { hasNextPage hasPreviousPage } }
}
"""

EVENT = """
fragment everything on Event {
  __typename id messageId type name timestamp receivedAt userId anonymousId groupId previousId
  properties traits context position
  customer { id name accounts { nodes { groupId } } } account { groupId members { totalCount } }
}
"""

PROFILE = """
fragment profile on Profile {
  id name firstSeenAt ...deeper
  ... on Node { node: id }
  ... on Customer { userId }
  ... on Account { groupId }
}
fragment deeper on Profile { lastSeenAt traits(keys: ["plan"]) }
"""

DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "everything of customers": (
        "{ customers(first: 100) { totalCount nodes { ...everything } } }" + CUSTOMER,
        {},
    ),
    "everything of accounts": (
        "{ accounts(where: {or: [{deleted: true}, {deleted: false}]}) { nodes { ...everything } } }"
        + ACCOUNT,
        {},
    ),
    "everything of events": (
        "{ events(first: 100) { totalCount nodes { ...everything } } }" + EVENT,
        {},
    ),
    "one customer by each id": (
        """query($user: String!, $old: String!, $device: String!) {
          customer(userId: $user) { ...everything }
          joined: customer(userId: $old) { id userId aliases }
          number: customer(userId: "42") { id userId }
          device: customer(anonymousId: $device) { id userId anonymousIds }
          stranger: customer(anonymousId: "stranger") { id userId email }
          nobody: customer(userId: "nobody") { id }
          erased: customer(userId: "u9") { id }
          anew: customer(userId: "u10") { traits events { totalCount nodes { type } } }
        }"""
        + CUSTOMER,
        {"user": "u7", "old": "u2", "device": "d1"},
    ),
    "one account, deleted or not": (
        """{ account(groupId: "a0") { ...everything } gone: account(groupId: "a6") { deletedAt
          members { totalCount } } none: account(groupId: "a99") { id } }"""
        + ACCOUNT,
        {},
    ),
    "one fragment for both profiles": (
        """{ customer(userId: "u7") { ...profile } account(groupId: "a0") { ...profile } }"""
        + PROFILE,
        {},
    ),
    "fields said twice are merged": (
        """query($on: Boolean!, $off: Boolean = false) {
          customers(first: 2) { nodes { id } }
          customers(first: 2) { nodes { userId accounts { nodes { id } } } totalCount }
          ...more
          ... @include(if: $on) { customers(first: 2) { nodes { name @skip(if: $on) email } } }
          ... @skip(if: $on) { never: customers { totalCount } }
          ... on Query { customers(first: 2) { nodes { accounts { nodes { groupId } } } } }
          also: customers(first: 2) @include(if: $off) { totalCount }
          __typename
        }
        fragment more on Query { customers(first: 2) { nodes { phone @include(if: $off) title } } }""",
        {"on": True},
    ),
    "pages of pages": (
        """query($n: Int = 3) { accounts(first: $n) { nodes { groupId members(first: $n) {
          pageInfo { hasNextPage } nodes { userId accounts(first: $n) { totalCount nodes {
          groupId members(first: 1) { nodes { userId } } } } } } } } }""",
        {},
    ),
    "the last pages": (
        """{ customers(last: 3) { nodes { userId } pageInfo { hasNextPage hasPreviousPage } }
          all: customers(last: 100) { nodes { userId } pageInfo { hasPreviousPage } }
          none: customers(first: 0) { nodes { id } pageInfo { hasNextPage } }
          nor: events(last: 0) { nodes { id } pageInfo { hasPreviousPage } } }""",
        {},
    ),
    "audiences": (
        """query($typed: String) {
          audiences { totalCount nodes { id key entity origin computationId firstChangedAt
            lastChangedAt memberCount
            customers(first: 3) { totalCount edges { since node { userId } } }
            accounts { totalCount nodes { groupId } edges { since } } } }
          audiences2: audiences(entity: ACCOUNT, origin: ENGAGE) { nodes { key entity } }
          plain: audiences(origin: TRAIT, first: 2) { nodes { key } pageInfo { hasNextPage } }
          typed: audiences(search: $typed) { nodes { key } }
          audience(key: "vip") { id customers(where: {trait: {key: "vip", eq: true}}) { totalCount } }
          ofAccounts: audience(key: "vip", entity: ACCOUNT) { memberCount accounts { nodes { groupId } } }
          none: audience(key: "a'b") { id }
        }""",
        {"typed": "КЛЮ"},
    ),
    "searches": (
        """{ a: customers(search: "ADA") { nodes { name } }
          b: customers(search: "lov  ad") { nodes { name } }
          c: customers(search: "ád") { nodes { name } } d: customers(search: "i̇p") { nodes { name } }
          e: customers(search: "neil") { nodes { name } } f: customers(search: "%_*") { nodes { name } }
          g: customers(search: "z-1") { nodes { name } } h: customers(search: "u1") { nodes { userId } }
          i: customers(search: "d1") { nodes { anonymousIds } }
          j: customers(search: "example") { nodes { email } }
          k: customers(search: "οδοσ") { nodes { name } }
          l: customers(search: "οδος") { nodes { name } }
          m: customers(search: "  ") { totalCount } n: customers(search: "mail") { totalCount }
          o: accounts(search: "a1") { nodes { groupId } } p: accounts(search: "by ad") { nodes { name } }
          q: customers(search: "y z") { nodes { name } } r: customers(search: "_y") { totalCount } }""",
        {},
    ),
    "the viewer": (
        """{ viewer { key { id name prefix scopes createdAt expiresAt revokedAt lastUsedAt } scopes
          workspace { id name createdAt } limits { pageSizeDefault pageSizeMax costMax depthMax } } }""",
        {},
    ),
    "arguments in variables of every kind": (
        """query($where: CustomerFilter!, $order: [CustomerOrder!], $keys: [String!], $key: String!,
          $types: [EventType!] = [TRACK, PAGE], $moment: DateTime!, $value: JSON!, $span: Duration!,
          $direction: Direction = ASC, $flag: Boolean!, $count: Int!, $missing: String) {
          customers(where: {and: [$where, {trait: {key: $key, ne: $value}}]}, orderBy: $order) {
            nodes { userId traits(keys: $keys) audiences(member: $flag, keys: [$key, "vip"]) { key }
              events(where: {type: $types, timestamp: {gte: $moment, within: $span},
                name: {eq: "Report Viewed"}}) { totalCount } } }
          sorted: customers(orderBy: [{field: NAME, direction: $direction}, {trait: $key}]) {
            nodes { name userId } }
          counted: customers(where: {events: {count: {gte: $count}, since: $moment}}) { totalCount }
          accounts(where: {name: {contains: $key}}, search: $missing) { totalCount }
        }""",
        {
            "where": {
                "or": [{"email": {"contains": "EXAMPLE"}}, {"not": {"name": {"exists": True}}}]
            },
            "order": [{"trait": "total billed"}, {"field": "USER_ID", "direction": "ASC"}],
            "keys": ["plan", "$"],
            "key": "plan",
            "moment": "2026-02-01T02:00:00+02:00",
            "value": "pro",
            "span": "P150D",
            "flag": True,
            "count": 4,
        },
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_one_statement_answers_as_plain_resolvers_do(
    world: Asking, rows: Rows, name: str
) -> None:
    query, variables = DOCUMENTS[name]
    found = await world.get(query, variables)
    assert found == answer(rows, query, variables)
    assert len(world.database.asked) == 1


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_the_executor_answers_the_same(world: Asking, name: str) -> None:
    query, variables = DOCUMENTS[name]
    compiled = await world.get(query, variables)
    before, brace, after = query.partition("{ ") if "query" not in query else ("", "", "")
    mixed = f"{before}{brace}__schema {{ queryType {{ name }} }} {after}"
    if not brace:
        head, _, body = query.partition(") {")
        mixed = f"{head}) {{ __schema {{ queryType {{ name }} }} {body}"
    executed = await world.get(mixed, variables)
    assert executed.pop("__schema") == {"queryType": {"name": "Query"}}
    assert executed == compiled


async def test_the_same_rows_are_one_statement_however_many_they_are(world: Asking) -> None:
    query = "query($n: Int!) { customers(first: $n) { nodes { accounts { nodes { members(first: 10) { nodes { id } } } } } } }"
    for size in (1, 4):
        world.database.asked.clear()
        await world.get(query, {"n": size})
        assert len(world.database.asked) == 1


async def test_nodes_are_found_by_every_kind_of_id(world: Asking, rows: Rows) -> None:
    query = """{ customers(first: 2) { nodes { id } } accounts(first: 1) { nodes { id } }
      events(first: 1) { nodes { id } } audiences(first: 2) { nodes { id } } }"""
    found = await world.get(query)
    ids = [node["id"] for page in found.values() for node in page["nodes"]]
    # Whoever was joined into another is found as that other.
    ids += [
        f"cus_{identity.key.hex()}" for identity in rows.identities if identity.identifier == "u2"
    ]
    ids += [
        "cus_" + "0" * 32,
        "trk_" + "0" * 32,
        "aud_" + b"cvip".hex(),
        "aud_" + b"cnobody".hex(),
    ]
    asked = """query($ids: [ID!]!) { nodes(ids: $ids) { __typename id ...on Profile { name }
      ...on Customer { userId } ...on Audience { key entity } ...on Event { type } } }"""
    world.database.asked.clear()
    assert await world.get(asked, {"ids": ids}) == answer(rows, asked, {"ids": ids})
    assert len(world.database.asked) == 1
    for each in ids:
        one = "query($id: ID!) { node(id: $id) { __typename id ...on Customer { userId } } }"
        assert await world.get(one, {"id": each}) == answer(rows, one, {"id": each})


async def test_own_key_and_workspace_are_nodes_and_others_are_not(world: Asking) -> None:
    own = await world.get("{ viewer { key { id } workspace { id } } }")
    ids = [own["viewer"]["key"]["id"], own["viewer"]["workspace"]["id"]]
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
    found = await world.get(query, {"ids": [*ids, "key_" + "0" * 32, "wsp_" + "0" * 32]})
    assert found["nodes"] == [
        {"__typename": "ApiKey", "id": ids[0]},
        {"__typename": "Workspace", "id": ids[1]},
        None,
        None,
    ]


async def test_other_keys_are_seen_by_operators_alone(empty: Asking) -> None:
    other = b"fedcba9876543210"

    async def add(tx: Transaction) -> None:
        columns = ("id", "key", "hash", "name", "prefix", "scopes", "created_at")
        await tx.insert("api_keys", columns, 1, [(2, other, other, "other", "ck", "admin", 1)])

    await empty.database.inner.write(add)
    query = f'{{ node(id: "key_{other.hex()}") {{ ... on ApiKey {{ name scopes }} }} }}'
    assert await empty.get(query) == {"node": None}
    empty.scopes = frozenset({Scope.ADMIN})
    assert await empty.get(query) == {"node": {"name": "other", "scopes": ["ADMIN"]}}


async def test_integers_beyond_64_bits_are_told_apart(empty: Asking) -> None:
    small, big = 2**64, 2**64 + 1
    await empty.deliver([{"type": "identify", "userId": "u1", "traits": {"n": big}}])
    query = """query($v: JSON!) { eq: customers(where: {trait: {key: "n", eq: $v}}) { totalCount }
      ne: customers(where: {trait: {key: "n", ne: $v}}) { totalCount }
      in: customers(where: {trait: {key: "n", in: [$v, "x"]}}) { totalCount } }"""
    for value, holds in ((small, 0), (big, 1)):
        found = await empty.get(query, {"v": value})
        counts = {name: page["totalCount"] for name, page in found.items()}
        assert counts == {"eq": holds, "ne": 1 - holds, "in": holds}
