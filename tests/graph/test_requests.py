"""How GraphQL is sent over HTTP, and how failures, ours and theirs, are told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest

from api.auth import Scope
from api.graph.execute import Graph
from api.limits import GraphLimits
from ingest.accept import Busy
from models.connection import TimedOut, Unavailable
from models.values import Workspace
from tests.graph.graphs import MESSAGE_BYTES_MAX, Asking
from tests.graph.test_limits import nested

RESPONSE = b"application/graphql-response+json"
JSON = b"application/json"

REFUSED = [
    "{",
    "{ nothing }",
    "query($n: Int!) { customers(first: $n) { totalCount } }",
    "query A { __typename } query B { __typename }",
    nested(16),
]


@pytest.mark.parametrize("query", REFUSED)
async def test_a_refused_document_is_200_or_400_by_the_type_of_answer(
    asking: Asking, query: str
) -> None:
    body = json.dumps({"query": query}).encode()
    plain = await asking.send(body=body)
    assert (plain.status, plain.content_type) == (200, JSON + b"; charset=utf-8")
    response = await asking.send(body=body, accept=RESPONSE)
    assert (response.status, response.content_type) == (400, RESPONSE + b"; charset=utf-8")
    for answer in (plain, response):
        found = json.loads(answer.body)
        assert "data" not in found
        assert all(error["extensions"]["code"] for error in found["errors"])


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (b"", JSON),
        (b"*/*", JSON),
        (b"text/html", JSON),
        (RESPONSE + b", application/json;q=0.9", RESPONSE),
        (b"application/json, " + RESPONSE + b";q=0.5", JSON),
        (b"text/html, " + RESPONSE.upper(), RESPONSE),
        (RESPONSE + b";q=x", JSON),
    ],
)
async def test_the_answer_has_the_type_that_is_accepted(
    asking: Asking, accept: bytes, kind: bytes
) -> None:
    answer = await asking.send(body=b'{"query":"{__typename}"}', accept=accept)
    assert answer.status == 200
    assert answer.content_type == kind + b"; charset=utf-8"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'"{__typename}"',
        b'[{"query":"{__typename}"}]',
        b"{}",
        b'{"query":null}',
        b'{"query":3}',
        b'{"query":" "}',
        b'{"query":"{__typename}","variables":[]}',
        b'{"query":"{__typename}","variables":"{}"}',
        b'{"query":"{__typename}","operationName":3}',
        b'{"query":"{__typename}","extensions":7}',
        b'{"query":"\xff"}',
        b"[" * 5_000,
    ],
)
async def test_what_is_no_request_is_400(asking: Asking, body: bytes) -> None:
    answer = await asking.send(body=body)
    assert answer.status == 400
    assert json.loads(answer.body)["errors"][0]["message"]


async def test_a_name_that_grows_in_lower_case_is_the_callers_fault(asking: Asking) -> None:
    query = "query($where: CustomerFilter) { customers(where: $where) { totalCount } }"
    assert await asking.code(query, {"where": {"\u0130": 1}}) == "BAD_USER_INPUT"


async def test_numbers_beyond_measure_are_no_failure_of_ours(asking: Asking) -> None:
    digits = "9" * 5_000
    in_text = f'{{ customers(where: {{trait: {{key: "x", eq: {digits}}}}}) {{ totalCount }} }}'
    assert await asking.code(in_text) == "BAD_USER_INPUT"
    infinite = '{ customers(where: {trait: {key: "x", eq: 1e999}}) { totalCount } }'
    assert await asking.code(infinite) == "BAD_USER_INPUT"
    query = 'query($v: JSON) { customers(where: {trait: {key: "x", lt: $v}}) { totalCount } }'
    body = f'{{"query":{json.dumps(query)},"variables":{{"v":{digits}}}}}'.encode()
    assert (await asking.send(body=body)).status in {200, 400}
    deep: Any = 1
    for _ in range(200):
        deep = [deep]
    assert await asking.code(query, {"v": deep}) == "BAD_USER_INPUT"


async def test_what_is_too_large_is_413(asking: Asking) -> None:
    answer = await asking.send(body=b" " * 300_000)
    assert answer.status == 413


@pytest.mark.parametrize(
    "kind",
    [
        b"",
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"x/application/json",
        b"application/json; charset=utf-16",
    ],
)
async def test_another_type_of_body_is_415(asking: Asking, kind: bytes) -> None:
    answer = await asking.send(body=b'{"query":"{__typename}"}', content_type=kind)
    assert answer.status == 415


@pytest.mark.parametrize("kind", [b"application/json", b'Application/JSON ; Charset="UTF-8"'])
async def test_json_in_utf_8_is_taken(asking: Asking, kind: bytes) -> None:
    answer = await asking.send(body=b'{"query":"{__typename}"}', content_type=kind)
    assert answer.status == 200


async def test_get_asks_and_never_states(asking: Asking) -> None:
    query = "query($u: String!) { customer(userId: $u) { userId } }"
    text = f"query={quote(query)}&variables={quote(json.dumps({'u': 'u7'}))}&operationName="
    answer = await asking.send(method="GET", query_string=text.encode())
    assert json.loads(answer.body)["data"] == {"customer": {"userId": "u7"}}
    states = 'mutation { deleteAccount(input: {groupId: "a"}) { account { id } } }'
    refused = await asking.send(method="GET", query_string=f"query={quote(states)}".encode())
    assert refused.status == 405
    assert (b"allow", b"POST") in refused.headers
    for bad in (
        "",
        "query=%7B__typename%7D&query=%7B__typename%7D",
        "query=%FF",
        "query={__typename}&variables={",
        "variables={}",
    ):
        assert (await asking.send(method="GET", query_string=bad.encode())).status == 400


async def test_what_was_asked_before_is_answered_anew_and_to_whom_may_know(empty: Asking) -> None:
    query = "query($id: String!) { customer(userId: $id) { userId } customers { totalCount } }"
    variables = {"id": "u1"}
    assert (await empty.get(query, variables))["customers"] == {"totalCount": 0}
    await empty.deliver([{"type": "identify", "userId": user} for user in ("u1", "u2")])
    found = await empty.get(query, variables)
    assert found == {"customer": {"userId": "u1"}, "customers": {"totalCount": 2}}
    assert (await empty.get(query, {"id": "u2"}))["customer"] == {"userId": "u2"}
    stranger = replace(empty, scopes=frozenset({Scope.INGEST}))
    assert await stranger.code(query, variables) == "FORBIDDEN"
    neighbour = replace(empty, workspace=Workspace(2, "other"))
    assert (await neighbour.get(query, variables))["customer"] is None


async def test_an_operation_is_chosen_by_its_name(asking: Asking) -> None:
    query = "query A { a: __typename } query B { b: __typename }"
    assert await asking.get(query, operationName="B") == {"b": "Query"}
    assert await asking.code(query) == "BAD_USER_INPUT"
    assert await asking.code(query, operationName="C") == "BAD_USER_INPUT"


async def test_a_hash_without_its_document_is_not_found(asking: Asking) -> None:
    persisted = {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}
    body = json.dumps({"extensions": persisted}).encode()
    found = json.loads((await asking.send(body=body)).body)
    assert found["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"


class Failing:
    """A database, or an ingest, that fails in a certain way."""

    collation = None

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def read(self, *_: Any) -> Any:
        raise self._error

    async def state(self, *_: Any, **__: Any) -> Any:
        raise self._error


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (TimedOut("secret"), "TIMEOUT", 504),
        (Unavailable("secret"), "UNAVAILABLE", 503),
        (Busy("come again", 7), "UNAVAILABLE", 503),
        (ZeroDivisionError("secret"), "INTERNAL", 500),
    ],
)
async def test_our_failures_are_told_by_code_and_nothing_else(
    asking: Asking, error: Exception, code: str, status: int
) -> None:
    failing: Any = Failing(error)
    limits = GraphLimits()
    asking.graph = Graph(failing, failing, limits, message_bytes_max=MESSAGE_BYTES_MAX, new_id=str)
    fast = "{ customers { totalCount } }"
    slow = "{ customers { totalCount } __schema { queryType { name } } }"
    states = 'mutation { deleteAccount(input: {groupId: "a"}) { account { id } } }'
    for query in (fast, slow, states):
        answer = await asking.answer(query)
        found = json.loads(answer.body)
        assert found["errors"][0]["extensions"]["code"] == code
        assert "secret" not in answer.body.decode()
        assert answer.status == status
        if status == 503:
            seconds = b"7" if isinstance(error, Busy) else b"1"
            assert (b"retry-after", seconds) in answer.headers
        if code == "INTERNAL":
            assert "request-1" in found["errors"][0]["message"]
