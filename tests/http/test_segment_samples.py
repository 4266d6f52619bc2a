"""The sample calls of Segment's page on its destination, posted and read back by GraphQL."""

from __future__ import annotations

from typing import Any

from api.auth import Scope
from tests.http.running import Calyx


async def ask(calyx: Calyx, query: str) -> Any:
    answer = await calyx.client.post(
        "/graphql", json={"query": query}, headers=calyx.key(Scope.READ)
    )
    body = answer.json()
    assert "errors" not in body, body
    return body["data"]


async def test_a_track_that_says_action_in_an_account(calyx: Calyx) -> None:
    call = {
        "action": "track",
        "event": "Report Viewed",
        "userId": "019mr8mf4r",
        "properties": {"report": "churn"},
        "context": {"groupId": "0e8c78ea9d97a7b8185e8632"},
    }
    answer = await calyx.post("/segment", json=call)
    assert answer.json()["receipts"][0]["outcome"] == "APPLIED"
    told = await ask(
        calyx,
        '{ customer(userId: "019mr8mf4r") { events { nodes { type name properties groupId'
        " account { groupId deletedAt } } } } }",
    )
    assert told["customer"]["events"]["nodes"] == [
        {
            "type": "TRACK",
            "name": "Report Viewed",
            "properties": {"report": "churn"},
            "groupId": "0e8c78ea9d97a7b8185e8632",
            "account": {"groupId": "0e8c78ea9d97a7b8185e8632", "deletedAt": None},
        }
    ]


async def test_an_identify_with_an_email(calyx: Calyx) -> None:
    call = {
        "type": "identify",
        "userId": "97980cfea0067",
        "traits": {"name": "Peter Gibbons", "email": "peter@example.test", "plan": "premium"},
    }
    await calyx.post("/segment", json=call)
    told = await ask(
        calyx,
        '{ customers(where: {email: {eq: "peter@example.test"}}) { nodes { userId name email'
        " traits } } }",
    )
    assert told["customers"]["nodes"] == [
        {
            "userId": "97980cfea0067",
            "name": "Peter Gibbons",
            "email": "peter@example.test",
            "traits": {"email": "peter@example.test", "name": "Peter Gibbons", "plan": "premium"},
        }
    ]


async def test_a_group_without_a_user_and_with_a_space_in_a_key(calyx: Calyx) -> None:
    call = {
        "type": "group",
        "groupId": "0e8c78ea9d97a7b8185e8632",
        "traits": {"name": "Initech", "employees": "329", "total billed": 830},
    }
    await calyx.post("/segment", json=call)
    told = await ask(
        calyx,
        '{ accounts(where: {trait: {key: "total billed", gte: 500}}) { nodes { groupId name'
        ' employees billed: trait(key: "total billed") { value } members { totalCount } } } }',
    )
    assert told["accounts"]["nodes"] == [
        {
            "groupId": "0e8c78ea9d97a7b8185e8632",
            "name": "Initech",
            "employees": 329,
            "billed": {"value": 830},
            "members": {"totalCount": 0},
        }
    ]


async def test_an_audience_entered_and_left(calyx: Calyx) -> None:
    key = "order_completed_last_30days"
    audience = {"computation_class": "audience", "computation_key": key, "computation_id": "aud_1"}

    def said(at: str, *, member: bool) -> dict[str, Any]:
        return {
            "type": "identify",
            "userId": "u1",
            "timestamp": at,
            "traits": {key: member},
            "context": {"personas": audience},
        }

    query = (
        f'{{ customer(userId: "u1") {{ inAudience(key: "{key}") audiences {{ key member since'
        " origin computationId intervals { enteredAt leftAt } } }"
        f' audience(key: "{key}") {{ memberCount }} }}'
    )
    entered, left = "2026-03-01T10:00:00.000000Z", "2026-04-02T11:00:00.000000Z"
    await calyx.post("/segment", json=said(entered, member=True))
    told = await ask(calyx, query)
    assert (told["customer"]["inAudience"], told["audience"]["memberCount"]) == (True, 1)
    await calyx.post("/segment", json=said(left, member=False))
    told = await ask(calyx, query)
    assert (told["customer"]["inAudience"], told["audience"]["memberCount"]) == (False, 0)
    assert told["customer"]["audiences"] == [
        {
            "key": key,
            "member": False,
            "since": left,
            "origin": "ENGAGE",
            "computationId": "aud_1",
            "intervals": [{"enteredAt": entered, "leftAt": left}],
        }
    ]
