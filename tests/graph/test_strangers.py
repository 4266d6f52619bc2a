"""Whatever one workspace knows, used with the key of another, answers as a random id would."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from graphql import GraphQLObjectType, parse, validate

from api.auth import Scope
from api.graph.schema import schema
from ingest.replay import dump
from models.values import Workspace
from tests.graph.graphs import KEY, Asking, add_workspace
from tests.graph.world import NOW, messages

OTHER = Workspace(2, "other")
ALL = frozenset({Scope.ADMIN})

KNOWN = """{
  customers(first: 8) { edges { cursor node { id userId anonymousIds aliases email
    accounts(first: 2) { edges { cursor node { id groupId name } } }
    events(first: 2) { edges { cursor node { id messageId } } } } } }
  accounts(first: 5) { edges { cursor node { id groupId members(first: 2) { edges { cursor } } } } }
  events(first: 8) { edges { cursor node { id messageId name } } }
  audiences(first: 5) { edges { cursor node { id key } } }
  traitKeys(first: 5) { edges { cursor node { id key } } }
  quarantine { edges { cursor node { id } } }
  apiKeys { edges { cursor node { id } } }
  auditLog { edges { cursor node { id messageId } } }
  viewer { key { id } workspace { id } }
}"""
"""What one can know of a workspace: ids, cursors, and what others call them."""

LISTS = (
    *("customers", "accounts", "events", "audiences", "traitKeys"),
    *("quarantine", "apiKeys", "auditLog"),
)
ID = re.compile(r'"((?:cus|acc|evt|aud|key|log|wsp|qua|trk)_[0-9a-f]+)"')

QUERIES = {
    "node": [("id", "query($x: ID!) { node(id: $x) { __typename } }")],
    "nodes": [("id", "query($x: ID!) { nodes(ids: [$x, $x]) { id } }")],
    "customer": [
        ("customer", "query($x: ID!) { customer(id: $x) { userId } }"),
        ("user", "query($x: String!) { customer(userId: $x) { id } }"),
        ("device", "query($x: String!) { customer(anonymousId: $x) { id } }"),
        (
            "user",
            'query($x: String!) { customer(userId: $x, asOf: "2026-06-01T00:00:00Z") { traits } }',
        ),
    ],
    "account": [
        ("account", "query($x: ID!) { account(id: $x) { groupId } }"),
        ("group", "query($x: String!) { account(groupId: $x) { id } }"),
        (
            "group",
            'query($x: String!) { account(groupId: $x, asOf: "2026-06-01T00:00:00Z") { name } }',
        ),
    ],
    "customers": [
        ("user", "query($x: String!) { customers(where: {userId: {eq: $x}}) { totalCount } }"),
        ("email", "query($x: String!) { customers(where: {email: {eq: $x}}) { totalCount } }"),
        ("email", "query($x: String!) { customers(search: $x) { totalCount } }"),
        (
            "audience",
            "query($x: String!) { customers(where: {audience: {in: [$x]}}) { totalCount } }",
        ),
        (
            "group",
            """query($x: String!) { customers(where: {accounts: {some: {groupId: {eq: $x}}}})
            { totalCount } }""",
        ),
    ],
    "accounts": [
        ("group", "query($x: String!) { accounts(where: {groupId: {eq: $x}}) { totalCount } }"),
    ],
    "audience": [("audience", "query($x: String!) { audience(key: $x) { memberCount } }")],
    "audiences": [("audience", "query($x: String!) { audiences(search: $x) { totalCount } }")],
    "traitKeys": [("trait", "query($x: String!) { traitKeys(search: $x) { totalCount } }")],
    "events": [
        ("message", "query($x: String!) { events(where: {messageId: {eq: $x}}) { totalCount } }"),
    ],
    "receipt": [("message", "query($x: String!) { receipt(messageId: $x) { outcome } }")],
    "explain": [
        (
            "user",
            """query($x: String!) { explain(message: {type: "identify", userId: $x, messageId: "e",
            traits: {a: 1}}) { outcome effects { kind before after wins beatenBy { id } } } }""",
        ),
        (
            "message",
            """query($x: String!) { explain(message: {type: "track", userId: "nobody", event: "e",
            messageId: $x}) { outcome effects { kind before after } } }""",
        ),
    ],
}
"""What is asked of each field by what name, which must be answered as a name that nobody has."""

MUTATIONS = {
    "signUp": [("user", "signUp(input: {userId: $x}) { customer { traits }")],
    "identify": [("user", "identify(input: {userId: $x, traits: {}}) { customer { traits }")],
    "createAccount": [("group", "createAccount(input: {groupId: $x}) { account { name }")],
    "updateAccount": [
        ("group", "updateAccount(input: {groupId: $x, traits: {}}) { account { traits }"),
    ],
    "deleteAccount": [("group", "deleteAccount(input: {groupId: $x}) { account { name }")],
    "addUserToAccount": [
        ("user", 'addUserToAccount(input: {userId: $x, groupId: "g"}) { customer { traits }'),
        ("group", 'addUserToAccount(input: {userId: "u", groupId: $x}) { account { name }'),
    ],
    "removeUserFromAccount": [
        ("user", 'removeUserFromAccount(input: {userId: $x, groupId: "g"}) { receipt { reason }'),
    ],
    "track": [
        ("device", 'track(input: {anonymousId: $x, event: "e"}) { customer { userId }'),
        ("message", 'track(input: {userId: "u", event: "e", messageId: $x}) { receipt { reason }'),
    ],
    "eraseCustomer": [
        ("customer", "eraseCustomer(input: {id: $x}) { erasure { events }"),
        ("user", "eraseCustomer(input: {userId: $x}) { erasure { events }"),
    ],
    "retryQuarantined": [("held", "retryQuarantined(input: {id: $x}) { receipt { reason }")],
    "indexTrait": [("trait", "indexTrait(input: {key: $x}) { traitKey { types }")],
    "revokeApiKey": [("key", "revokeApiKey(input: {id: $x}) { apiKey { name }")],
}
"""The same of what changes something: from then on the name is known here, too."""

UNNAMED = {"viewer", "stats", "apiKeys", "auditLog", "quarantine", "createApiKey"}
"""Fields that are asked by no name; those that are lists are tried with cursors."""

PREFIXES = {"customer": "cus_", "account": "acc_", "key": "key_", "held": "qua_"}


def mutation(kind: str, fields: str) -> str:
    """Return the document of a change that names something of this kind."""
    of = "ID" if kind in PREFIXES else "String"
    return f"mutation($x: {of}!) {{ {fields} userErrors {{ code }} }} }}"


def test_each_field_of_a_root_is_tried_by_what_it_can_be_asked_by() -> None:
    for root, tries in (("Query", QUERIES), ("Mutation", MUTATIONS)):
        kind = schema().type_map[root]
        assert isinstance(kind, GraphQLObjectType)
        assert kind.fields.keys() - UNNAMED == tries.keys()
        paged = {name for name, field in kind.fields.items() if "after" in field.args}
        assert paged <= set(LISTS)
    for tries, documents in ((QUERIES, lambda _, query: query), (MUTATIONS, mutation)):
        for each in (document for asked in tries.values() for document in asked):
            assert validate(schema(), parse(documents(*each))) == []


class Knowledge:
    """What was seen of a workspace with a key of its own."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        text = json.dumps(told)
        # The key of the tests has one number in all workspaces; nobody else's has.
        self.ids = sorted(set(ID.findall(text)) - {f"key_{KEY.hex()}"})
        self.cursors = {name: [edge["cursor"] for edge in told[name]["edges"]] for name in LISTS}
        customers = [edge["node"] for edge in told["customers"]["edges"]]
        self.names = {
            "id": self.ids,
            "user": self._all(text, "userId"),
            "group": self._all(text, "groupId"),
            "message": self._all(text, "messageId"),
            "email": self._all(text, "email"),
            "device": [device for each in customers for device in each["anonymousIds"]],
            "audience": [edge["node"]["key"] for edge in told["audiences"]["edges"]],
            "trait": [edge["node"]["key"] for edge in told["traitKeys"]["edges"]],
        } | {
            kind: [each for each in self.ids if each.startswith(prefix)]
            for kind, prefix in PREFIXES.items()
        }

    @staticmethod
    def _all(text: str, name: str) -> list[str]:
        return sorted(set(re.findall(rf'"{name}": "([^"\\]+)"', text)))


