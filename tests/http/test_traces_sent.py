"""Traces as a server sends them: only where it is told to, and never so that it waits for who collects them."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.http.following import a_socket, a_stream
from tests.http.serving import run, serving

ADMIN = "the admin key of this test".replace(" ", "-")
TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}


class Collector(HTTPServer):
    """What a server sends its spans to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Collect)
        self.services: set[str] = set()
        self.names: set[str] = set()

    @property
    def settings(self) -> dict[str, str]:
        return sent_to(self.server_port)

    def take(self, body: bytes) -> None:
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            told = {each.key: each.value.string_value for each in sent.resource.attributes}
            self.services.add(told["service.name"])
            self.names |= {span.name for scope in sent.scope_spans for span in scope.spans}


class _Collect(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        self.server.take(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def sent_to(port: int) -> dict[str, str]:
    return {
        "CALYX_ADMIN_KEY": ADMIN,
        "CALYX_TRACES": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        yield collector
        collector.shutdown()


@pytest.mark.parametrize("name", ["calyx", "calyx-eu"])
def test_what_was_traced_is_sent_by_the_time_it_has_stopped(tmp_path: Path, name: str) -> None:
    with collecting() as collector:
        more = {} if name == "calyx" else {"OTEL_SERVICE_NAME": name}
        with serving(tmp_path, settings=collector.settings | more) as served:
            assert served.post("/segment", ADMIN, TRACK).status_code == 200
            assert served.stop() == 0
    assert collector.services == {name}
    assert {"POST /segment", "commit"} <= collector.names


async def follow(url: str) -> None:
    """Ask in a WebSocket, and follow the log in a stream until something is heard."""
    async with a_socket(url, ADMIN) as socket:
        await socket.subscribe("1", "query InSocket { viewer { scopes } }")
        assert await socket.next("viewer") == {"scopes": ["ADMIN"]}
    async with a_stream(url, ADMIN, 'subscription { events(after: "0") { name } }') as told:
        _, heard = await anext(told)
        assert heard["data"] == {"events": {"name": "Opened"}}


def test_what_is_followed_goes_on_as_without_traces(tmp_path: Path) -> None:
    with collecting() as collector:
        with serving(tmp_path, settings=collector.settings) as served:
            served.post("/segment", ADMIN, TRACK)
            asyncio.run(follow(served.url))
            assert served.stop() == 0
        logged = served.logged()
    assert {"GraphQL Query: InSocket", "POST /graphql live"} <= collector.names
    assert "error" not in logged, logged


def test_a_collector_that_does_not_answer_keeps_nobody_waiting(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as mute,
        serving(tmp_path, settings=sent_to(mute.getsockname()[1])) as served,
    ):
        assert served.post("/segment", ADMIN, TRACK).status_code == 200
        # The test waits for 10 s, as supervisors do.
        assert served.stop() == 0


def test_traces_that_would_go_nowhere_are_said_at_the_start(tmp_path: Path) -> None:
    ended = run(tmp_path, "serve", "--port", "0", CALYX_TRACES="true")
    assert ended.returncode == 1
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in ended.stderr
