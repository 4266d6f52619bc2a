"""Whatever is sent, to a door or as GraphQL, with whatever key: no fault of ours, and nothing of it in the log."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from api.auth import Scope
from tests.chaos.logs import watched_logs
from tests.databases import Template
from tests.http.running import Running, a_calyx

EXAMPLES, REQUESTS = 12, 25

_TEXTS = st.text(max_size=30) | st.sampled_from(["u1", "\0", "\ud800", "%", "'", '"', "0" * 600])
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXTS, inner, max_size=4),
    max_leaves=12,
)
_FIELDS = ("type", "userId", "anonymousId", "previousId", "groupId", "messageId", "timestamp")
_MORE = ("traits", "properties", "context", "event", "name", "sentAt", "writeKey", "batch")
_MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["identify", "track", "group", "alias", "delete", "page"]) | _JSON},
    optional=dict.fromkeys((*_FIELDS[1:], *_MORE), _JSON),
)
_PATHS = st.sampled_from(
    ["/segment", "/segment/explain", "/v1/batch", "/v1/import", "/v1/t", "/v1/identify"]
)
_QUERIES = st.sampled_from(
    [
        "query($v: String) { customers(after: $v) { edges { cursor } } }",
        "query($v: ID!) { node(id: $v) { id } nodes(ids: [$v]) { id } }",
        "query($v: String!) { customer(userId: $v) { trait(key: $v) { value } } }",
        "query($v: CustomerFilter) { customers(where: $v) { totalCount } }",
        "query($v: AccountFilter) { accounts(where: $v) { nodes { groupId } } }",
        "query($v: JSON!) { explain(message: $v) { outcome } }",
        "query($v: String!) { receipt(messageId: $v) { outcome } customers(search: $v) { totalCount } }",
        "query($v: DateTime) { customer(userId: 'u1', asOf: $v) { traits } }".replace("'", '"'),
        "mutation($v: IdentifyInput!) { identify(input: $v) { receipt { outcome } } }",
        "mutation($v: AddUserToAccountInput!) { addUserToAccount(input: $v) { userErrors { code } } }",
    ]
)
_FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "trait": st.fixed_dictionaries({"key": _TEXTS}, optional={"eq": _JSON, "in": _JSON, "gt": _JSON}),
        "audiences": _JSON,
        "not": _JSON,
        "and": st.lists(_JSON, max_size=2),
        "userId": _JSON,
    },
)  # fmt: skip
_INPUTS = st.fixed_dictionaries(
    {"userId": _TEXTS}, optional={"groupId": _TEXTS, "traits": _JSON, "messageId": _TEXTS}
)


def _bytes(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True).encode()


def _question(pair: tuple[str, Any]) -> tuple[str, bytes, Scope]:
    return "/graphql", _bytes({"query": pair[0], "variables": {"v": pair[1]}}), Scope.ADMIN


_DOORS = st.tuples(
    _PATHS,
    st.binary(max_size=60) | (_MESSAGES | st.lists(_MESSAGES, max_size=3) | _JSON).map(_bytes),
    st.just(Scope.INGEST),
)
_GRAPH = st.tuples(_QUERIES | _TEXTS, _TEXTS | _FILTERS | _INPUTS | _JSON).map(_question)
_KEYS = st.none() | st.binary(max_size=40).map(
    lambda some: bytes(byte for byte in some if byte not in b"\r\n\0")
)
_SENT = st.tuples(_DOORS | _GRAPH, _KEYS)


def test_whatever_is_sent_is_no_fault_of_ours(template: Template) -> None:
    url = template.copy()

    @settings(max_examples=EXAMPLES)
    @given(st.lists(_SENT, min_size=REQUESTS, max_size=REQUESTS))
    def send(requests: list[tuple[tuple[str, bytes, Scope], bytes | None]]) -> None:
        asyncio.run(_send_all(url, requests))

    send()


async def _send_all(
    url: str, requests: list[tuple[tuple[str, bytes, Scope], bytes | None]]
) -> None:
    with watched_logs() as seen:
        async with a_calyx(url) as calyx:
            for sent, key in requests:
                answer = await _send(calyx, *sent, key)
                assert answer.status_code in _DECLARED, (sent, answer.status_code, answer.text)
                assert "Traceback" not in answer.text
                assert '"INTERNAL"' not in answer.text, (sent, answer.text)
    assert seen.lines == []


_DECLARED = {200, 400, 401, 403, 404, 405, 413, 415, 503, 504}


async def _send(
    calyx: Running, path: str, body: bytes, scope: Scope, key: bytes | None
) -> httpx.Response:
    """Send a body with a key that may, or with whatever stands in for one."""
    secret = calyx.key(scope)["Authorization"].encode() if key is None else key
    headers = [(b"content-type", b"application/json"), (b"authorization", secret)]
    return await calyx.client.post(path, content=body, headers=headers)
