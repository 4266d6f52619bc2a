"""Where a trait comes from, and every write of it, are what a plain look at the whole history finds."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.databases import save_batches
from tests.graph.graphs import Asking, a_graph
from tests.graph.oracle_types import moment
from tests.laws import model
from tests.laws.histories import random_history
from tests.laws.test_law import rearranged

SEEDS = range(6)
WRITE = "nodes { key value setAt messageId current setBy { messageId } } totalCount"
PROFILES = f"""query($key: String!) {{
  customers(first: 45) {{ nodes {{ userId anonymousIds traitHistory(key: $key, first: 45) {{ {WRITE} }} }} }}
  accounts(first: 45, where: {{or: [{{deleted: true}}, {{deleted: false}}]}}) {{
    nodes {{ groupId traitHistory(key: $key, first: 45) {{ {WRITE} }} }}
  }}
}}"""
ENTRIES = """{
  customers(first: 45) { nodes { traits traitEntries { key value setAt messageId setBy { messageId timestamp } } } }
  accounts(first: 45) { nodes { traits traitEntries { key value setAt messageId setBy { messageId timestamp } } } }
}"""
WALK = """query($user: String!, $key: String!, $after: String) {
  customer(userId: $user) { traitHistory(key: $key, first: 2, after: $after) {
    nodes { messageId } pageInfo { hasNextPage endCursor }
  } }
}"""

Writes = dict[tuple[str, str], dict[str, list[Any]]]


def written(history: list[model.Delivery]) -> Writes:
    """Return every write by whose it is and key, the newest first, as the API tells it."""
    world = model.world(history)
    erased = {event.stamp for event in world.erased}
    found: Writes = {}
    for (kind, whose, key), writes in world.writes.items():
        told = [
            {
                "key": key,
                "value": write.value,
                "setAt": moment(write.stamp[0]),
                "messageId": write.stamp[1],
                "current": write is writes[-1],
                "setBy": None if write.stamp in erased else {"messageId": write.stamp[1]},
            }
            for write in reversed(writes)
        ]
        found.setdefault((kind, whose), {})[key] = told
    return found


def plain(value: Any) -> str:
    """Return a value as JSON with its keys in order, to tell `1` from `true`."""
    return json.dumps(value, sort_keys=True)


async def filled(asking: Asking, seed: int, length: int = 40) -> list[model.Delivery]:
    """Take in a random history in any order, and return it."""
    rng = random.Random(seed)
    history = random_history(rng, length)
    await save_batches(asking.database.inner, rearranged(rng, history))
    return history


def whose(node: dict[str, Any]) -> tuple[str, str]:
    """Return what the model calls a customer or an account."""
    if "groupId" in node:
        return "account", node["groupId"]
    user = node["userId"]
    name = f"user:{user}" if user is not None else f"anonymous:{node['anonymousIds'][0]}"
    return "customer", name


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_write_of_a_trait_is_listed_those_that_lost_included(
    database_url: str, seed: int
) -> None:
    async with a_graph(database_url) as asking:
        expected = written(await filled(asking, seed))
        keys = sorted({key for mine in expected.values() for key in mine})
        for key in [*keys, "never written"]:
            data = await asking.get(PROFILES, {"key": key})
            for node in data["customers"]["nodes"] + data["accounts"]["nodes"]:
                writes = expected.get(whose(node), {}).get(key, [])
                told = node["traitHistory"]
                assert plain(told["nodes"]) == plain(writes), (whose(node), key)
                assert told["totalCount"] == len(writes)


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_event_that_is_named_for_a_trait_is_there_and_says_its_value(
    database_url: str, seed: int
) -> None:
    async with a_graph(database_url) as asking:
        expected = written(await filled(asking, seed))
        stated = {
            (write["messageId"], write["setAt"], key, plain(write["value"]))
            for mine in expected.values()
            for key, writes in mine.items()
            for write in writes
        }
        data = await asking.get(ENTRIES)
        for node in data["customers"]["nodes"] + data["accounts"]["nodes"]:
            assert {each["key"]: each["value"] for each in node["traitEntries"]} == node["traits"]
            for each in node["traitEntries"]:
                value = plain(each["value"])
                assert (each["messageId"], each["setAt"], each["key"], value) in stated
                if each["setBy"] is not None:
                    assert each["setBy"]["messageId"] == each["messageId"]
                    assert each["setBy"]["timestamp"] == each["setAt"]


async def test_a_walk_through_the_writes_meets_each_once(empty: Asking) -> None:
    said = [
        {"type": "identify", "userId": "u", "messageId": f"m{n}", "traits": {"plan": n}}
        | {"timestamp": f"2026-01-01T00:00:0{n // 3}Z"}
        for n in range(8)
    ]
    await empty.deliver([*said, {"type": "identify", "userId": "u", "traits": {"other": 1}}])
    met, after, more = [], None, True
    while more:
        found = await empty.get(WALK, {"user": "u", "key": "plan", "after": after})
        page = found["customer"]["traitHistory"]
        met += [node["messageId"] for node in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]
        await empty.deliver([{**said[0], "messageId": f"late{len(met)}"}])
        assert len(page["nodes"]) == 2 or not more
    assert [name for name in met if name.startswith("m")] == [f"m{n}" for n in range(7, -1, -1)]
    assert len(met) == len(set(met))
