"""Erasing a customer reports what is gone, says the same when said again, and keeps old events out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.auth import Scope
from ingest.replay import dump
from tests.databases import DEFAULT
from tests.graph.graphs import Asking
from tests.graph.world import NOW

ERASE = """mutation($input: EraseCustomerInput!) { eraseCustomer(input: $input) {
  erasedCustomerId erasure { events traits audienceFlags memberships identifiers quarantined }
  receipt { messageId outcome event { id } } userErrors { field code message } } }"""
NOTHING = {
    "events": 0,
    "traits": 0,
    "audienceFlags": 0,
    "memberships": 0,
    "identifiers": 0,
    "quarantined": 0,
}
PERSON: list[dict[str, Any]] = [
    {
        "type": "identify",
        "userId": "u1",
        "anonymousId": "d1",
        "messageId": "m1",
        "traits": {"email": "ada@example.test", "vip": True, "plan": "pro"},
    },
    {
        "type": "group",
        "userId": "u1",
        "groupId": "a1",
        "messageId": "m2",
        "traits": {"name": "Acme"},
    },
    {"type": "alias", "userId": "u1", "previousId": "old", "messageId": "m3"},
    {"type": "no such type", "userId": "u1", "messageId": "m4"},
]


@pytest.fixture
async def admin(empty: Asking) -> Asking:
    """Give an admin, and somebody to erase."""
    await empty.deliver([{**said, "timestamp": "2026-07-01T00:00:00Z"} for said in PERSON])
    return replace(empty, scopes=frozenset({Scope.ADMIN}))


async def erase(admin: Asking, **given: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await admin.get(ERASE, {"input": given}))["eraseCustomer"]
    return found


@pytest.mark.parametrize("by", ["id", "userId", "aliasedId", "anonymousId"])
async def test_any_of_their_ids_erases_the_whole_person_and_reports_it(
    admin: Asking, by: str
) -> None:
    there = (await admin.get('{ customer(userId: "u1") { id } }'))["customer"]["id"]
    ids = {
        "id": {"id": there},
        "userId": {"userId": "u1"},
        "aliasedId": {"userId": "old"},
        "anonymousId": {"anonymousId": "d1"},
    }
    gone = await erase(admin, **ids[by])
    assert gone["userErrors"] == []
    assert gone["erasedCustomerId"] == there
    assert gone["erasure"] == {
        "events": 3,
        "traits": 3,
        "audienceFlags": 1,
        "memberships": 1,
        "identifiers": 3,
        "quarantined": 1,
    }
    assert gone["receipt"] == {"messageId": "made-0", "outcome": "APPLIED", "event": None}
    found = await admin.get(
        '{ customers { totalCount } audiences { totalCount } account(groupId: "a1") { name } }'
    )
    assert found["customers"]["totalCount"] == found["audiences"]["totalCount"] == 0
    assert found["account"]["name"] == "Acme"


async def test_said_again_it_reports_what_the_first_time_removed(admin: Asking) -> None:
    there = (await admin.get('{ customer(userId: "u1") { id } }'))["customer"]["id"]
    asked = {"id": there, "messageId": "erase-1", "timestamp": "2026-07-19T12:00:00.000000Z"}
    first = await erase(admin, **asked)
    before = await dump(admin.database.inner, DEFAULT)
    again = await erase(admin, **{**asked, "timestamp": "2026-07-19T14:00:00+02:00"})
    assert first["receipt"]["outcome"] == "APPLIED"
    assert first["erasure"]["events"] == 3
    assert again["receipt"]["outcome"] == "DUPLICATE"
    assert again["erasure"] == first["erasure"]
    assert again["erasedCustomerId"] == there
    assert await dump(admin.database.inner, DEFAULT) == before
    other = await erase(admin, **{**asked, "timestamp": "2026-07-19T12:00:01Z"})
    assert [error["code"] for error in other["userErrors"]] == ["NOT_FOUND"]


async def test_the_same_erasure_by_user_id_is_a_duplicate_however_it_came(admin: Asking) -> None:
    sent = {
        "type": "delete",
        "userId": "u1",
        "messageId": "e",
        "timestamp": "2026-07-19T12:00:00.000000Z",
    }
    await admin.deliver([sent])
    again = await erase(admin, userId="u1", messageId="e", timestamp=sent["timestamp"])
    assert again["receipt"]["outcome"] == "DUPLICATE"
    assert again["erasure"] == NOTHING


async def test_nobody_can_be_erased_before_they_come(admin: Asking) -> None:
    gone = await erase(admin, userId="u9")
    assert gone["erasure"] == NOTHING
    await admin.deliver([{"type": "identify", "userId": "u9", "traits": {"a": 1}}], NOW - 1)
    assert (await admin.get('{ customer(userId: "u9") { id } }'))["customer"] is None
    await admin.deliver([{"type": "identify", "userId": "u9", "traits": {"a": 1}}], NOW + 1)
    assert (await admin.get('{ customer(userId: "u9") { traits } }'))["customer"] == {
        "traits": {"a": 1}
    }


async def test_what_comes_again_stays_away(admin: Asking) -> None:
    await erase(admin, anonymousId="d1")
    before = await dump(admin.database.inner, DEFAULT)
    await admin.deliver([{**said, "timestamp": "2026-07-01T00:00:00Z"} for said in PERSON[::-1]])
    assert await dump(admin.database.inner, DEFAULT) == before
    await admin.deliver(PERSON, NOW - 1)
    assert (await dump(admin.database.inner, DEFAULT))["customers"] == {}


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({}, None, "REQUIRED"),
        ({"userId": "u1", "anonymousId": "d1"}, None, "INVALID"),
        ({"userId": None, "id": None}, None, "REQUIRED"),
        ({"id": "u1"}, ["id"], "INVALID"),
        ({"id": "cus_" + "0" * 32}, ["id"], "NOT_FOUND"),
        ({"id": "acc_" + "0" * 32}, ["id"], "NOT_FOUND"),
        ({"userId": " "}, ["userId"], "REQUIRED"),
        ({"userId": "u" * 513}, ["userId"], "TOO_LONG"),
        ({"userId": "u1", "messageId": ""}, ["messageId"], "INVALID"),
    ],
)
async def test_what_cannot_be_meant_is_told_and_erases_nobody(
    admin: Asking, given: dict[str, Any], field: list[str] | None, code: str
) -> None:
    before = await dump(admin.database.inner, DEFAULT)
    found = await erase(admin, **given)
    assert [(error["field"], error["code"]) for error in found["userErrors"]] == [(field, code)]
    assert found["erasure"] is found["receipt"] is found["erasedCustomerId"] is None
    assert await dump(admin.database.inner, DEFAULT) == before


async def test_two_erasures_at_once_report_each_its_own(admin: Asking) -> None:
    await admin.deliver([{"type": "identify", "userId": "u2", "traits": {"a": 1, "b": 2}}])
    both = """mutation { one: eraseCustomer(input: {userId: "u1"}) { erasure { traits } }
      other: eraseCustomer(input: {userId: "u2"}) { erasure { traits events } } }"""
    assert await admin.get(both) == {
        "one": {"erasure": {"traits": 3}},
        "other": {"erasure": {"traits": 2, "events": 1}},
    }
