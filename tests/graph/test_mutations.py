"""Mutations state what a Segment message states, say what is wrong, and answer with what stands."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ingest.replay import dump
from models.values import Workspace
from tests.databases import DEFAULT, Template
from tests.graph.graphs import Asking, a_graph, add_workspace

AT = "2026-03-01T10:00:00.000000Z"
CONTEXT = {"context": {"groupId": "a1"}}

SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "signUp": (
        {
            "userId": "u1",
            "email": "a@b.c",
            "name": "Ada",
            "traits": {"E-Mail": "x@y.z", "plan": 1.0, "type": "organic"},
            "groupId": "a1",
        },
        {
            "type": "track",
            "event": "Signed Up",
            "userId": "u1",
            "properties": {"email": "a@b.c", "name": "Ada", "plan": 1, "type": "organic"},
            **CONTEXT,
        },
    ),
    "identify": (
        {"userId": "u1", "traits": {"plan": "pro", "gone": None, "deep": {"x": [1]}}},
        {
            "type": "identify",
            "userId": "u1",
            "traits": {"plan": "pro", "gone": None, "deep": {"x": [1]}},
        },
    ),
    "createAccount": (
        {
            "groupId": "a1",
            "name": "Acme",
            "userId": "u1",
            "traits": {"Name": "other", "plan": "pro"},
        },
        {
            "type": "track",
            "event": "Account Created",
            "userId": "u1",
            "properties": {"account_name": "Acme", "plan": "pro"},
            **CONTEXT,
        },
    ),
    "updateAccount": (
        {"groupId": "a1", "traits": {"total billed": 12.50, "vip": True}},
        {"type": "group", "groupId": "a1", "traits": {"total billed": 12.5, "vip": True}},
    ),
    "deleteAccount": (
        {"groupId": "a1"},
        {"type": "track", "event": "Account Deleted", "properties": {}, **CONTEXT},
    ),
    "addUserToAccount": (
        {"groupId": "a1", "userId": "u1", "role": "admin"},
        {
            "type": "track",
            "event": "Account Added User",
            "userId": "u1",
            "properties": {"role": "admin"},
            **CONTEXT,
        },
    ),
    "removeUserFromAccount": (
        {"groupId": "a1", "userId": "u1"},
        {
            "type": "track",
            "event": "Account Removed User",
            "userId": "u1",
            "properties": {},
            **CONTEXT,
        },
    ),
    "track": (
        {
            "event": "Invoice Paid",
            "userId": "u1",
            "anonymousId": "d1",
            "groupId": "a1",
            "properties": {"amount": 5},
        },
        {
            "type": "track",
            "event": "Invoice Paid",
            "userId": "u1",
            "anonymousId": "d1",
            "properties": {"amount": 5},
            **CONTEXT,
        },
    ),
}


def document(name: str, selection: str) -> str:
    """Return a document that calls one mutation."""
    kind = name[0].upper() + name[1:] + "Input"
    return f"mutation($input: {kind}!) {{ answer: {name}(input: $input) {{ {selection} }} }}"


BEFORE: list[dict[str, Any]] = [
    {"type": "group", "groupId": "a1", "userId": "u1", "timestamp": "2026-01-01T00:00:00Z"},
    {
        "type": "identify",
        "userId": "u1",
        "traits": {"vip": True},
        "timestamp": "2026-01-02T00:00:00Z",
    },
]


@pytest.fixture
def two_urls(template: Template) -> tuple[str, str]:
    """Give two databases that are alike."""
    return template.copy(), template.copy()


@pytest.mark.parametrize("name", SAME)
async def test_a_mutation_leaves_the_state_that_its_message_leaves(
    two_urls: tuple[str, str], name: str
) -> None:
    given, message = SAME[name]
    stamped = {"messageId": "m1", "timestamp": AT}
    async with a_graph(two_urls[0]) as stated, a_graph(two_urls[1]) as posted:
        for asking in (stated, posted):
            await asking.deliver(BEFORE)
        found = await stated.get(
            document(name, "receipt { outcome } userErrors { code }"),
            {"input": {**given, **stamped}},
        )
        assert found["answer"] == {"receipt": {"outcome": "APPLIED"}, "userErrors": []}
        await posted.deliver([{**message, **stamped}])
        log = "{ events(first: 1) { nodes { id type name properties traits context timestamp } } }"
        assert await stated.get(log) == await posted.get(log)
        assert await dump(stated.database.inner, DEFAULT) == await dump(
            posted.database.inner, DEFAULT
        )


async def test_the_payload_has_what_stands_now_and_the_receipt(empty: Asking) -> None:
    selection = """__typename ...stands userErrors { code }
      ... on MutationPayload { userErrors { message } }
      receipt { messageId outcome reason receivedAt notes
        event { id type name customer { id } } }"""
    fragment = """ fragment stands on CustomerPayload { person: customer { id userId email
      accounts { totalCount edges { node { groupId } } } events { nodes { name } } } }"""
    query = document("signUp", selection) + fragment
    found = await empty.get(query, {"input": {"userId": "u1", "email": "a@b", "groupId": "a1"}})
    answer = found["answer"]
    event = answer["receipt"].pop("event")
    assert answer == {
        "__typename": "CustomerPayload",
        "person": {
            "id": answer["person"]["id"],
            "userId": "u1",
            "email": "a@b",
            "accounts": {"totalCount": 1, "edges": [{"node": {"groupId": "a1"}}]},
            "events": {"nodes": [{"name": "Signed Up"}]},
        },
        "userErrors": [],
        "receipt": {
            "messageId": "made-0",
            "outcome": "APPLIED",
            "reason": None,
            "receivedAt": "2026-07-20T00:00:00.000000Z",
            "notes": [],
        },
    }
    assert event["name"] == "Signed Up"
    assert event["customer"]["id"] == answer["person"]["id"]
    assert len(empty.database.asked) == 1


async def test_a_payload_reads_the_membership_and_both_its_ends(empty: Asking) -> None:
    selection = """membership { role joinedAt customer { userId } account { groupId members { totalCount } } }
      customer { userId } account { groupId } receipt { outcome }"""
    given = {"userId": "u1", "groupId": "a1", "role": "admin", "timestamp": AT}
    added = (await empty.get(document("addUserToAccount", selection), {"input": given}))["answer"]
    assert added == {
        "membership": {
            "role": "admin",
            "joinedAt": AT,
            "customer": {"userId": "u1"},
            "account": {"groupId": "a1", "members": {"totalCount": 1}},
        },
        "customer": {"userId": "u1"},
        "account": {"groupId": "a1"},
        "receipt": {"outcome": "APPLIED"},
    }
    gone = {"userId": "u1", "groupId": "a1", "timestamp": "2026-03-02T00:00:00Z"}
    removed = await empty.get(document("removeUserFromAccount", selection), {"input": gone})
    assert removed["answer"]["membership"] is None
    assert removed["answer"]["account"] == {"groupId": "a1"}


async def test_an_event_may_be_about_an_account_or_a_device_alone(empty: Asking) -> None:
    query = document(
        "track", "event { name userId anonymousId groupId } customer { userId } account { groupId }"
    )
    account = await empty.get(query, {"input": {"event": "x", "groupId": "a1"}})
    assert account["answer"] == {
        "event": {"name": "x", "userId": None, "anonymousId": None, "groupId": "a1"},
        "customer": None,
        "account": {"groupId": "a1"},
    }
    device = await empty.get(query, {"input": {"event": "x", "anonymousId": "d1"}})
    assert device["answer"]["event"]["anonymousId"] == "d1"
    assert device["answer"]["customer"] == {"userId": None}


async def test_the_same_message_id_and_content_change_nothing_again(empty: Asking) -> None:
    query = document("identify", "receipt { outcome event { id } } customer { traits }")
    given = {"userId": "u1", "traits": {"plan": "pro"}, "messageId": "m1"}
    first = (await empty.get(query, {"input": given}))["answer"]
    second = (await empty.get(query, {"input": given}))["answer"]
    assert first["receipt"]["outcome"] == "APPLIED"
    assert second["receipt"] == {**first["receipt"], "outcome": "DUPLICATE"}
    other = (await empty.get(query, {"input": {**given, "traits": {"plan": "free"}}}))["answer"]
    assert other["receipt"]["outcome"] == "CONFLICT"
    counted = await empty.get("{ events { totalCount } }")
    assert counted["events"]["totalCount"] == 2


async def test_several_mutations_are_done_in_turn(empty: Asking) -> None:
    query = """mutation { a: identify(input: {userId: "u1", traits: {n: 1}, timestamp: "2026-01-01T00:00:00Z"}) {
        customer { traits } }
      b: identify(input: {userId: "u1", traits: {n: 2}, timestamp: "2026-01-02T00:00:00Z"}) {
        customer { traits } } __typename }"""
    assert await empty.get(query) == {
        "a": {"customer": {"traits": {"n": 1}}},
        "b": {"customer": {"traits": {"n": 2}}},
        "__typename": "Mutation",
    }


LONG = "x" * 513
DEEP: Any = {}
for _ in range(31):
    DEEP = {"d": DEEP}

WRONG: list[tuple[str, dict[str, Any], list[tuple[list[str] | None, str]]]] = [
    ("signUp", {"userId": ""}, [(["userId"], "REQUIRED")]),
    ("signUp", {"userId": " \t"}, [(["userId"], "REQUIRED")]),
    ("signUp", {"userId": LONG}, [(["userId"], "TOO_LONG")]),
    ("signUp", {"userId": "é" * 257}, [(["userId"], "TOO_LONG")]),
    ("signUp", {"userId": "u", "groupId": " "}, [(["groupId"], "REQUIRED")]),
    ("signUp", {"userId": "u", "traits": []}, [(["traits"], "INVALID")]),
    ("identify", {"userId": "u", "traits": "x"}, [(["traits"], "INVALID")]),
    ("identify", {"userId": "u", "traits": {"k" * 257: 1}}, [(["traits", "k" * 257], "TOO_LONG")]),
    (
        "identify",
        {"userId": "u", "traits": {"a": [{"k" * 257: 1}]}},
        [(["traits", "a", "k" * 257], "TOO_LONG")],
    ),
    ("identify", {"userId": "u", "traits": DEEP}, [(["traits", "d"], "TOO_LONG")]),
    ("identify", {"userId": "u", "traits": {}, "messageId": " "}, [(["messageId"], "INVALID")]),
    ("identify", {"userId": "u", "traits": {}, "messageId": LONG}, [(["messageId"], "TOO_LONG")]),
    ("identify", {"userId": "u", "traits": {"t": "x" * 131_072}}, [(None, "TOO_LONG")]),
    (
        "createAccount",
        {"groupId": "", "userId": LONG},
        [(["groupId"], "REQUIRED"), (["userId"], "TOO_LONG")],
    ),
    ("updateAccount", {"groupId": "a", "traits": 3}, [(["traits"], "INVALID")]),
    ("deleteAccount", {"groupId": " "}, [(["groupId"], "REQUIRED")]),
    (
        "addUserToAccount",
        {"groupId": "", "userId": ""},
        [(["userId"], "REQUIRED"), (["groupId"], "REQUIRED")],
    ),
    ("removeUserFromAccount", {"groupId": "a", "userId": LONG}, [(["userId"], "TOO_LONG")]),
    ("track", {"event": "x"}, [(None, "REQUIRED")]),
    ("track", {"event": " ", "userId": "u"}, [(["event"], "REQUIRED")]),
    ("track", {"event": "x", "userId": "u", "properties": []}, [(["properties"], "INVALID")]),
    ("track", {"event": "x", "anonymousId": ""}, [(["anonymousId"], "REQUIRED")]),
]


@pytest.mark.parametrize(("name", "given", "expected"), WRONG, ids=lambda value: str(value)[:40])
async def test_what_the_caller_could_mend_is_said_and_nothing_is_written(
    empty: Asking, name: str, given: dict[str, Any], expected: list[tuple[list[str] | None, str]]
) -> None:
    query = document(
        name, "receipt { outcome } errors: userErrors { field code message __typename }"
    )
    answer = (await empty.get(query, {"input": given}))["answer"]
    assert answer["receipt"] is None
    errors = answer["errors"]
    assert [(error["field"], error["code"]) for error in errors] == expected
    assert all(error["message"] and error["__typename"] == "UserError" for error in errors)
    assert (await empty.get("{ events { totalCount } }"))["events"]["totalCount"] == 0


async def test_what_just_fits_is_taken(empty: Asking) -> None:
    deep = DEEP["d"]
    given = {"userId": "é" * 256, "traits": {"k" * 256: 1, "d": deep["d"]}, "messageId": "m" * 512}
    query = document("identify", "receipt { outcome } userErrors { message }")
    answer = (await empty.get(query, {"input": given}))["answer"]
    assert answer == {"receipt": {"outcome": "APPLIED"}, "userErrors": []}


async def test_ids_are_read_in_the_form_in_which_they_are_stored(empty: Asking) -> None:
    query = document("identify", "customer { userId traits }")
    answer = (await empty.get(query, {"input": {"userId": "a\0b", "traits": {"x\0": "y\0"}}}))[
        "answer"
    ]
    assert answer["customer"] == {"userId": "a\ufffdb", "traits": {"x\ufffd": "y\ufffd"}}
    found = await empty.get("query($u: String!) { customer(userId: $u) { userId } }", {"u": "a\0b"})
    assert found["customer"] == {"userId": "a\ufffdb"}


async def test_integers_of_any_size_stay_exact(empty: Asking) -> None:
    big = 2**64 + 1
    query = document("identify", 'customer { traits trait(key: "n") { value } }')
    answer = (await empty.get(query, {"input": {"userId": "u1", "traits": {"n": big}}}))["answer"]
    assert answer["customer"] == {"traits": {"n": big}, "trait": {"value": big}}
    read = await empty.get('{ customer(userId: "u1") { traits trait(key: "n") { value } } }')
    assert read["customer"] == answer["customer"]


async def test_a_time_is_any_offset_and_none_is_now(empty: Asking) -> None:
    query = document("track", "event { timestamp }")
    given = {"event": "x", "userId": "u1", "timestamp": "2026-03-01T12:00:00+02:00"}
    assert (await empty.get(query, {"input": given}))["answer"]["event"]["timestamp"] == AT
    del given["timestamp"]
    found = await empty.get(query, {"input": given})
    assert found["answer"]["event"]["timestamp"] == "2026-07-20T00:00:00.000000Z"
    for bad in ("yesterday", "2026-13-01T00:00:00Z", "1969-12-31T23:59:59Z", "", 5):
        assert await empty.code(query, {"input": {**given, "timestamp": bad}}) == "BAD_USER_INPUT"


async def test_another_workspace_is_not_written_to(empty: Asking) -> None:
    other = Workspace(2, "other")
    await add_workspace(empty.database.inner, other)
    theirs = replace(empty, workspace=other)
    await theirs.get(
        document("identify", "customer { id }"), {"input": {"userId": "u1", "traits": {}}}
    )
    assert (await empty.get('{ customer(userId: "u1") { id } }'))["customer"] is None
    assert (await theirs.get('{ customer(userId: "u1") { userId } }'))["customer"] == {
        "userId": "u1"
    }
