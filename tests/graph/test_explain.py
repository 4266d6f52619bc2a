"""What a message would change is said before it is posted: exactly that, and nothing is written."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, replace
from typing import Any

import pytest

from ingest import canonical, clock
from ingest.accept import Ingest
from ingest.advice import ADVICE
from ingest.explain import Explanation
from ingest.replay import dump
from models.values import Outcome, Reason, Receipt, Workspace
from tests.databases import DEFAULT, opened, save_batches
from tests.graph.graphs import Asking, add_workspace
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
        kind = "userId" if rep.startswith("user:") else "anonymousId"
        for identity in {name, *one["anonymousIds"], *one["aliases"]}:
            found["IDENTITY", "CUSTOMER", identity, None] = {kind: name}
        for group, live in one["accounts"].items():
            joined = _text(live["joinedAt"])
            place = {"joinedAt": joined, "role": live["role"]}
            found["MEMBERSHIP", "CUSTOMER", name, group] = place
    for group, one in state["accounts"].items():
        found |= _profile("ACCOUNT", group, one)
        found["CREATED", "ACCOUNT", group, None] = _text(one["createdAt"])
        found["DELETED", "ACCOUNT", group, None] = _text(one["deletedAt"])
    return {key: value for key, value in found.items() if value is not None}


def _profile(entity: str, name: str, one: dict[str, Any]) -> Facts:
    seen = {at: _text(one[at]) for at in ("firstSeenAt", "lastSeenAt")}
    found: Facts = {("SEEN", entity, name, None): seen}
    for key, trait in one["traits"].items():
        found["TRAIT", entity, name, key] = trait["value"]
    for key, flag in one["audiences"].items():
        spans = [{"from": _text(start), "to": _text(end)} for start, end in flag["intervals"]]
        standing = {"member": flag["member"], "since": _text(flag["since"]), "intervals": spans}
        found["AUDIENCE", entity, name, key] = standing
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
        pair = json.loads(effect.before), json.loads(effect.after)
        # How much an erasure takes is no register: it is compared with what it took.
        if effect.kind != "ERASED" and pair[0] != pair[1]:
            key = (effect.kind.value, effect.entity.name, effect.identifier, effect.key)
            found[key] = pair
    return found


def erased(explanation: Explanation) -> list[dict[str, int]]:
    """Return what an explanation says that an erasure would take."""
    return [json.loads(one.after) for one in explanation.effects if one.kind == "ERASED"]


def taken(receipt: Receipt) -> list[dict[str, int]]:
    """Return what an erasure took."""
    if receipt.erased is None or receipt.outcome is Outcome.DUPLICATE:
        return []
    counts = asdict(receipt.erased)
    return [{"audienceFlags": counts.pop("audience_flags"), **counts}]


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_predicted_is_what_happens_and_explaining_changes_nothing(
    database_url: str, seed: int
) -> None:
    history = [one for one in random_history(random.Random(seed), 40) if one.kind is None]
    async with opened(database_url) as database:
        ingest = Ingest(database)
        for place, one in enumerate(history):
            if place % 3 and one.body.get("type") != "delete":
                await save_batches(database, [[one]])
                continue
            stored = model.state(history[:place])
            before = await dump(database, DEFAULT)
            explanation = await ingest.explain(
                DEFAULT, one.body, received_at=one.received_at, seconds=5
            )
            assert await dump(database, DEFAULT) == before
            history[place] = replace(one, door="segment")
            expected = changes(facts(stored), facts(model.state(history[: place + 1])))
            assert told(explanation) == expected, one
            [receipt] = await save_batches(database, [[history[place]]])
            assert receipt is not None
            assert explanation.receipt == receipt, one
            assert erased(explanation) == taken(receipt), one


EXPLAIN = """query($message: JSON!) { explain(message: $message) { outcome reason notes
    effects { kind entity identifier key before after wins beatenBy { messageId } } } }"""
AT = "2026-01-01T00:00:%02dZ"


def an_identify(plan: str, second: int, **more: Any) -> dict[str, Any]:
    said = {"type": "identify", "userId": "u1", "traits": {"plan": plan}}
    return {**said, "messageId": plan, "timestamp": AT % second, **more}


async def explained(asking: Asking, message: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await asking.get(EXPLAIN, {"message": message}))["explain"]
    return found


def of_trait(found: dict[str, Any]) -> dict[str, Any]:
    [effect] = (each for each in found["effects"] if each["kind"] == "TRAIT")
    return dict(effect)


async def test_an_older_word_is_beaten_by_the_event_that_stands(empty: Asking) -> None:
    await empty.deliver([an_identify("new", 20)])
    late = await explained(empty, an_identify("old", 10))
    assert late["outcome"] == "SUPERSEDED"
    effect = of_trait(late)
    assert (effect["before"], effect["after"], effect["wins"]) == ("new", "new", False)
    assert effect["beatenBy"] == {"messageId": "new"}
    effect = of_trait(await explained(empty, an_identify("newer", 30)))
    assert (effect["before"], effect["after"], effect["wins"]) == ("new", "newer", True)
    assert effect["beatenBy"] is None


async def test_a_duplicate_changes_nothing(empty: Asking) -> None:
    await empty.deliver([an_identify("pro", 20)])
    found = await explained(empty, an_identify("pro", 20))
    assert (found["outcome"], found["effects"]) == ("DUPLICATE", [])


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (5, "NOT_AN_OBJECT"),
        ({"type": "dance", "userId": "u1"}, "UNKNOWN_TYPE"),
        ({"type": "identify"}, "NO_SUBJECT"),
    ],
)
async def test_what_the_doors_would_hold_is_said_with_reason_and_advice(
    empty: Asking, message: Any, reason: str
) -> None:
    found = await explained(empty, message)
    assert (found["outcome"], found["reason"]) == ("QUARANTINED", reason)
    assert found["notes"][-1] == ADVICE[Reason(reason)]
    assert found["effects"] == []


async def test_a_message_too_deep_to_be_read_is_the_callers_fault(empty: Asking) -> None:
    query = "query($message: JSON!) { explain(message: $message) { outcome } }"
    message: Any = "core"
    for _ in range(canonical.DEPTH_READ_MAX + 1):
        message = [message]
    assert await empty.code(query, {"message": message}) == "BAD_USER_INPUT"


async def test_a_delete_says_what_it_would_erase(empty: Asking) -> None:
    await empty.deliver([an_identify("pro", 20)])
    found = await explained(empty, {"type": "delete", "userId": "u1", "timestamp": AT % 30})
    erased, *rest = found["effects"]
    assert (erased["kind"], erased["identifier"], erased["wins"]) == ("ERASED", "u1", True)
    assert (erased["after"]["events"], erased["after"]["traits"]) == (1, 1)
    assert ("TRAIT", "pro", None) in [(one["kind"], one["before"], one["after"]) for one in rest]


async def test_events_of_another_workspace_are_never_named(empty: Asking) -> None:
    other = replace(empty, workspace=Workspace(2, "other"))
    await add_workspace(empty.database.inner, other.workspace)
    await other.deliver([an_identify("theirs", 20)])
    effect = of_trait(await explained(empty, an_identify("ours", 10)))
    assert (effect["before"], effect["after"], effect["wins"]) == (None, "ours", True)
    assert of_trait(await explained(other, an_identify("ours", 10)))["beatenBy"] is not None


async def test_the_other_fields_of_the_document_stay_one_statement(empty: Asking) -> None:
    empty.database.asked.clear()
    query = """query($m: JSON!) { viewer { scopes } a: explain(message: $m) { outcome }
        __typename receipt(messageId: "x") { outcome } b: explain(message: $m) { outcome } }"""
    found = await empty.get(query, {"m": an_identify("pro", 20)})
    assert list(found) == ["viewer", "a", "__typename", "receipt", "b"]
    assert found["a"] == found["b"] == {"outcome": "APPLIED"}
    assert len(empty.database.asked) == 3
