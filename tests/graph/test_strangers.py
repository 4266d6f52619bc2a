"""Whatever one workspace knows, used with the key of another, answers as a random id would."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from api.auth import Scope
from ingest.replay import dump
from models.values import Workspace
from tests.graph.graphs import KEY, Asking, add_workspace
from tests.graph.world import NOW, messages

OTHER = Workspace(2, "other")
ALL = frozenset({Scope.ADMIN})
STEPS = 60

KNOWN = """{
  customers(first: 8) { edges { cursor node { id userId anonymousIds aliases email
    accounts(first: 2) { edges { cursor node { id groupId name } } }
    events(first: 2) { edges { cursor node { id messageId } } } } } }
  accounts(first: 5) { edges { cursor node { id groupId members(first: 2) { edges { cursor } } } } }
  events(first: 8) { edges { cursor node { id messageId name } } }
  audiences(first: 5) { edges { cursor node { id key } } }
  apiKeys { edges { cursor node { id } } }
  auditLog { edges { cursor node { id messageId } } }
  viewer { key { id } workspace { id } }
}"""
"""What one can know of a workspace: ids, cursors, and what others call them."""

LISTS = ("customers", "accounts", "events", "audiences", "apiKeys", "auditLog")
ID = re.compile(r'"((?:cus|acc|evt|aud|key|log|wsp|qua|trk)_[0-9a-f]+)"')


class Knowledge:
    """What was seen of a workspace with a key of its own."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        text = json.dumps(told)
        # The key of the tests has one number in all workspaces; nobody else's has.
        self.ids = sorted(set(ID.findall(text)) - {f"key_{KEY.hex()}"})
        self.cursors = {name: [edge["cursor"] for edge in told[name]["edges"]] for name in LISTS}
        self.users = self._all(text, "userId")
        self.groups = self._all(text, "groupId")
        self.messages = self._all(text, "messageId")
        self.emails = self._all(text, "email")
        self.devices = [
            device for edge in told["customers"]["edges"] for device in edge["node"]["anonymousIds"]
        ]

    @staticmethod
    def _all(text: str, name: str) -> list[str]:
        return sorted(set(re.findall(rf'"{name}": "([^"\\]+)"', text)))


