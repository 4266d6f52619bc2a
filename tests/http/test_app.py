"""The application around the doors: pages, health, ids, logs, and what it says of itself."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from structlog.testing import capture_logs

from api import observe
from api.app import App, create_app
from api.doors import routes
from api.edge import Edge
from api.errors import Code, graphql_code
from api.limits import BodyLimits, QueueLimits
from api.observe import Metrics
from api.pages import pages
from api.service import Opened, Phase, Service
from api.settings import Misconfigured
from ingest import accept
from models.database import TimedOut, Unavailable
from models.values import Outcome
from tests.databases import opened
from tests.http.running import Calyx, Clock, Running, a_calyx, settings

TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}
PAGES = ["/", "/docs", "/graphiql", "/healthz", "/readyz", "/metrics", "/openapi.json"]


@pytest.mark.parametrize("path", ["/nowhere", "/docs/", "/favicon.ico", "/redoc", "/..%2f"])
async def test_an_unknown_path_is_404_in_json_and_never_a_redirect(calyx: Calyx, path: str) -> None:
    answer = await calyx.client.get(path)
    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"
    assert isinstance(answer.json()["message"], str)


@pytest.mark.parametrize("path", PAGES)
async def test_another_method_on_a_page_is_405_with_allow(calyx: Calyx, path: str) -> None:
    answer = await calyx.client.delete(path)
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


@pytest.mark.parametrize("path", PAGES)
async def test_pages_need_no_key(calyx: Calyx, path: str) -> None:
    assert (await calyx.client.get(path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_pages_load_nothing_from_elsewhere(calyx: Calyx, path: str) -> None:
    page = (await calyx.client.get(path)).text
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert "<script" not in page


async def test_the_front_page_links_only_to_what_is_there(calyx: Calyx) -> None:
    page = (await calyx.client.get("/")).text
    links = set(re.findall(r'href="([^"]+)"', page))
    assert {"/graphiql", "/docs", "/openapi.json"} <= links
    for link in links:
        assert (await calyx.client.get(link)).status_code == 200


async def test_the_explorer_asks_graphql_and_says_that_it_needs_the_internet(
    calyx: Calyx,
) -> None:
    page = (await calyx.client.get("/graphiql")).text
    assert 'new URL("/graphql", window.location)' in page
    assert 'window.location.href.split("?")' not in page
    assert "needs the internet" in page


async def test_every_door_is_documented_with_every_status(calyx: Calyx) -> None:
    spec = (await calyx.client.get("/openapi.json")).json()
    assert spec["openapi"].startswith("3.1")
    documented = {"400", "401", "403", "405", "408", "413", "415", "500", "503", "200"}
    for path in routes():
        if not path.endswith("/"):
            assert set(spec["paths"][path]["post"]["responses"]) == documented
    for reference in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(spec)):
        assert reference in spec["components"]["schemas"]
    outcomes = spec["components"]["schemas"]["Receipt"]["properties"]["outcome"]["enum"]
    assert outcomes == [outcome.value for outcome in Outcome]


async def test_the_documentation_shows_every_route(calyx: Calyx) -> None:
    spec = (await calyx.client.get("/openapi.json")).json()
    page = (await calyx.client.get("/docs")).text
    for path in spec["paths"]:
        assert f"<code>{path}</code>" in page
    assert "{{" not in page


async def test_every_answer_has_an_id(calyx: Calyx) -> None:
    answers = [await calyx.client.get(path) for path in (*PAGES, "/nowhere")]
    answers += [await calyx.post("/segment", json=TRACK), await calyx.client.post("/v1/t")]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert len(set(ids)) == len(ids)


async def test_a_callers_own_id_is_kept_if_it_is_one(calyx: Calyx) -> None:
    kept = await calyx.client.get("/healthz", headers={"X-Request-Id": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for odd in ("a b", "x" * 65, "", "<script>"):
        answer = await calyx.client.get("/healthz", headers={"X-Request-Id": odd})
        assert answer.headers["x-request-id"] != odd


async def test_it_is_ready_and_then_draining_and_still_answers(one_calyx: Running) -> None:
    assert (await one_calyx.client.get("/readyz")).json()["status"] == "ready"
    one_calyx.app.service.drain()
    answer = await one_calyx.client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (503, "draining")
    assert (await one_calyx.client.get("/healthz")).status_code == 200
    assert (await one_calyx.post("/segment", json=TRACK)).status_code == 200


async def test_before_the_start_and_after_the_end_it_is_not_ready(database_url: str) -> None:
    app = create_app(settings(database_url))
    assert await _readiness(app) == (503, "starting")
    async with app.service.running():
        assert await _readiness(app) == (200, "ready")
    assert await _readiness(app) == (503, "stopped")


class Failing(Service):
    """A service whose database fails, for a reason."""

    def __init__(self, why: Exception) -> None:
        super().__init__(settings("sqlite+aiosqlite:///nowhere.db"), Clock(), Metrics())
        self.phase = Phase.READY
        self.why = why

    def opened(self) -> Opened:
        raise self.why

    def client(self) -> httpx.AsyncClient:
        """Return a client of the pages around this service."""
        metrics = Metrics()
        app = Edge(pages(self, metrics, lambda _: self.running(), "1"), metrics, lambda: "id-1")
        transport = httpx.ASGITransport(app)
        return httpx.AsyncClient(transport=transport, base_url="http://calyx.test")


@pytest.mark.parametrize("why", [Unavailable("the disk is full"), TimedOut("too slow")])
async def test_with_a_broken_database_it_says_so(why: Exception) -> None:
    async with Failing(why).client() as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "broken", "message": str(why)}


async def test_it_does_not_start_on_a_database_of_another_version(database_url: str) -> None:
    async with opened(database_url) as database:
        other = "update alembic_version set version_num = 'other'"
        await database.write(lambda tx: tx.fetch(other, ()))
    with pytest.raises(Misconfigured, match="too old"):
        async with create_app(settings(database_url)).service.running():
            pass


async def test_the_application_begins_and_ends_with_the_server(database_url: str) -> None:
    app = create_app(settings(database_url))
    phases = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        phases.append(app.service.phase)
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [*phases, app.service.phase] == [Phase.STARTING, Phase.READY, Phase.STOPPED]


async def test_what_was_taken_in_is_committed_before_it_ends(database_url: str) -> None:
    async with a_calyx(database_url) as calyx:
        # Many for each, so that some of them wait while it ends.
        bodies = [[TRACK | {"messageId": f"m{n}-{i}"} for i in range(100)] for n in range(30)]
        under_way = [asyncio.create_task(calyx.post("/segment", json=body)) for body in bodies]
        await under_way[0]
        assert calyx.app.service.opened().ingest.messages_waiting
    async with asyncio.timeout(10):
        answers = await asyncio.gather(*under_way)
    assert {answer.status_code for answer in answers} <= {200, 503}
    taken = {n for n, answer in enumerate(answers) if answer.status_code == 200}
    async with a_calyx(database_url) as calyx:
        stored = {body["messageId"] for body in await calyx.stored()}
    assert stored == {f"m{n}-{i}" for n in taken for i in range(100)}


async def test_metrics_count_requests_messages_receipts_and_commits(one_calyx: Running) -> None:
    await one_calyx.post("/segment", json=[TRACK, {"type": "dance"}])
    await one_calyx.post("/v1/batch", json={"batch": [TRACK | {"messageId": "m2"}]})
    await one_calyx.client.post("/v1/t/", json=TRACK)
    await one_calyx.client.request("BREW", "/nowhere/" + "x" * 100)
    text = (await one_calyx.client.get("/metrics")).text
    for line in (
        'calyx_requests_total{method="POST",route="/segment",status="200"} 1.0',
        'calyx_requests_total{method="POST",route="/v1/batch",status="200"} 1.0',
        'calyx_requests_total{method="POST",route="/v1/track",status="401"} 1.0',
        'calyx_requests_total{method="other",route="other",status="404"} 1.0',
        'calyx_receipts_total{outcome="APPLIED"} 1.0',
        'calyx_receipts_total{outcome="QUARANTINED"} 1.0',
        "calyx_messages_total 3.0",
        "calyx_commit_messages_count 2.0",
        "calyx_commit_messages_sum 3.0",
        "calyx_queued_messages 0.0",
    ):
        assert line in text.splitlines()


CANARY = "canary-7f3a"


async def test_logs_hold_no_bodies_keys_or_query_strings(here: Running) -> None:
    body = {"type": "track", "event": CANARY, "userId": CANARY, "properties": {CANARY: CANARY}}
    with capture_logs() as lines:
        await here.post("/segment", json=body)
        await here.post("/segment", content=f"{{{CANARY}")
        await here.client.post("/v1/t", json=body | {"writeKey": CANARY})
        await here.client.post("/v1/t", headers={"Authorization": f"Bearer {CANARY}"})
        await here.client.get(f"/healthz?token={CANARY}")
    assert [line["status"] for line in lines] == [200, 400, 401, 401, 200]
    text = repr(lines)
    assert CANARY not in text
    assert all(secret not in text for secret in here.secrets.values())


async def test_a_fault_of_ours_is_logged_once_with_its_place_and_without_its_text() -> None:
    with capture_logs() as lines:
        async with Failing(ValueError(CANARY)).client() as client:
            answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL")
    assert answer.headers["x-request-id"] == "id-1"
    assert "id-1" in answer.json()["message"]
    assert CANARY not in answer.text + repr(lines)
    (fault,) = [line for line in lines if line["event"] == "failed"]
    assert (fault["error"], fault["id"]) == ("ValueError", "id-1")
    assert any("test_app.py" in place for place in fault["at"])
    assert [line["status"] for line in lines if line["event"] == "request"] == [500]


@pytest.mark.parametrize("render", [observe.as_text, observe.as_json])
def test_what_a_caller_sends_stays_on_one_line_of_the_log(render: Callable[..., bytes]) -> None:
    event = {
        "timestamp": "2026-11-23T12:00:00Z",
        "level": "info",
        "event": "request",
        "path": "/a\r\nb c\x1b[31m\ud800",
        "status": 404,
    }
    line = render(None, "info", event)
    assert b"\n" not in line
    assert b"\r" not in line
    assert b"\x1b" not in line
    assert b"404" in line


def test_json_lines_are_json() -> None:
    event = {"timestamp": "t", "level": "info", "event": "request", "ms": 1.5, "odd": {1, 2}}
    assert msgspec.json.decode(observe.as_json(None, "info", event))["ms"] == 1.5


async def test_only_named_origins_may_read_the_rest(database_url: str) -> None:
    async with a_calyx(database_url, cors_origins=("https://app.example.com",)) as calyx:
        for origin, allowed in {
            "https://app.example.com": "https://app.example.com",
            "https://evil.example.com": None,
            "https://app.example.com.evil.test": None,
            "null": None,
        }.items():
            answer = await calyx.client.get("/healthz", headers={"Origin": origin})
            assert answer.headers.get("access-control-allow-origin") == allowed
            assert "access-control-allow-credentials" not in answer.headers


async def test_a_websocket_at_a_door_is_turned_away(here: Running) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    scope = {"type": "websocket", "path": "/segment", "headers": [], "query_string": b""}
    await here.app(scope | {"asgi": {"version": "3.0"}, "subprotocols": []}, receive, send)
    assert sent == ["websocket.close"]


def test_each_kind_of_refusal_has_a_code_in_graphql() -> None:
    codes = {graphql_code(code) for code in Code}
    assert codes == {
        "BAD_USER_INPUT",
        "UNAUTHENTICATED",
        "FORBIDDEN",
        "RATE_LIMITED",
        "TIMEOUT",
        "INTERNAL",
        "UNAVAILABLE",
    }


def test_the_limits_of_the_doors_are_those_of_ingest() -> None:
    bounds, queue = accept.Bounds(), accept.QueueLimits()
    assert BodyLimits().message_bytes_max == bounds.message_bytes_max
    assert BodyLimits().messages_max == bounds.messages_max
    assert QueueLimits().queue_max_messages == queue.messages_max
    assert QueueLimits().queue_max_bytes == queue.bytes_max


async def _readiness(app: App) -> tuple[int, str]:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://calyx.test") as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()["status"]
