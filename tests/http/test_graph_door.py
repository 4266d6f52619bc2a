"""GraphQL over HTTP: who may ask, in which form, and that writes are read back."""

from __future__ import annotations

import gzip
import json

import pytest

from api.auth import Scope
from tests.http.running import Calyx, Running, a_calyx

QUERY = '{ customer(userId: "u1") { userId traits } }'
IDENTIFY = {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}, "messageId": "m1"}
SIGN_UP = """mutation { signUp(input: {userId: "u2", email: "b@example.test"}) {
  customer { userId email } userErrors { code message } } }"""


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
@pytest.mark.parametrize("key", [None, "nobody", ""])
async def test_without_a_key_that_works_it_is_401_as_a_graphql_error(
    here: Running, key: str | None, accept: str
) -> None:
    headers = {"Accept": accept} | ({} if key is None else {"Authorization": f"Bearer {key}"})
    answer = await here.client.post("/graphql", json={"query": QUERY}, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith(accept)
    assert answer.headers["x-request-id"]
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert "data" not in answer.json()


@pytest.mark.parametrize(
    ("scope", "query"),
    [(Scope.INGEST, QUERY), (Scope.WRITE, QUERY), (Scope.READ, SIGN_UP), (Scope.INGEST, SIGN_UP)],
)
async def test_without_the_scope_it_is_403(calyx: Calyx, scope: Scope, query: str) -> None:
    answer = await calyx.post("/graphql", json={"query": query}, headers=calyx.key(scope))
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert await calyx.stored() == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_is_405(calyx: Calyx, method: str) -> None:
    answer = await calyx.client.request(method, "/graphql", headers=calyx.key(Scope.READ))
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
async def test_what_a_page_could_send_unasked_is_415(calyx: Calyx, kind: str) -> None:
    headers = calyx.key(Scope.READ) | {"Content-Type": kind}
    body = json.dumps({"query": QUERY})
    answer = await calyx.client.post("/graphql", content=body, headers=headers)
    assert answer.status_code == 415


async def test_a_large_body_is_413(calyx: Calyx) -> None:
    body = {"query": QUERY, "variables": {"a": "x" * 256 * 1024}}
    answer = await calyx.post("/graphql", json=body, headers=calyx.key(Scope.READ))
    assert answer.status_code == 413
    assert answer.json()["errors"]


async def test_what_a_door_took_in_is_answered_at_once(calyx: Calyx) -> None:
    await calyx.post("/segment", json=IDENTIFY)
    for scope in (Scope.READ, Scope.ADMIN):
        answer = await calyx.post("/graphql", json={"query": QUERY}, headers=calyx.key(scope))
        assert answer.status_code == 200
        assert answer.json()["data"] == {"customer": {"userId": "u1", "traits": {"plan": "pro"}}}


async def test_queries_may_be_asked_by_get_and_packed(calyx: Calyx) -> None:
    await calyx.post("/segment", json=IDENTIFY)
    headers = calyx.key(Scope.READ)
    asked = await calyx.client.get("/graphql", params={"query": QUERY}, headers=headers)
    body = gzip.compress(json.dumps({"query": QUERY}).encode())
    headers |= {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    packed = await calyx.client.post("/graphql", content=body, headers=headers)
    assert asked.json()["data"] == packed.json()["data"]
    assert asked.json()["data"]["customer"]["userId"] == "u1"


async def test_a_mutation_is_answered_with_what_it_changed(calyx: Calyx) -> None:
    answer = await calyx.post("/graphql", json={"query": SIGN_UP}, headers=calyx.key(Scope.WRITE))
    assert answer.status_code == 200
    payload = answer.json()["data"]["signUp"]
    assert payload == {"customer": {"userId": "u2", "email": "b@example.test"}, "userErrors": []}


async def test_mutations_are_not_done_by_get(calyx: Calyx) -> None:
    answer = await calyx.client.get(
        "/graphql", params={"query": SIGN_UP}, headers=calyx.key(Scope.WRITE)
    )
    assert answer.status_code == 405
    assert await calyx.stored() == []


async def test_only_pages_of_named_origins_may_ask(database_url: str) -> None:
    asked = {"Access-Control-Request-Method": "POST"}
    async with a_calyx(database_url, cors_origins=("https://app.example.com",)) as calyx:
        wanted = asked | {
            "Origin": "https://app.example.com",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = await calyx.client.options("/graphql", headers=wanted)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example.com"
        other = await calyx.client.options(
            "/graphql", headers=asked | {"Origin": "https://evil.test"}
        )
        assert "access-control-allow-origin" not in other.headers
        query = {"query": "{ __typename }"}
        key = calyx.key(Scope.READ)
        asked_by_page = key | {"Origin": "https://app.example.com"}
        answer = await calyx.post("/graphql", json=query, headers=asked_by_page)
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
        # What a cache may keep says that to a page the answer is another.
        kept = await calyx.client.get("/graphql", params=query, headers=key)
        assert kept.headers["vary"] == "Origin"


async def test_its_limits_are_those_of_the_settings(database_url: str) -> None:
    async with a_calyx(database_url, graphql_depth_max=2) as calyx:
        query = "{ customers { nodes { userId } } }"
        answer = await calyx.post("/graphql", json={"query": query}, headers=calyx.key(Scope.READ))
    assert answer.json()["errors"][0]["extensions"]["code"] == "DEPTH_LIMIT"


async def test_a_fault_of_ours_is_told_as_a_graphql_error_too(here: Running) -> None:
    await here.database.close()
    headers = {"Authorization": "Bearer never seen before"}
    answer = await here.client.post("/graphql", json={"query": QUERY}, headers=headers)
    assert answer.status_code >= 500
    assert answer.json()["errors"][0]["extensions"]["code"] in {"INTERNAL", "UNAVAILABLE"}
    assert answer.headers["x-request-id"]
