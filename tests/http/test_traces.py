"""What traces show of requests, operations and commits, and what they keep to themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from api.app import create_app
from api.auth import Scope
from tests.http.running import NOON, Calyx, Clock, at_hand, settings

CANARY = "canary-5e1d"
TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}
IDENTIFY = """mutation Say($v: JSON!) { identify(input: {userId: "canary-5e1d", traits: {a: $v, b: "canary-5e1d"}}) {
  receipt { outcome } customer { traits } } }"""


class Traced:
    """A Calyx that is traced into memory."""

    def __init__(self, calyx: Calyx, exporter: InMemorySpanExporter) -> None:
        self.calyx = calyx
        self._exporter = exporter

    def spans(self) -> Sequence[ReadableSpan]:
        """Return the spans since the last look, in the order in which they ended."""
        found = self._exporter.get_finished_spans()
        self._exporter.clear()
        return found

    def names(self) -> list[str]:
        return [span.name for span in self.spans()]

    async def ask(self, query: str, scope: Scope = Scope.ADMIN, **more: Any) -> httpx.Response:
        json = {"query": query, **more}
        return await self.calyx.post("/graphql", json=json, headers=self.calyx.key(scope))


@pytest.fixture
async def traced(database_url: str) -> AsyncIterator[Traced]:
    async with tracing(database_url) as found:
        yield found


@asynccontextmanager
async def tracing(url: str, **given: Any) -> AsyncIterator[Traced]:
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = create_app(settings(url, **given), clock=Clock(), tracer_provider=provider)
    async with app.service.running():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://calyx.test") as client:
            yield Traced(await at_hand(app.service.opened().database, client), exporter)


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str | None]:
    """Return for each span the name of the one it is in."""
    names = {span.context.span_id: span.name for span in spans if span.context}
    return {span.name: names[span.parent.span_id] if span.parent else None for span in spans}


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_request_at_a_door_has_a_span_and_its_commit_is_in_it(traced: Traced) -> None:
    answer = await traced.calyx.post("/segment", json=TRACK)
    spans = traced.spans()
    assert parents(spans) == {"POST /segment": None, "commit": "POST /segment"}
    commit, request = spans
    told = attributes(request)
    assert told["http.route"] == "/segment"
    assert told["http.response.status_code"] == answer.status_code == 200
    assert told["calyx.request_id"] == answer.headers["x-request-id"]
    assert attributes(commit) == {"calyx.commit.messages": 1, "calyx.commit.requests": 1}
    assert commit.end_time == NOON * 1_000
    assert commit.start_time is not None
    assert commit.start_time < commit.end_time


@pytest.mark.parametrize("path", ["/v1/t", "/v1/batch/", "/segment/explain"])
async def test_each_path_of_a_door_is_told_by_its_name(traced: Traced, path: str) -> None:
    await traced.calyx.post(path, json=TRACK)
    name = {"/v1/t": "/v1/track", "/v1/batch/": "/v1/batch"}.get(path, path)
    assert f"POST {name}" in traced.names()


async def test_an_operation_is_parsed_and_validated_once_and_executed_each_time(
    traced: Traced,
) -> None:
    query = "query Mine { viewer { scopes } }"
    await traced.ask(query)
    assert parents(traced.spans()) == {
        "POST /graphql": None,
        "GraphQL Query: Mine": "POST /graphql",
        "GraphQL Parsing": "GraphQL Query: Mine",
        "GraphQL Validation": "GraphQL Query: Mine",
        "GraphQL Execution": "GraphQL Query: Mine",
    }
    await traced.ask(query)
    assert traced.names() == ["GraphQL Execution", "GraphQL Query: Mine", "POST /graphql"]


async def test_of_several_operations_the_span_has_the_name_of_the_one_that_ran(
    traced: Traced,
) -> None:
    both = "query One { viewer { scopes } } query Two { viewer { scopes } }"
    await traced.ask(both, operationName="Two")
    assert "GraphQL Query: Two" in traced.names()
    await traced.ask(both, operationName=CANARY)
    assert CANARY not in repr([span.to_json() for span in traced.spans()])


async def test_the_commit_of_a_mutation_is_in_its_execution(traced: Traced) -> None:
    answer = await traced.ask(IDENTIFY, variables={"v": CANARY})
    assert answer.json()["data"]["identify"]["receipt"] == {"outcome": "APPLIED"}
    assert parents(traced.spans())["commit"] == "GraphQL Execution"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("query Much { customers(first: 100) { nodes { events(first: 100) { nodes { id } } } } }", "COST_LIMIT"),
        ("query Wrong { nothing }", "BAD_USER_INPUT"),
        ("query", "BAD_USER_INPUT"),
    ],
)  # fmt: skip
async def test_what_is_refused_says_why(traced: Traced, query: str, code: str) -> None:
    await traced.ask(query)
    (operation,) = [span for span in traced.spans() if span.name.startswith("GraphQL Query")]
    assert attributes(operation)["error.type"] == code
    assert operation.status.status_code is StatusCode.ERROR


async def test_spans_say_nothing_of_what_is_sent(traced: Traced) -> None:
    calyx = traced.calyx
    body = TRACK | {"userId": CANARY, "event": CANARY, "properties": {CANARY: CANARY}}
    await calyx.post("/segment", json=body)
    await calyx.post("/v1/batch", content=f"{{{CANARY}")
    await calyx.client.post("/v1/track", json=body | {"writeKey": CANARY})
    await calyx.client.post("/v1/track", headers={"Authorization": f"Bearer {CANARY}"})
    await traced.ask(IDENTIFY, variables={"v": CANARY})
    await traced.ask(f'query Q {{ customer(userId: "{CANARY}") {{ {CANARY.replace("-", "_")} }} }}')
    await traced.ask(f"query {CANARY}")
    query = "query Q($u: String!) { customer(userId: $u) { traits } }"
    variables = json.dumps({"u": CANARY})
    answer = await calyx.client.get(
        "/graphql", params={"query": query, "variables": variables}, headers=calyx.key(Scope.READ)
    )
    # The query string does arrive, though no span has it.
    assert answer.json()["data"]["customer"]["traits"] == {"a": CANARY, "b": CANARY}
    await calyx.client.get(f"/?who={CANARY}")
    spans = traced.spans()
    assert len(spans) > 20
    text = repr([span.to_json() for span in spans])
    assert CANARY not in text
    assert CANARY.replace("-", "_") not in text
    assert all(secret not in text for secret in calyx.secrets.values())
    assert not any(span.events for span in spans)


async def test_what_monitoring_asks_all_the_time_has_no_spans(traced: Traced) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await traced.calyx.client.get(path)).status_code == 200
    assert traced.names() == []


async def test_a_trace_that_began_elsewhere_goes_on_here(traced: Traced) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    headers = traced.calyx.key() | {"traceparent": f"00-{trace}-{parent}-01"}
    await traced.calyx.post("/segment", json=TRACK, headers=headers)
    for span in traced.spans():
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == trace


async def test_answers_are_the_same_with_traces_and_without(
    one_calyx: Calyx, traced: Traced
) -> None:
    for path, body in (("/segment", "["), ("/graphql", "{}"), ("/nowhere", "")):
        plain, seen = [
            await each.post(path, content=body, headers=each.key(Scope.ADMIN))
            for each in (one_calyx, traced.calyx)
        ]
        assert (plain.status_code, plain.content) == (seen.status_code, seen.content)
        assert plain.headers.keys() == seen.headers.keys()
