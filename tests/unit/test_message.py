"""What a posted body is taken for, before anything is known of anyone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from ingest.canonical import Unreadable
from ingest.message import Bounds, Door, Parsed, TooMany, parse
from models.values import Message, Quarantined, Reason
from tests.laws import model
from tests.laws.histories import histories
from tests.laws.model_message import Event
from tests.laws.model_message import read as read_as_model
from tests.laws.test_law import law

NOW = 1_767_225_600_000_000


def parsed(body: Any, door: Door = Door.SEGMENT, **more: Any) -> list[Parsed]:
    return parse(json.dumps(body).encode(), door=door, received_at=NOW, **more)


def one(body: Any, **more: Any) -> Message:
    (message,) = parsed(body, **more)
    assert isinstance(message, Message)
    return message


def reason(body: Any) -> Reason:
    (held,) = parsed(body)
    assert isinstance(held, Quarantined)
    return held.reason


@law
@given(histories())
def test_ids_times_and_digests_are_those_of_the_model(history: list[model.Delivery]) -> None:
    for delivery in history:
        if not isinstance(delivery.body, dict):
            continue
        (ours,) = parse(
            json.dumps(delivery.body).encode("utf-8", "surrogatepass"),
            door=Door(delivery.door),
            received_at=delivery.received_at,
            kind=delivery.kind,
        )
        theirs = read_as_model(delivery)
        assert (ours.message_id, ours.at) == (theirs.message_id, theirs.at)
        if isinstance(theirs, Event):
            assert isinstance(ours, Message)
            assert ours.digest == theirs.digest
        else:
            assert isinstance(ours, Quarantined)
            assert ours.reason == theirs.reason


def test_a_body_is_one_object_an_array_or_a_batch() -> None:
    said = {"type": "track", "event": "X", "userId": "u"}
    assert len(parsed(said)) == 1
    assert len(parsed([said, said])) == 2
    assert len(parsed({"batch": [said, said, said]})) == 3
    assert parsed([]) == parsed({"batch": []}) == []


@pytest.mark.parametrize("body", [b"1", b"null", b'"text"', b"", b"{", b"\xff"])
def test_any_other_body_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(body, door=Door.SEGMENT, received_at=NOW)


def test_a_batch_lends_its_context_integrations_and_sent_at() -> None:
    said = {"type": "track", "event": "X", "userId": "u", "context": {"active": False}}
    body = {
        "batch": [said],
        "context": {"active": True, "groupId": "g"},
        "integrations": {"All": False},
        "sentAt": "2026-01-01T01:00:00Z",
        "writeKey": "secret",
    }
    message = one(body)
    assert message.group_id == "g"
    assert message.context.active is False
    assert json.loads(message.body)["integrations"] == {"All": False}
    assert json.loads(message.body)["sentAt"] == "2026-01-01T01:00:00Z"


def test_a_write_key_is_never_stored() -> None:
    assert "secret" not in one({"type": "page", "userId": "u", "writeKey": "secret"}).body
    (item,) = parsed({"batch": [{"type": "page", "userId": "u", "writeKey": "secret"}]})
    assert "secret" not in item.body


@pytest.mark.parametrize(
    ("sent", "as_read"),
    [("u", "u"), (" U ", " U "), (42, "42"), (42.0, "42"), (1e21, "1e+21"), (2**70, str(2**70))],
)
def test_ids_are_text_as_it_is_or_numbers_as_text(sent: Any, as_read: str) -> None:
    assert one({"type": "page", "userId": sent}).user_id == as_read


@pytest.mark.parametrize("sent", [None, "", "  ", True, {}, ["u"], {"id": "u"}])
def test_what_is_no_id_is_absent(sent: Any) -> None:
    assert reason({"type": "page", "userId": sent}) is Reason.NO_SUBJECT


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (["x"], Reason.NOT_AN_OBJECT),
        ([None], Reason.NOT_AN_OBJECT),
        ({"userId": "u"}, Reason.UNKNOWN_TYPE),
        ({"type": "sing", "userId": "u"}, Reason.UNKNOWN_TYPE),
        ({"type": "track", "event": "X"}, Reason.NO_SUBJECT),
        ({"type": "alias", "previousId": "p"}, Reason.NO_SUBJECT),
        ({"type": "delete", "groupId": "g"}, Reason.NO_SUBJECT),
        ({"type": "page", "userId": "u" * 513}, Reason.ID_TOO_LONG),
        ({"type": "page", "userId": "u", "messageId": "m" * 513}, Reason.ID_TOO_LONG),
        ({"type": "page", "userId": "u", "groupId": "é" * 257}, Reason.ID_TOO_LONG),
        ({"type": "identify", "userId": "u", "traits": {"k" * 257: 1}}, Reason.KEY_TOO_LONG),
        ({"type": "identify", "userId": "u", "traits": {"k": "x" * 131_072}}, Reason.TOO_LARGE),
    ],
)
def test_what_cannot_be_applied_is_held_for_one_reason(body: Any, why: Reason) -> None:
    assert reason(body) is why


def test_thirty_two_levels_are_read_and_thirty_three_are_held() -> None:
    def nested(levels: int) -> Any:
        value: Any = {}
        for _ in range(levels - 3):
            value = {"x": value}
        return {"type": "identify", "userId": "u", "traits": {"t": value}}

    one(nested(32))
    assert reason(nested(33)) is Reason.TOO_DEEP


@pytest.mark.parametrize(
    ("opening", "closing", "levels"), [("", "", 0), ("[", "]", 1), ('{"batch":[', "]}", 2)]
)
def test_a_thousand_levels_of_a_body_are_read_and_one_more_is_not(
    opening: str, closing: str, levels: int
) -> None:
    def nested(depth: int) -> bytes:
        rest = depth - levels - 1
        return f'{opening}{{"x":{"[" * rest}{"]" * rest}}}{closing}'.encode()

    (held,) = parse(nested(1_000), door=Door.SEGMENT, received_at=NOW)
    assert isinstance(held, Quarantined)
    with pytest.raises(Unreadable, match="1000 levels"):
        parse(nested(1_001), door=Door.SEGMENT, received_at=NOW)


def test_ids_and_keys_at_their_limit_pass() -> None:
    message = one({"type": "identify", "userId": "é" * 256, "traits": {"k" * 256: 1}})
    assert message.user_id == "é" * 256


def test_more_messages_than_a_body_may_hold_are_refused_whole() -> None:
    with pytest.raises(TooMany, match="3 messages; send at most 2"):
        parsed([{}, {}, {}], bounds=Bounds(messages_max=2))


def test_a_small_body_cannot_say_very_much() -> None:
    body = {"batch": [{"type": "page", "userId": "u"}] * 4_000, "context": {"x": "y" * 60_000}}
    with pytest.raises(TooMany, match="common context"):
        parsed(body)


@pytest.mark.parametrize("field", ["timestamp", "originalTimestamp", "sentAt"])
def test_a_number_too_long_for_a_time_is_no_time(field: str) -> None:
    for digits in ("9" * 400, "9" * 5_000, "1e400"):
        sent = f'{{"type":"page","userId":"u","messageId":"m","{field}":{digits}}}'.encode()
        (message,) = parse(sent, door=Door.SDK, received_at=NOW)
        assert message.at == NOW


def test_one_bad_message_leaves_its_neighbours_as_they_are() -> None:
    good = {"type": "page", "userId": "u", "messageId": "m"}
    before, held, after = parsed([good, 7, good])
    assert isinstance(held, Quarantined)
    assert before == after == one(good)


def test_a_body_that_a_retry_has_stamped_anew_is_the_same_body() -> None:
    (first,) = parsed({"type": "sing", "sentAt": "2026-01-01", "_metadata": {"retryCount": 0}})
    (again,) = parsed({"type": "sing", "sentAt": "2026-01-02", "_metadata": {"retryCount": 1}})
    assert isinstance(first, Quarantined)
    assert isinstance(again, Quarantined)
    assert first.identity == again.identity