class Stranger:
    """Somebody with the key of another workspace who tries what they know of this one."""

    def __init__(self, asking: Asking, known: Knowledge, rng: random.Random) -> None:
        self.asking = asking
        self.known = known
        self.rng = rng
        # The names that mean something here, too, by now.
        self.stated: set[str] = set()

    async def walk(self) -> None:
        """Try all there is, in any order; fail where an answer differs from that to something made up."""
        tries = [
            *(partial(self.ask, *each) for asked in QUERIES.values() for each in asked),
            *(partial(self.change, *each) for asked in MUTATIONS.values() for each in asked),
            *(partial(self.page, name) for name in LISTS),
        ]
        for one in self.rng.sample(tries, len(tries)):
            await one()

    async def ask(self, kind: str, query: str) -> None:
        await self.same(query, self.rng.choice(self.unknown(kind)), self.made_up(kind))

    async def change(self, kind: str, fields: str) -> None:
        real, made_up = self.rng.choice(self.unknown(kind)), self.made_up(kind)
        await self.same(mutation(kind, fields), real, made_up)
        if kind not in PREFIXES:
            self.stated |= {real, made_up}

    async def page(self, name: str) -> None:
        selection = "pageInfo { hasNextPage endCursor } edges { cursor node { id } }"
        query = f"query($x: String!) {{ {name}(first: 3, after: $x) {{ {selection} }} }}"
        cursor = self.rng.choice(self.known.cursors[name])
        found = (await self.asking.get(query, {"x": cursor}))[name]
        assert not {edge["node"]["id"] for edge in found["edges"]} & set(self.known.ids)

    def unknown(self, kind: str) -> list[str]:
        return [each for each in self.known.names[kind] if each and each not in self.stated]

    def made_up(self, kind: str) -> str:
        digits = "".join(self.rng.choices("0123456789abcdef", k=32))
        return f"{PREFIXES.get(kind, 'cus_' if kind == 'id' else 'zz')}{digits}"

    async def same(self, query: str, real: str, made_up: str) -> None:
        """Fail unless what is real elsewhere is answered as what is nowhere."""
        answers = [await self.asking.ask(query, {"x": each}) for each in (real, made_up)]
        texts = [
            json.dumps(answer).replace(json.dumps(each)[1:-1], "...")
            for answer, each in zip(answers, (real, made_up), strict=True)
        ]
        assert texts[0] == texts[1], (query, real)
        assert "INTERNAL" not in texts[0]


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_tried_with_the_key_of_another_workspace_is_as_if_made_up(
    empty: Asking, seed: int
) -> None:
    rng = random.Random(seed)
    mine = replace(empty, scopes=ALL)
    theirs = replace(empty, workspace=OTHER, scopes=ALL)
    await add_workspace(empty.database.inner, OTHER)
    await mine.deliver([*messages(), {"type": "dance", "messageId": "held"}])
    # The other one is not empty, and shares no id with the first.
    await theirs.deliver(
        [
            {
                "type": "identify",
                "userId": "their-1",
                "anonymousId": "their-d",
                "traits": {"vip": 1},
            },
            {"type": "group", "userId": "their-1", "groupId": "their-g", "traits": {"name": "T"}},
            {"type": "track", "userId": "their-1", "event": "Seen", "messageId": "their-m"},
        ],
        NOW,
    )
    await mine.get('mutation { identify(input: {userId: "u1", traits: {}}) { __typename } }')
    make = 'mutation { createApiKey(input: {name: "k", scopes: [READ]}) { apiKey { id } } }'
    await mine.get(make)
    await empty.graph.notes.store(empty.database.inner, lambda _: None)
    known = Knowledge(await mine.get(KNOWN))
    assert all(known.names.values()), known.names
    assert all(known.cursors.values())
    before = await dump(empty.database.inner, mine.workspace)
    stranger = Stranger(theirs, known, rng)
    await stranger.walk()
    assert await dump(empty.database.inner, mine.workspace) == before
    assert Knowledge(await mine.get(KNOWN)).names == known.names