class Stranger:
    """Somebody with the key of another workspace who tries what they know of this one."""

    def __init__(self, asking: Asking, known: Knowledge, rng: random.Random) -> None:
        self.asking = asking
        self.known = known
        self.rng = rng
        # The messageIds that name something here, too, by now.
        self.stated: set[str] = set()

    async def step(self) -> None:
        """Try one thing; fail where the answer differs from that to something made up."""
        tries = (self.node, self.one, self.page, self.filtered, self.revoke, self.erase, self.state)
        await self.rng.choice(tries)()

    async def same(self, query: str, real: Any, made_up: Any) -> None:
        """Fail unless what is real elsewhere is answered as what is nowhere."""
        answers = [await self.asking.ask(query, {"x": each}) for each in (real, made_up)]
        texts = [
            json.dumps(answer).replace(json.dumps(each)[1:-1], "...")
            for answer, each in zip(answers, (real, made_up), strict=True)
        ]
        assert texts[0] == texts[1], (query, real)

    async def node(self) -> None:
        real = self.rng.choice(self.known.ids)
        made_up = real[:4] + "".join(self.rng.choices("0123456789abcdef", k=32))
        if real.startswith("aud"):
            made_up = "aud_" + b"cnone".hex()
        found = await self.asking.get("query($x: [ID!]!) { nodes(ids: $x) { id } }", {"x": [real]})
        assert found["nodes"] == [None], real
        await self.same("query($x: ID!) { node(id: $x) { __typename } }", real, made_up)

    async def one(self) -> None:
        query, reals = self.rng.choice(
            [
                (
                    "query($x: ID!) { customer(id: $x) { id } account(id: $x) { id } }",
                    self.known.ids,
                ),
                ("query($x: String!) { customer(userId: $x) { id } }", self.known.users),
                ("query($x: String!) { customer(anonymousId: $x) { id } }", self.known.devices),
                ("query($x: String!) { account(groupId: $x) { id } }", self.known.groups),
            ]
        )
        real = self.rng.choice(reals)
        made_up = f"cus_{'0' * 32}" if "ID!" in query else "nobody"
        if "ID!" in query and not real.startswith(("cus", "acc")):
            return
        await self.same(query, real, made_up)

    async def page(self) -> None:
        name = self.rng.choice(LISTS)
        cursors = self.known.cursors[name]
        if not cursors:
            return
        selection = "pageInfo { hasNextPage endCursor } edges { cursor node { id } }"
        query = f"query($x: String!) {{ {name}(first: 3, after: $x) {{ {selection} }} }}"
        found = (await self.asking.get(query, {"x": self.rng.choice(cursors)}))[name]
        assert not {edge["node"]["id"] for edge in found["edges"]} & set(self.known.ids)

    async def filtered(self) -> None:
        query, reals = self.rng.choice(
            [
                (
                    "query($x: String!) { customers(where: {userId: {eq: $x}}) { totalCount } }",
                    self.known.users,
                ),
                (
                    "query($x: String!) { customers(where: {email: {eq: $x}}) { totalCount } }",
                    self.known.emails,
                ),
                (
                    "query($x: String!) { customers(search: $x) { totalCount } }",
                    self.known.users,
                ),
                (
                    "query($x: String!) { events(where: {messageId: {eq: $x}}) { totalCount } }",
                    [each for each in self.known.messages if each not in self.stated],
                ),
                (
                    """query($x: String!) { customers(where: {accounts: {some: {groupId: {eq: $x}}}})
                    { totalCount } }""",
                    self.known.groups,
                ),
            ]
        )
        await self.same(query, self.rng.choice(reals), "nobody")

    async def revoke(self) -> None:
        keys = [each for each in self.known.ids if each.startswith("key_")]
        query = "mutation($x: ID!) { revokeApiKey(input: {id: $x}) { apiKey { id } userErrors { code } } }"
        await self.same(query, self.rng.choice(keys), f"key_{'0' * 32}")

    async def erase(self) -> None:
        real = self.rng.choice([each for each in self.known.ids if each.startswith("cus_")])
        query = """mutation($x: ID!) { eraseCustomer(input: {id: $x})
          { erasure { events } userErrors { code } } }"""
        await self.same(query, real, f"cus_{'0' * 32}")

    async def state(self) -> None:
        """State something under a messageId that the other workspace uses."""
        message = self.rng.choice(self.known.messages)
        self.stated.add(message)
        query = """mutation($u: String!, $m: String!) { identify(input: {userId: $u, messageId: $m,
          traits: {theirs: true}}) { receipt { outcome } customer { traits } } }"""
        found = await self.asking.get(query, {"u": f"of {message}", "m": message})
        # No conflict: here the messageId is new, or of this very statement.
        assert found["identify"]["customer"] == {"traits": {"theirs": True}}
        assert found["identify"]["receipt"]["outcome"] in {"APPLIED", "DUPLICATE"}


@pytest.mark.parametrize("seed", range(2))
async def test_whatever_is_tried_with_the_key_of_another_workspace_is_as_if_made_up(
    empty: Asking, seed: int
) -> None:
    rng = random.Random(seed)
    mine = replace(empty, scopes=ALL)
    theirs = replace(empty, workspace=OTHER, scopes=ALL)
    await add_workspace(empty.database.inner, OTHER)
    await mine.deliver(messages())
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
    assert min(map(len, (known.ids, known.users, known.messages, known.devices))) > 0
    assert all(known.cursors.values())
    before = await dump(empty.database.inner, mine.workspace)
    stranger = Stranger(theirs, known, rng)
    for _ in range(STEPS):
        await stranger.step()
    assert await dump(empty.database.inner, mine.workspace) == before
    assert Knowledge(await mine.get(KNOWN)).ids == known.ids
