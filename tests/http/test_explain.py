"""`POST /segment/explain` says what a posted body would change, and writes nothing."""

from __future__ import annotations

from api.auth import Scope
from api.doors import EXPLAIN
from tests.http.running import Calyx

MESSAGE = {
    "type": "identify",
    "userId": "u1",
    "messageId": "m1",
    "traits": {"plan": "pro"},
    "timestamp": "2026-01-01T00:00:00Z",
}


async def test_a_body_that_cannot_be_used_is_refused_as_segments_door_refuses_it(
    calyx: Calyx,
) -> None:
    key = calyx.key(Scope.READ)
    assert (await calyx.post(EXPLAIN, json=MESSAGE, headers={})).status_code == 401
    ingest = calyx.key(Scope.INGEST)
    assert (await calyx.post(EXPLAIN, json=MESSAGE, headers=ingest)).status_code == 403
    assert (await calyx.post(EXPLAIN, json=5, headers=key)).status_code == 400
    many = await calyx.post(EXPLAIN, json=[MESSAGE] * 21, headers=key)
    assert (many.status_code, "at most 20" in many.text) == (413, True)


async def test_each_message_of_a_body_is_explained_by_itself_and_none_is_stored(
    calyx: Calyx,
) -> None:
    read, ingest = calyx.key(Scope.READ), calyx.key(Scope.INGEST)
    for _ in range(2):
        answer = await calyx.post(EXPLAIN, json=[MESSAGE, {"type": "dance"}], headers=read)
        assert answer.status_code == 200
        first, second = answer.json()["explanations"]
        assert (first["messageId"], first["outcome"]) == ("m1", "APPLIED")
        assert {
            "kind": "TRAIT",
            "entity": "CUSTOMER",
            "identifier": "u1",
            "key": "plan",
            "before": None,
            "after": "pro",
            "wins": True,
            "beatenBy": None,
        } in first["effects"]
        assert (second["outcome"], second["reason"]) == ("QUARANTINED", "UNKNOWN_TYPE")
        assert (second["effects"], len(second["notes"])) == ([], 1)
    stored = await calyx.post("/segment", json=MESSAGE, headers=ingest)
    assert stored.json()["receipts"][0]["outcome"] == "APPLIED"
    old = MESSAGE | {"messageId": "m0", "timestamp": "2025-01-01T00:00:00Z"}
    [late] = (await calyx.post(EXPLAIN, json=old, headers=read)).json()["explanations"]
    [trait] = (each for each in late["effects"] if each["kind"] == "TRAIT")
    assert not trait["wins"]
    assert trait["beatenBy"].startswith("evt_")
