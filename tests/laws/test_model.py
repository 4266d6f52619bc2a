"""Facts of sections 1 to 3 and 9 by example, and the law: what the judge of the fold must itself get right."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws import model
from tests.laws.histories import (
    BASE_US,
    SECOND_US,
    consistent,
    histories,
    random_history,
)
from tests.laws.model_bytes import canonical, clean, number_text
from tests.laws.model_examples import a, an_event, customer, outcomes, t, traits
from tests.laws.model_message import Delivery, read, read_id, read_time

# 1. One message is one event.


def test_a_retry_with_other_transport_is_the_same_event() -> None:
    first = a(
        "identify", userId="u1", messageId="m", traits={"x": 1}, sentAt="2026-01-01T00:00:00Z"
    )
    retry = Delivery({**first.body, "sentAt": "2026-01-01T01:00:00Z", "channel": "server"}, t(900))
    assert model.state([first, retry]) == model.state([first])


def test_two_spellings_of_a_number_and_of_a_type_are_one_event() -> None:
    one = a("identify", userId=42, messageId="m", traits={"x": 1})
    other = a(
        "IDENTIFY",
        userId="42",
        messageId="m",
        traits={"x": 1.0},
        event=None,
        context={"traits": None},
    )
    assert an_event(one).digest == an_event(other).digest


def test_the_digest_is_of_the_canonical_text() -> None:
    # sha256 of {"groupId":"g","traits":{"a":1},"type":"group"}, computed outside this code.
    sent = Delivery(
        {"type": "Group", "context": {"groupId": "g", "ip": "x"}, "traits": {"a": 1.0}}, t(0)
    )
    assert an_event(sent).digest == "09efdcb41b3b7a155930a23daac2d707"


def test_an_event_without_message_id_is_known_by_what_it_says() -> None:
    timed = a("page", userId="u1")
    assert an_event(timed).message_id == f"derived:{an_event(timed).digest}"
    assert len(model.state([timed, a("page", userId="u1", received=101)])["receipts"]) == 1
    untimed = a("page", None, userId="u1")
    assert an_event(untimed).message_id == f"derived:{an_event(untimed).digest}:{t(100)}"
    assert len(model.state([untimed, a("page", None, userId="u1", received=101)])["receipts"]) == 2


def test_one_message_id_with_two_contents_is_two_events_in_conflict() -> None:
    one, two = (a("identify", userId="u1", messageId="m", traits={key: 1}) for key in "xy")
    assert outcomes(one, two) == {"m": ["conflict", "conflict"]}
    assert traits(customer("user:u1", one, two)) == {"x": 1, "y": 1}


def test_action_is_the_type_only_where_type_is_absent() -> None:
    assert an_event(Delivery({"action": "Track", "userId": "u"}, 0)).type == "track"
    assert an_event(Delivery({"action": "track", "type": "page", "userId": "u"}, 0)).type == "page"


def test_the_path_of_the_door_says_the_type() -> None:
    assert (
        an_event(Delivery({"type": "page", "userId": "u"}, 0, "sdk", "identify")).type == "identify"
    )


# 2. When it happened.


@pytest.mark.parametrize(
    ("sent", "read_as"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01", 1_000_000),
        ("1970-01-01T05:30:01+0530", 1_000_000),
        ("1970-01-01T00:00:00.1234569Z", 123_456),
        ("1969-12-31T23:00:00-01:00", 0),
        ("1970-01-01T00:00:00+00:01", None),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
        ("9999-12-31T23:59:59-01:00", None),
        ("0001-01-01", None),
        ("2026-02-30", None),
        ("1700000000", None),
        (1_700_000_000, 1_700_000_000_000_000),
        (1.5, 1_500_000),
        (31_557_599_999, 31_557_599_999_000_000),
        (31_557_600_000, 31_557_600_000_000),
        (1_700_000_000_000.25, 1_700_000_000_000_250),
        (-1, None),
        (1e300, None),
        (True, None),
        (None, None),
    ],
)
def test_times_are_iso_8601_or_epoch_numbers_of_1970_to_9999(
    sent: Any, read_as: int | None
) -> None:
    assert read_time(sent) == read_as


def test_an_unreadable_timestamp_gives_way_to_original_timestamp_then_to_receipt() -> None:
    sent = {
        "type": "page",
        "userId": "u",
        "timestamp": "soon",
        "originalTimestamp": "2026-01-01T00:00:05Z",
    }
    assert an_event(Delivery(sent, t(100))).at == t(5)
    assert an_event(Delivery({**sent, "originalTimestamp": "0001-01-01"}, t(100))).at == t(100)


def test_a_time_more_than_five_minutes_ahead_is_stored_as_the_receipt() -> None:
    assert an_event(a("page", 400, userId="u")).at == t(400)
    assert an_event(a("page", 401, userId="u")).at == t(100)


def test_the_sdk_door_alone_corrects_a_clock_more_than_ten_seconds_off() -> None:
    def at(sent_second: int, **more: Any) -> int:
        return an_event(
            a("page", 50, userId="u", sentAt=sent_second + BASE_US // SECOND_US, **more)
        ).at

    assert at(90, door="sdk") == t(50)
    assert at(89, door="sdk") == t(61)
    assert at(111, door="sdk") == t(39)
    assert at(20) == t(50)
    assert at(20, door="sdk", receivedAt="2026-01-01T00:00:00Z") == t(50)


# 3. Whom it is about.


def test_ids_are_text_and_numbers_and_never_blank() -> None:
    sent: list[Any] = ["u", " u ", 42, 42.0, -0.0, 1e21, 0, True, "", " \t", None, {}, ["u"]]
    assert [read_id(one) for one in sent] == [
        "u",
        " u ",
        "42",
        "42",
        "0",
        "1e+21",
        "0",
        *[None] * 6,
    ]


def test_an_id_of_the_context_is_read_where_the_top_has_none() -> None:
    sent = {"type": "group", "groupId": " ", "context": {"groupId": 777}}
    assert list(model.state([Delivery(sent, 0)])["accounts"]) == ["777"]


def test_a_device_belongs_to_the_user_of_the_earliest_event_with_both() -> None:
    alone = a("identify", 5, anonymousId="a1", traits={"seen": "first"})
    late = a("page", 30, anonymousId="a1", userId="u2")
    early = a("page", 20, anonymousId="a1", userId="u1")
    assert customer("anonymous:a1", alone)["anonymousIds"] == ["a1"]
    assert traits(customer("user:u2", alone, late)) == {"seen": "first"}
    known = model.state([alone, late, early])["customers"]
    assert traits(known["user:u1"]) == {"seen": "first"}
    assert [known[rep]["anonymousIds"] for rep in ("user:u1", "user:u2")] == [["a1"], []]


def test_a_user_id_and_an_anonymous_id_that_look_alike_are_unrelated() -> None:
    known = model.state([a("page", userId="x"), a("page", anonymousId="x")])
    assert list(known["customers"]) == ["anonymous:x", "user:x"]


def test_a_joined_set_answers_to_the_user_of_its_newest_alias() -> None:
    chain = [
        a("alias", 30, previousId="u2", userId="u3"),
        a("alias", 20, previousId="u1", userId="u2"),
    ]
    assert customer("user:u3", *chain)["aliases"] == ["u1", "u2"]
    turned = [*chain, a("alias", 40, previousId="u3", userId="u1")]
    assert customer("user:u1", *turned)["aliases"] == ["u2", "u3"]
    assert customer("user:u2", *chain, a("alias", 40, previousId="u9", userId="u2"))["aliases"] == [
        "u1",
        "u3",
        "u9",
    ]


def test_a_self_alias_joins_and_links_nothing() -> None:
    known = model.state([a("alias", previousId="u1", userId="u1"), a("page", anonymousId="u1")])
    assert list(known["customers"]) == ["anonymous:u1", "user:u1"]


def test_the_previous_id_of_an_alias_counts_as_a_device_but_is_listed_only_when_seen() -> None:
    alias = a("alias", previousId="a1", userId="u1")
    assert customer("user:u1", alias)["anonymousIds"] == []
    known = model.state([alias, a("identify", anonymousId="a1", traits={"x": 1})])["customers"]
    assert known.keys() == {"user:u1"}
    assert (known["user:u1"]["anonymousIds"], known["user:u1"]["aliases"]) == (["a1"], ["a1"])
    assert traits(known["user:u1"]) == {"x": 1}


def test_an_alias_without_user_and_a_group_without_account_sight_whom_they_name() -> None:
    known = model.state(
        [a("alias", anonymousId="a1", previousId="a2"), a("group", userId="u1", traits={"x": 1})]
    )
    assert list(known["customers"]) == ["anonymous:a1", "user:u1"]
    assert (known["accounts"], traits(known["customers"]["user:u1"])) == ({}, {})


# 9. Bytes.


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"), (-0.0, "0"), (0.1, "0.1"), (1e-6, "0.000001"), (1.5e-7, "1.5e-7"), (1e20, "100000000000000000000"),
        (1e21, "1e+21"), (-1.25e22, "-1.25e+22"), (123456789012345680000.0, "123456789012345680000"), (5e-324, "5e-324"),
        (100.25, "100.25"), (2**70, "1180591620717411303424"),
    ],
)  # fmt: skip
def test_numbers_are_printed_as_javascript_prints_them(number: float, text: str) -> None:
    assert number_text(number) == text


def test_the_canonical_text_has_sorted_keys_no_space_and_no_dangerous_character() -> None:
    sent = {
        "z": [1.0, float("nan"), float("-inf"), None, True],
        "a\x00": "\ud800é\n\x1f",
        "Z": "😀",
        "￿": {},
    }
    assert (
        canonical(clean(sent))
        == '{"Z":"😀","a\ufffd":"\ufffdé\\n\\u001f","z":[1,null,null,null,true],"￿":{}}'
    )


@given(st.floats() | st.integers() | st.text())
def test_cleaning_twice_changes_nothing(value: Any) -> None:
    assert canonical(clean(clean(value))) == canonical(clean(value))


# The law.


@given(histories(), st.randoms())
def test_state_does_not_depend_on_the_order_of_arrival(
    history: list[Delivery], rng: random.Random
) -> None:
    shuffled = rng.sample(history, len(history))
    assert model.dump(model.state(shuffled)) == model.dump(model.state(history))


@given(histories())
def test_hearing_everything_twice_changes_nothing(history: list[Delivery]) -> None:
    assert model.dump(model.state(history + history)) == model.dump(model.state(history))


@given(histories())
def test_as_of_the_end_is_the_state_and_as_of_the_beginning_knows_nobody(
    history: list[Delivery],
) -> None:
    assert model.as_of(history, 2**63) == model.state(history)
    assert model.as_of(history, -1)["customers"] == {}


@given(st.integers(0, 2**32))
def test_a_seed_gives_one_history_and_it_is_consistent(seed: int) -> None:
    history = random_history(random.Random(seed), 6)
    assert len(history) == 6
    # Stored messages are compared, since NaN in a body equals nothing, itself included.
    again = random_history(random.Random(seed), 6)
    assert [read(one) for one in history] == [read(one) for one in again]
    assert consistent(history) == history
