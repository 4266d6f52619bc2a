"""What a request may ask for, how it may be sent, and what it is told when it may not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
from graphql import get_introspection_query

from api.auth import Scope
from api.graph.execute import Graph
from api.limits import GraphLimits
from ingest.accept import Busy
from models.connection import TimedOut, Unavailable
from tests.databases import SqliteTemplate
from tests.graph.graphs import MESSAGE_BYTES_MAX, Asking, a_graph, add_workspace
from tests.graph.world import messages

RESPONSE = b"application/graphql-response+json"
JSON = b"application/json"


@pytest.fixture
async def asking(sqlite_template: SqliteTemplate) -> AsyncIterator[Asking]:
    """Give a Graph over a few rows; what is tested here looks at no database."""
    url = f"{sqlite_template.folder}/{id(sqlite_template)}"
    async with a_graph(sqlite_template.copy()) as found:
        assert url
        await add_workspace(found.database.inner, found.workspace)
        await found.deliver(messages(count=20))
        yield found


def nested(depth: int) -> str:
    """Return a query of so many levels."""
    inner = "id"
    for level in range(depth - 2):
        inner = f"{'customer' if level % 2 else 'setBy'} {{ {inner} }}"
    return f'{{ customer(userId: "u1") {{ {inner} }} }}'


async def cost(asking: Asking, query: str, variables: dict[str, Any] | None = None) -> int:
    """Return what an operation costs."""
    found = await asking.ask(query, variables)
    requested: int = found["extensions"]["cost"]["requested"]
    assert found["extensions"]["cost"]["limit"] == 10_000
    return requested


FRAGMENTS = """{ customers(first: 10) { nodes { ...f } } }
  fragment f on Customer { ...g accounts(first: 2) { nodes { id } } }
  fragment g on Customer { events(first: 1) { nodes {
    customer { accounts(first: 1) { edges { cursor } } } } } }"""
INTERFACES = """{ nodes(ids: ["trk_00000000000000000000000000000000"]) {
  ... on Customer { accounts(first: 4) { nodes { id } } }
  ... on Account { members(first: 9) { nodes { id } } } } }"""


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ __typename }", 0),
        ("{ __schema { types { name } } }", 0),
        ('{ customer(userId: "u1") { id events(first: 20) { nodes { id } } } }', 21),
        ("{ customers { nodes { id } } }", 50),
        ("{ customers(first: 5) { totalCount nodes { id } edges { cursor } } }", 5),
        ("{ customers(last: 7) { pageInfo { endCursor } } }", 7),
        ("{ customers { totalCount } }", 1),
        ("{ customers { __typename } }", 1),
        ("{ a: customers(first: 2) { nodes { id } } b: customers(first: 3) { nodes { id } } }", 5),
        ("{ customers(first: 10) { nodes { accounts(first: 3) { nodes { id } } } } }", 40),
        ("{ customers(first: 10) { nodes { accounts { totalCount } } } }", 20),
        (FRAGMENTS, 10 + 20 + 10 + 10),
        (INTERFACES, 1 + 9),
        ("{ customers(first: 0) { nodes { accounts { nodes { id } } } } }", 0),
    ],
)  # fmt: skip
async def test_the_cost_is_page_sizes_multiplied(asking: Asking, query: str, expected: int) -> None:
    assert await cost(asking, query) == expected


async def test_page_sizes_in_variables_count(asking: Asking) -> None:
    query = "query($n: Int = 4) { customers(first: $n) { nodes { events(last: $n) { nodes { id } } } } }"
    assert await cost(asking, query) == 20
    assert await cost(asking, query, {"n": 9}) == 90
    refused = await asking.ask(query, {"n": 100})
    assert refused["errors"][0]["extensions"] == {
        "code": "COST_LIMIT",
        "cost": {"requested": 10_100, "limit": 10_000},
    }


FIVES = " ".join(f"a{number}: __typename" for number in range(31))
TOO_MUCH = {
    "deep": (nested(16), "DEPTH_LIMIT"),
    "deep in fragments": (
        '{ customer(userId: "u1") { ...f0 } } '
        + " ".join(
            f'fragment f{n} on Customer {{ trait(key: "x") {{ setBy {{ customer {{ ...f{n + 1} }} }} }} }}'
            for n in range(5)
        )
        + " fragment f5 on Customer { id }",
        "DEPTH_LIMIT",
    ),
    "aliases": (f"{{ {FIVES} }}", "COST_LIMIT"),
    "tokens": ("{ " + "__typename " * 2_000 + "}", "COST_LIMIT"),
    "directives": ("{ __typename " + "@include(if: true) " * 6 + "}", "COST_LIMIT"),
    "rows": (
        "{ customers(first: 100) { nodes { accounts(first: 100) { nodes { id } } } } }",
        "COST_LIMIT",
    ),
    "fields": (
        '{ customer(userId: "u1") { ...f0 } } '
        + " ".join(
            f"fragment f{n} on Customer {{ "
            + " ".join(
                f't{n}{m}: trait(key: "x") {{ setBy {{ customer {{ ...f{n + 1} }} }} }}'
                for m in range(7)
            )
            + " }"
            for n in range(4)
        )
        + " fragment f4 on Customer { id name email phone title avatar userId traits }",
        "COST_LIMIT",
    ),
    "conditions": (
        "{ customers(where: {or: [" + '{email: {eq: "x"}}' * 260 + "]}) { totalCount } }",
        "COST_LIMIT",
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_too_much_is_refused_before_it_runs(asking: Asking, name: str) -> None:
    query, code = TOO_MUCH[name]
    assert await asking.code(query) == code
    assert asking.database.asked == []


async def test_conditions_in_variables_are_bounded_too(asking: Asking) -> None:
    query = "query($w: CustomerFilter) { customers(where: $w) { totalCount } }"
    many = {"and": [{"email": {"ne": "x"}}] * 249}
    await asking.get(query, {"w": many})
    assert await asking.code(query, {"w": {"and": [many, many]}}) == "COST_LIMIT"


async def test_what_nests_beyond_the_database_is_refused_as_too_deep(asking: Asking) -> None:
    query = "query($w: CustomerFilter) { customers(where: $w) { totalCount } }"
    deep: Any = {}
    for _ in range(20):
        deep = {"not": deep}
    await asking.get(query, {"w": deep})
    for _ in range(80):
        deep = {"not": {"and": [deep, deep]}} if len(str(deep)) < 3_000 else {"not": deep}
    assert await asking.code(query, {"w": deep}) in {"DEPTH_LIMIT", "COST_LIMIT"}
    alone: Any = {}
    for _ in range(90):
        alone = {"not": alone}
    assert await asking.code(query, {"w": alone}) == "DEPTH_LIMIT"


def lists(depth: int) -> str:
    """Return a query of lists within lists."""
    inner = "id"
    for level in range(depth - 1):
        name = "members" if (depth - level) % 2 else "accounts"
        inner = f"{name}(first: 1) {{ edges {{ node {{ {inner} }} }} pageInfo {{ hasNextPage }} }}"
    return f"{{ customers(first: 1) {{ nodes {{ {inner} }} }} }}"


async def test_five_lists_within_each_other_are_one_statement(asking: Asking) -> None:
    for depth in range(1, 6):
        await asking.get(lists(depth))
    assert await asking.code(lists(7)) == "DEPTH_LIMIT"


async def test_the_whole_schema_can_be_asked_for(asking: Asking) -> None:
    found = await asking.get(get_introspection_query(type_depth=8))
    assert {"Customer", "Account"} <= {kind["name"] for kind in found["__schema"]["types"]}


async def test_introspection_cannot_be_made_to_explode(asking: Asking) -> None:
    query = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"
    assert "errors" in await asking.ask(query)


@pytest.mark.parametrize(
    ("scopes", "query", "allowed"),
    [
        ({Scope.READ}, "{ __typename }", True),
        ({Scope.READ}, "{ __schema { queryType { name } } }", True),
        ({Scope.ADMIN}, "{ __typename }", True),
        ({Scope.WRITE}, "{ __typename }", False),
        ({Scope.INGEST}, "{ __schema { queryType { name } } }", False),
        (
            {Scope.READ},
            'mutation { deleteAccount(input: {groupId: "a"}) { userErrors { code } } }',
            False,
        ),
        (
            {Scope.WRITE},
            'mutation { deleteAccount(input: {groupId: "a"}) { account { id } } }',
            True,
        ),
        (
            {Scope.ADMIN},
            'mutation { deleteAccount(input: {groupId: "a"}) { account { id } } }',
            True,
        ),
    ],
)
async def test_scopes_say_what_a_key_may_do(
    asking: Asking, scopes: set[Scope], query: str, *, allowed: bool
) -> None:
    asking.scopes = frozenset(scopes)
    answer = await asking.answer(query)
    assert answer.status == (200 if allowed else 403)
    assert (b"FORBIDDEN" in answer.body) is not allowed


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


async def test_exactly_one_id_names_a_customer_or_an_account(asking: Asking) -> None:
    for query in (
        "{ customer { id } }",
        '{ customer(userId: "u1", anonymousId: "d1") { id } }',
        "{ customer(userId: null) { id } }",
        '{ account(id: "acc_00", groupId: "a1") { id } }',
        "{ account { id } }",
    ):
        assert await asking.code(query) == "BAD_USER_INPUT"
    assert (await asking.get('{ customer(userId: "u7", id: null) { userId } }'))["customer"]


@pytest.mark.parametrize(
    "bad",
    ["", "x", "cus_", "cus_zz", "CUS_" + "0" * 32, "cus_" + "0" * 31, "aud_zz", "aud_78", "é"],
)
async def test_what_is_no_id_is_refused(asking: Asking, bad: str) -> None:
    for query in ("customer(id: $id) { id }", "node(id: $id) { id }", "nodes(ids: [$id]) { id }"):
        assert await asking.code(f"query($id: ID!) {{ {query} }}", {"id": bad}) == "BAD_USER_INPUT"


async def test_an_id_of_another_kind_finds_nothing(asking: Asking) -> None:
    ids = (await asking.get("{ accounts(first: 1) { nodes { id } } }"))["accounts"]["nodes"]
    found = await asking.get("query($id: ID!) { customer(id: $id) { id } }", {"id": ids[0]["id"]})
    assert found == {"customer": None}
    many = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert await asking.code(many, {"ids": ["cus_" + "0" * 32] * 101}) == "BAD_USER_INPUT"


class Failing:
    """A database, or an ingest, that fails in a certain way."""

    url = "sqlite+aiosqlite:///nowhere"

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
