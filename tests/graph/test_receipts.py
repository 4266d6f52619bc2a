"""Receipts say what became of each message, as of now; what is held can be listed and tried again."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from typing import Any

import pytest

from api.auth import Scope
from models.values import Workspace
from tests.databases import DEFAULT, save_batches
from tests.graph.graphs import Asking, a_graph, add_workspace
from tests.graph.world import NOW
from tests.laws import model
from tests.laws.histories import random_history

AT = "2026-01-01T00:00:10Z"
NOBODY: dict[str, Any] = {"type": "identify", "traits": {"plan": "pro"}, "timestamp": AT}
RECEIPT = """query($id: String!) { receipt(messageId: $id) { messageId outcome reason receivedAt notes
    event { messageId } quarantined { id messageId reason advice message } } }"""
LIST = """query($reason: QuarantineReason, $after: String) { quarantine(reason: $reason, first: 2,
    after: $after) { totalCount nodes { id messageId reason retriedAt message }
    pageInfo { hasNextPage endCursor } } }"""
RETRY = """mutation($id: ID!, $message: JSON) { retryQuarantined(input: {id: $id, message: $message}) {
    receipt { messageId outcome reason event { messageId } quarantined { id } }
    userErrors { field code message } } }"""


async def a_held(asking: Asking, message_id: str = "m1", **more: Any) -> str:
    """Let a message be held; return its global id."""
    await asking.deliver([NOBODY | {"messageId": message_id} | more])
    [receipt] = (await asking.get(RECEIPT, {"id": message_id}))["receipt"]
    found: str = receipt["quarantined"]["id"]
    return found


def an_admin(asking: Asking) -> Asking:
    return replace(asking, scopes=frozenset({Scope.ADMIN}))


@pytest.mark.parametrize("seed", range(8))
async def test_each_message_sent_has_the_receipts_of_the_model(
    database_url: str, seed: int
) -> None:
    history = random_history(random.Random(seed), 60)
    expected: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for one in model.state(history)["receipts"]:
        reason = one["reason"] if one["outcome"] == "quarantined" else None
        told = (one["receivedAt"], one["outcome"].upper(), reason)
        expected[one["messageId"]].append(told)
    async with a_graph(database_url) as asking:
        await save_batches(asking.database.inner, [[one] for one in history])
        for message_id, receipts in expected.items():
            found = (await asking.get(RECEIPT, {"id": message_id}))["receipt"]
            said = [(one["outcome"], one["reason"]) for one in found]
            assert sorted(said, key=str) == sorted((one[1:] for one in receipts), key=str)
            times = [one["receivedAt"] for one in found]
            assert times == sorted(times, reverse=True)
            for one in found:
                assert one["messageId"] == message_id
                held = one["outcome"] == "QUARANTINED"
                assert (one["quarantined"] is not None) == held
                if held or one["outcome"] == "ERASED":
                    assert one["event"] is None


async def test_a_message_that_never_came_and_one_of_another_workspace_have_no_receipt(
    empty: Asking,
) -> None:
    other = replace(empty, workspace=Workspace(2, "other"))
    await add_workspace(empty.database.inner, other.workspace)
    held = await a_held(empty)
    await empty.deliver([NOBODY | {"userId": "u1", "messageId": "m2"}])
    for message_id in ("m1", "m2", "never"):
        assert (await other.get(RECEIPT, {"id": message_id}))["receipt"] == []
    assert (await other.get(LIST))["quarantine"]["totalCount"] == 0
    node = await other.get("query($id: ID!) { node(id: $id) { id } }", {"id": held})
    assert node == {"node": None}
    answer = await an_admin(other).get(RETRY, {"id": held})
    [error] = answer["retryQuarantined"]["userErrors"]
    assert (error["field"], error["code"]) == (["id"], "NOT_FOUND")


async def test_a_mutation_has_its_receipt_too(empty: Asking) -> None:
    query = 'mutation { identify(input: {userId: "u1", traits: {a: 1}, messageId: "m"}) { receipt { outcome } } }'
    await empty.get(query)
    [receipt] = (await empty.get(RECEIPT, {"id": "m"}))["receipt"]
    assert receipt["outcome"] == "APPLIED"
    assert receipt["event"] == {"messageId": "m"}
    later = {"type": "identify", "userId": "u1", "traits": {"a": 2}, "messageId": "n"}
    await empty.deliver([later], received_at=NOW + 10)
    [receipt] = (await empty.get(RECEIPT, {"id": "m"}))["receipt"]
    assert receipt["outcome"] == "SUPERSEDED"


async def test_what_waits_is_listed_by_reason_the_newest_first_page_by_page(empty: Asking) -> None:
    for at in range(3):
        body = [NOBODY | {"messageId": f"m{at}"}, {"type": "dance", "messageId": f"d{at}"}]
        await empty.deliver(body, received_at=NOW + at)
    page = (await empty.get(LIST, {"reason": "NO_SUBJECT"}))["quarantine"]
    assert page["totalCount"] == 3
    assert [one["messageId"] for one in page["nodes"]] == ["m2", "m1"]
    assert page["nodes"][0]["message"] == NOBODY | {"messageId": "m2"}
    after = {"reason": "NO_SUBJECT", "after": page["pageInfo"]["endCursor"]}
    rest = (await empty.get(LIST, after))["quarantine"]
    assert [one["messageId"] for one in rest["nodes"]] == ["m0"]
    assert not rest["pageInfo"]["hasNextPage"]
    assert (await empty.get(LIST))["quarantine"]["totalCount"] == 6


async def test_only_an_admin_may_retry(empty: Asking) -> None:
    held = await a_held(empty)
    assert await empty.code(RETRY, {"id": held}) == "FORBIDDEN"


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"id": "nonsense"}, ["id"], "INVALID"),
        ({"id": "qua_" + "0" * 32}, ["id"], "NOT_FOUND"),
        ({"id": "cus_" + "0" * 32}, ["id"], "NOT_FOUND"),
        ({"message": {"type": "dance"}}, ["message"], "INVALID"),
        ({"message": 5}, ["message"], "INVALID"),
        ({"message": NOBODY | {"userId": "u" * 600}}, ["message"], "TOO_LONG"),
    ],
)
async def test_what_cannot_be_retried_is_said_and_nothing_is_written(
    empty: Asking, given: dict[str, Any], field: list[str], code: str
) -> None:
    held = await a_held(empty)
    answer = (await an_admin(empty).get(RETRY, {"id": held, **given}))["retryQuarantined"]
    assert answer["receipt"] is None
    assert [(one["field"], one["code"]) for one in answer["userErrors"]] == [(field, code)]
    [waits] = (await empty.get(LIST))["quarantine"]["nodes"]
    assert waits["retriedAt"] is None


async def test_a_retry_in_vain_says_so_and_the_message_still_waits(empty: Asking) -> None:
    held = await a_held(empty)
    answer = (await an_admin(empty).get(RETRY, {"id": held}))["retryQuarantined"]
    assert answer["userErrors"] == []
    receipt = answer["receipt"]
    assert (receipt["outcome"], receipt["reason"]) == ("QUARANTINED", "NO_SUBJECT")
    assert receipt["quarantined"] == {"id": held}
    [waits] = (await empty.get(LIST))["quarantine"]["nodes"]
    assert waits["retriedAt"] is not None


async def test_a_corrected_message_is_an_event_and_waits_no_more(empty: Asking) -> None:
    held = await a_held(empty)
    given = {"id": held, "message": NOBODY | {"messageId": "m1", "userId": "u1"}}
    admin = an_admin(empty)
    receipt = (await admin.get(RETRY, given))["retryQuarantined"]["receipt"]
    assert (receipt["outcome"], receipt["event"]) == ("APPLIED", {"messageId": "m1"})
    assert (await empty.get(LIST))["quarantine"]["totalCount"] == 0
    [told] = (await empty.get(RECEIPT, {"id": "m1"}))["receipt"]
    assert (told["outcome"], told["quarantined"]) == ("APPLIED", None)
    again = (await admin.get(RETRY, {"id": held}))["retryQuarantined"]["receipt"]
    assert (again["outcome"], again["event"]) == ("DUPLICATE", {"messageId": "m1"})


async def test_what_waits_is_a_node(empty: Asking) -> None:
    held = await a_held(empty)
    query = "query($id: ID!) { node(id: $id) { id ... on QuarantinedMessage { reason advice } } }"
    node = (await empty.get(query, {"id": held}))["node"]
    assert (node["id"], node["reason"]) == (held, "NO_SUBJECT")
    assert "say whom it is about" in node["advice"]


async def test_receipts_are_one_statement(empty: Asking) -> None:
    await a_held(empty)
    empty.database.asked.clear()
    await empty.get(RECEIPT, {"id": "m1"})
    assert len(empty.database.asked) == 1
    assert DEFAULT.id in empty.database.asked[0][1]
