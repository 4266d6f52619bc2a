"""What a message would change is said before it is posted: exactly that, and nothing is written."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from ingest import clock
from ingest.accept import Ingest
from ingest.explain import Explanation
from ingest.replay import dump
from tests.databases import DEFAULT, opened, save_batches
from tests.laws import model
from tests.laws.histories import random_history

Facts = dict[tuple[str, str, str, str | None], Any]


def facts(state: dict[str, Any]) -> Facts:
    """Return what the model knows, register by register."""
    found: Facts = {}
    for rep, one in state["customers"].items():
        name = rep.partition(":")[2]
        found |= _profile("CUSTOMER", name, one)
        found["SIGNED_UP", "CUSTOMER", name, None] = _text(one["signedUpAt"])
        for group, live in one["accounts"].items():
            joined = _text(live["joinedAt"])
            place = {"joinedAt": joined, "role": live["role"]}
            found["MEMBERSHIP", "CUSTOMER", name, group] = place
    for group, one in state["accounts"].items():
        found |= _profile("ACCOUNT", group, one)
        found["DELETED", "ACCOUNT", group, None] = _text(one["deletedAt"])
    return {key: value for key, value in found.items() if value is not None}


def _profile(entity: str, name: str, one: dict[str, Any]) -> Facts:
    seen = {at: _text(one[at]) for at in ("firstSeenAt", "lastSeenAt")}
    found: Facts = {("SEEN", entity, name, None): seen}
    for key, trait in one["traits"].items():
        found["TRAIT", entity, name, key] = trait["value"]
    for key, flag in one["audiences"].items():
        found["AUDIENCE", entity, name, key] = flag["member"]
    return found


def _text(at: int | None) -> str | None:
    return None if at is None else clock.text(at)


def changes(before: Facts, after: Facts) -> dict[Any, tuple[Any, Any]]:
    """Return what differs, by register."""
    pairs = {key: (before.get(key), after.get(key)) for key in before.keys() | after.keys()}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def told(explanation: Explanation) -> dict[Any, tuple[Any, Any]]:
    """Return what an explanation says would differ, by register."""
    found = {}
    for effect in explanation.effects:
        pair = [json.loads(effect.before), json.loads(effect.after)]
        if effect.kind == "AUDIENCE":
            pair = [None if one is None else one["member"] for one in pair]
        if pair[0] != pair[1]:
            key = (effect.kind.value, effect.entity.name, effect.identifier, effect.key)
            found[key] = (pair[0], pair[1])
    return found


def comparable(pairs: dict[Any, tuple[Any, Any]]) -> dict[Any, tuple[Any, Any]]:
    """Leave out what only one side tells: whose ids are, when accounts were made, how much went."""
    aside = {"IDENTITY", "CREATED", "ERASED"}
    return {key: pair for key, pair in pairs.items() if key[0] not in aside}


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_predicted_is_what_happens_and_explaining_changes_nothing(
    database_url: str, seed: int
) -> None:
    history = [one for one in random_history(random.Random(seed), 45) if one.kind is None]
    async with opened(database_url) as database:
        ingest = Ingest(database)
        for place, one in enumerate(history):
            stored = model.state(history[:place])
            if place % 3 == 0:
                before = await dump(database, DEFAULT)
                explanation = await ingest.explain(
                    DEFAULT, one.body, received_at=one.received_at, seconds=5
                )
                assert await dump(database, DEFAULT) == before
                as_told = replace(one, door="segment")
                expected = changes(facts(stored), facts(model.state([*history[:place], as_told])))
                assert comparable(told(explanation)) == comparable(expected), one
            await save_batches(database, [[one]])
