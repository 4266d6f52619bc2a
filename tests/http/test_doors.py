"""The doors: what they refuse and what they take, path by path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.auth import Scope
from api.doors import routes
from tests.http.running import NOON, Calyx, Running

SDK_DOORS = [path for path in sorted(routes()) if path.startswith("/v1/")]
LONG = {"track": "t", "identify": "i", "group": "g", "alias": "a", "page": "p", "screen": "s"}
TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/segment", "/segment/", "/v1/track", "/v1/b/"])
async def test_another_method_than_post_is_405(calyx: Calyx, path: str, method: str) -> None:
    answer = await calyx.client.request(method, path, headers=calyx.key())
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    if method != "HEAD":
        assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/delete", "/v1/tt", "/V1/track", "/segment//"])
async def test_no_other_path_is_a_door(calyx: Calyx, path: str) -> None:
    answer = await calyx.post(path, json=TRACK)
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"


@pytest.mark.parametrize("path", ["/segment", "/v1/batch", "/v1/identify"])
@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "line 1"),
        (b"{", "line 1"),
        (b'{"a":\n 1,,}', "line 2"),
        (b"\xff\xfe{}", "UTF-8"),
        (b"[" * 1_100 + b"]" * 1_100, "levels"),
        (b"[" * 100_000, "levels"),
        (b'"text"', "object"),
        (b"17", "object"),
        (b"null", "object"),
    ],
)
async def test_a_body_that_cannot_be_read_is_400_and_says_where(
    calyx: Calyx, path: str, body: bytes, where: str
) -> None:
    answer = await calyx.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "BAD_REQUEST"
    assert where in answer.json()["message"]


async def test_more_messages_than_one_body_may_hold_are_413(calyx: Calyx) -> None:
    answer = await calyx.post("/v1/batch", json={"batch": [{}] * 5_001})
    assert answer.status_code == 413
    assert "5000" in answer.json()["message"].replace(",", "")


async def test_sdk_doors_answer_exactly_success(calyx: Calyx) -> None:
    for path in SDK_DOORS:
        answer = await calyx.post(path, json=TRACK)
        assert answer.status_code == 200, path
        assert answer.content == b'{"success": true}'
        assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("word", LONG)
async def test_on_short_and_long_paths_the_path_says_the_type(
    calyx: Calyx, word: str, slash: str
) -> None:
    sent = {"userId": "u1", "groupId": "g1", "previousId": "u0", "event": "Opened"}
    for path in (f"/v1/{word}{slash}", f"/v1/{LONG[word]}{slash}"):
        assert (await calyx.post(path, json=sent | {"messageId": path})).status_code == 200
    assert [body["type"] for body in await calyx.stored()] == [word, word]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/v1/batch/"])
async def test_in_batches_each_message_says_its_type(calyx: Calyx, path: str) -> None:
    batch = [TRACK, {"type": "identify", "userId": "u1", "traits": {"a": 1}, "messageId": "m2"}]
    answer = await calyx.post(path, json={"batch": batch, "context": {"ip": "192.0.2.1"}})
    assert answer.status_code == 200
    stored = await calyx.stored()
    assert [body["type"] for body in stored] == ["track", "identify"]
    assert [body["context"] for body in stored] == [{"ip": "192.0.2.1"}] * 2


@pytest.mark.parametrize("batch", [[], None, "text", {"type": "track"}])
async def test_an_empty_or_odd_batch_is_no_error(calyx: Calyx, batch: object) -> None:
    answer = await calyx.post("/v1/batch", json={"batch": batch})
    assert (answer.status_code, answer.json()) == (200, {"success": True})


@pytest.mark.parametrize("field", ["type", "action"])
async def test_a_batch_whose_type_is_null_is_a_batch(calyx: Calyx, field: str) -> None:
    for path in ("/segment", "/v1/batch"):
        body = {field: None, "batch": [TRACK | {"messageId": path}]}
        assert (await calyx.post(path, json=body)).status_code == 200
    assert [body["messageId"] for body in await calyx.stored()] == ["/segment", "/v1/batch"]


async def test_one_bad_message_costs_its_neighbours_nothing(calyx: Calyx) -> None:
    bad: list[Any] = [{"type": "dance"}, 5, None, [], {"type": "identify"}, {"userId": "x" * 600}]
    batch = [TRACK, *bad, TRACK | {"messageId": "m2"}]
    assert (await calyx.post("/v1/batch", json={"batch": batch})).json() == {"success": True}
    assert [body["messageId"] for body in await calyx.stored()] == ["m1", "m2"]
    assert len(await calyx.database.read("select 1 from quarantine")) == len(bad)


async def test_segment_hears_what_became_of_its_message(calyx: Calyx) -> None:
    answer = await calyx.post("/segment", json=TRACK)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "receipts": [{"messageId": "m1", "outcome": "APPLIED"}],
    }


async def test_segment_hears_what_became_of_each_element(calyx: Calyx) -> None:
    odd = TRACK | {"event": "Closed"}
    body = [TRACK, TRACK, odd, {"type": "dance", "messageId": "m2"}, "text"]
    receipts = (await calyx.post("/segment", json=body)).json()["receipts"]
    assert [one["outcome"] for one in receipts] == [
        "CONFLICT",
        "DUPLICATE",
        "CONFLICT",
        "QUARANTINED",
        "QUARANTINED",
    ]
    assert [one.get("reason") for one in receipts[3:]] == ["UNKNOWN_TYPE", "NOT_AN_OBJECT"]
    assert receipts[3]["messageId"] == "m2"


async def test_an_empty_array_is_no_error(calyx: Calyx) -> None:
    assert (await calyx.post("/segment", json=[])).json() == {"success": True, "receipts": []}


async def test_what_could_not_be_read_of_a_message_is_noted(calyx: Calyx) -> None:
    (receipt,) = (await calyx.post("/segment", json=TRACK | {"timestamp": "soon"})).json()[
        "receipts"
    ]
    assert receipt["outcome"] == "APPLIED"
    assert receipt["notes"]


async def test_received_at_is_our_clock(here: Running) -> None:
    here.clock.forward(12.5)
    await here.post("/segment", json=TRACK | {"receivedAt": "2001-01-01T00:00:00Z"})
    rows = await here.database.read("select received_at from events")
    assert rows == [(NOON + 12_500_000,)]


async def test_pages_of_any_origin_may_send_events(calyx: Calyx) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-retry-count",
    }
    headers = {"Origin": "https://shop.example", "Content-Type": "text/plain;charset=UTF-8"}
    body = json.dumps(TRACK | {"writeKey": calyx.secrets[Scope.INGEST]})
    for path in SDK_DOORS:
        preflight = await calyx.client.options(path, headers=asked)
        assert preflight.status_code == 200, path
        assert preflight.headers["access-control-allow-origin"] == "*"
        allowed = preflight.headers["access-control-allow-headers"].lower().replace(" ", "")
        assert {"authorization", "content-type", "x-retry-count"} <= set(allowed.split(","))
        answer = await calyx.client.post(path, content=body, headers=headers)
        assert answer.status_code == 200, path
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


async def test_pages_may_read_why_they_are_refused(calyx: Calyx) -> None:
    # The header goes with what is refused as well, else a page sees no status at all.
    headers = {"Origin": "https://shop.example"}
    answer = await calyx.client.post("/v1/t", json=TRACK, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "*"
