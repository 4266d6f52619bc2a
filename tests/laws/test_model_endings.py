"""Facts of sections 6 and 7 by example: receipts, quarantine, erasure."""

from typing import Any

import pytest

from tests.laws import model
from tests.laws.model_examples import (
    a,
    account,
    customer,
    engage,
    outcomes,
    t,
    track,
    traits,
)
from tests.laws.model_message import Delivery, Event, Quarantined, read

# 6. Receipts.


def test_superseded_is_what_wrote_keys_that_all_were_written_later() -> None:
    early = a("identify", 10, userId="u1", messageId="early", traits={"x": 1, "y": 1})
    x, y = (a("identify", 20, userId="u1", messageId=key, traits={key: 1}) for key in "xy")
    assert outcomes(early, x)["early"] == ["applied"]
    assert outcomes(early, x, y)["early"] == ["superseded"]
    assert outcomes(a("page", userId="u1", messageId="page"), x)["page"] == ["applied"]


def test_a_membership_is_superseded_by_a_later_word_on_that_pair_alone() -> None:
    added = track("Account Added User", 10, group="g1", userId="u1", messageId="added")
    assert outcomes(added, track("Account Deleted", 20, group="g1"))["added"] == ["applied"]
    assert outcomes(added, track("Account Removed User", 20, group="g1", userId="u2"))["added"] == [
        "applied"
    ]
    assert outcomes(added, track("Account Removed User", 20, group="g1", userId="u1"))["added"] == [
        "superseded"
    ]


def test_a_deletion_is_superseded_by_a_later_sign_of_life() -> None:
    deleted = track("Account Deleted", 20, group="g1", messageId="deleted")
    assert outcomes(deleted, a("group", 30, groupId="g1"))["deleted"] == ["superseded"]
    assert outcomes(deleted, a("group", 10, groupId="g1"))["deleted"] == ["applied"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (42, "NOT_AN_OBJECT"),
        ([], "NOT_AN_OBJECT"),
        ({"userId": "u"}, "UNKNOWN_TYPE"),
        ({"type": "subscribe", "userId": "u"}, "UNKNOWN_TYPE"),
        ({"type": "page", "userId": " "}, "NO_SUBJECT"),
        ({"type": "alias", "previousId": "u"}, "NO_SUBJECT"),
        ({"type": "delete", "groupId": "g"}, "NO_SUBJECT"),
        ({"type": "page", "userId": "é" * 257}, "ID_TOO_LONG"),
        ({"type": "page", "userId": "u", "properties": {"k" * 257: 1}}, "KEY_TOO_LONG"),
        ({"type": "page", "userId": "u", "properties": {"x": "x" * 131_072}}, "TOO_LARGE"),
    ],
)
def test_what_cannot_be_applied_is_quarantined_with_its_reason(body: Any, reason: str) -> None:
    known = model.state([Delivery(body, t(100))])
    assert [held["reason"] for held in known["quarantine"]] == [reason]
    assert [(kept["outcome"], kept["reason"]) for kept in known["receipts"]] == [
        ("quarantined", reason)
    ]
    assert known["customers"] == known["accounts"] == {}


def test_32_levels_are_taken_and_33_are_not() -> None:
    nested: dict[str, Any] = {}
    for _ in range(30):
        nested = {"x": nested}
    read_32 = read(Delivery({"type": "page", "userId": "u", "properties": nested}, 0))
    read_33 = read(Delivery({"type": "page", "userId": "u", "properties": {"x": nested}}, 0))
    assert isinstance(read_32, Event)
    assert isinstance(read_33, Quarantined)
    assert read_33.reason == "TOO_DEEP"


def test_one_quarantine_entry_a_body_however_often_it_is_sent() -> None:
    body = {"type": "page", "messageId": "m"}
    again = [
        Delivery({**body, "sentAt": n, "_metadata": {"retryCount": n}}, t(100 + n))
        for n in range(3)
    ]
    assert [held["receivedAt"] for held in model.state(again)["quarantine"]] == [t(100)]
    assert (
        len(model.state([*again, Delivery({**body, "messageId": "n"}, t(100))])["quarantine"]) == 2
    )


# 7. Erasure is not deletion.


def test_erasure_takes_what_happened_or_was_received_until_then() -> None:
    delete = a("delete", 50, userId="u1", messageId="d")
    old = a("identify", 40, userId="u1", messageId="old", traits={"x": 1}, received=900)
    replay = a("identify", 60, userId="u1", messageId="replay", traits={"y": 1}, received=50)
    newer = a("identify", 51, userId="u1", messageId="newer", traits={"z": 1}, received=51)
    found = outcomes(delete, old, replay, newer)
    assert found == {
        "d": ["applied"],
        "newer": ["applied"],
        "old": ["erased"],
        "replay": ["erased"],
    }
    assert traits(customer("user:u1", delete, old, replay, newer)) == {"z": 1}
    assert model.state([delete, old, replay])["customers"] == {}
    assert model.state([delete])["erasures"] == [{"messageId": "d", "at": t(50)}]


def test_erasure_spreads_over_earlier_aliases_and_every_device() -> None:
    delete = a("delete", 50, userId="u2")
    spread = [
        a("alias", 20, previousId="u1", userId="u2", messageId="alias"),
        a("page", 60, userId="u1", anonymousId="a1", received=60, messageId="later link"),
        a("page", 10, anonymousId="a1", messageId="device"),
        a("page", 10, userId="u1", messageId="alias's other"),
        a("page", 10, userId="u3", anonymousId="a1", messageId="another user"),
    ]
    found = outcomes(delete, *spread)
    assert {name for name, (outcome,) in found.items() if outcome == "erased"} == {
        "alias",
        "device",
        "alias's other",
    }
    late = a("alias", 51, previousId="u9", userId="u2", received=51)
    assert outcomes(delete, late, a("page", 10, userId="u9", messageId="u9"))["u9"] == ["applied"]


def test_erasure_of_a_device_leaves_its_user() -> None:
    both = a("page", 10, userId="u1", anonymousId="a1", messageId="both")
    alone = a("page", 10, anonymousId="a1", messageId="alone")
    found = outcomes(a("delete", 50, anonymousId="a1"), both, alone)
    assert (found["both"], found["alone"]) == (["applied"], ["erased"])


def test_what_an_erased_event_says_of_an_account_stands() -> None:
    delete = a("delete", 50, userId="u1")
    created = track(
        "Account Created", 10, group="g1", userId="u1", messageId="c", properties={"name": "Acme"}
    )
    known = model.state([delete, created])
    assert (known["customers"], known["accounts"]["g1"]["name"]) == ({}, "Acme")
    assert known["accounts"]["g1"]["createdAt"] == t(10)
    gone = track("Account Deleted", 20, group="g1", userId="u1")
    assert account("g1", delete, created, gone)["deletedAt"] == t(20)
    assert outcomes(
        created, track("Account Created", 20, group="g1", userId="u2", properties={"name": "B"})
    )["c"] == ["applied"]


def test_links_aliases_and_memberships_of_erased_events_are_gone() -> None:
    delete = a("delete", 50, userId="u2")
    old = [
        a("alias", 20, previousId="u1", userId="u2"),
        a("group", 20, userId="u2", groupId="g1"),
        a("page", 20, userId="u2", anonymousId="a1"),
    ]
    new = [a("page", 60, userId=user, received=60) for user in ("u1", "u2")]
    known = model.state([delete, *old, *new, a("page", 60, anonymousId="a1", received=60)])[
        "customers"
    ]
    assert known.keys() == {"anonymous:a1", "user:u1", "user:u2"}
    assert (
        known["user:u2"]["aliases"],
        known["user:u2"]["accounts"],
        known["user:u2"]["anonymousIds"],
    ) == ([], {}, [])


def test_a_mark_that_was_erased_does_not_count() -> None:
    marked = a("identify", 10, userId="u1", context=engage("vip"), traits={"vip": True})
    plain = a("identify", 60, userId="u1", traits={"vip": True}, received=60)
    known = customer("user:u1", marked, a("delete", 50, userId="u1"), plain)
    assert known["audiences"]["vip"]["origin"] == "TRAIT"
    assert known["audiences"]["vip"]["intervals"] == [[t(60), None]]


def test_a_delete_sights_and_links_nobody() -> None:
    known = model.state([a("delete", 50, userId="u1", anonymousId="a1", groupId="g1")])
    assert known["customers"] == known["accounts"] == {}
