"""What cannot be stored now is asked to come again: 503 with Retry-After, and nothing is lost."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from api import auth
from api.app import create_app
from api.doors import Doors
from api.edge import Answering, Edge
from api.intake import Intake
from api.limits import BodyLimits
from api.observe import Metrics
from ingest.accept import Busy
from ingest.explain import Explanation
from models.database import TimedOut, Unavailable
from models.values import Receipt
from tests.databases import file_of
from tests.http.running import Clock, Running, settings

TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}


class FullIngest:
    """Takes nothing in, for a reason."""

    def __init__(self, why: Exception) -> None:
        self.why = why

    async def deliver(self, *_args: Any, **_given: Any) -> list[Receipt]:
        raise self.why

    async def explain_body(self, *_args: Any, **_given: Any) -> list[Explanation]:
        raise self.why


class OneKey:
    """A database that knows every key."""

    async def read(self, _sql: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return [(args[0], 1, "default", b"k" * 16, "ingest", None, None, None)]


@dataclass
class Opened:
    ingest: FullIngest
    gate: auth.Gate


def a_client(why: Exception) -> httpx.AsyncClient:
    clock = Clock()
    opened = Opened(FullIngest(why), auth.Gate(OneKey(), clock))
    metrics = Metrics()
    doors = Doors(
        lambda: opened,
        Intake(BodyLimits()),
        clock=clock,
        webhook_secret=None,
        count=metrics.receipt,
    )
    transport = httpx.ASGITransport(Edge(Answering(doors), metrics, lambda: "id-1"))
    return httpx.AsyncClient(transport=transport, base_url="http://calyx.test")


@pytest.mark.parametrize("path", ["/segment", "/v1/batch", "/v1/t"])
@pytest.mark.parametrize(
    ("why", "seconds"),
    [
        (Busy("the queue is full", 3), "3"),
        (Unavailable("the database is locked"), "1"),
        (TimedOut("too slow"), "2"),
    ],
)
async def test_what_cannot_be_stored_now_is_503_with_retry_after(
    path: str, why: Exception, seconds: str
) -> None:
    async with a_client(why) as client:
        answer = await client.post(path, json=TRACK, headers={"Authorization": "Bearer k"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == seconds
    assert answer.json()["code"] == "UNAVAILABLE"
    assert isinstance(answer.json()["message"], str)


async def test_our_own_fault_is_500_and_tells_nothing_but_its_id() -> None:
    async with a_client(ValueError("u1@example.test is not what I wanted")) as client:
        answer = await client.post("/segment", json=TRACK, headers={"Authorization": "Bearer k"})
    assert answer.status_code == 500
    assert answer.json()["code"] == "INTERNAL"
    assert "id-1" in answer.json()["message"]
    assert "example" not in answer.text


async def test_a_locked_database_is_503_and_recovers_by_itself(
    on_a_file: Running, sqlite_url: str
) -> None:
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    other.execute("begin immediate")
    refused = await on_a_file.post("/segment", json=TRACK)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    other.execute("rollback")
    other.close()
    accepted = await on_a_file.post("/segment", json=TRACK)
    assert accepted.status_code == 200
    assert [body["messageId"] for body in await on_a_file.stored()] == ["m1"]


async def test_before_it_is_open_everything_is_503(database_url: str) -> None:
    app = create_app(settings(database_url))
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": "Bearer k"}
    async with httpx.AsyncClient(transport=transport, base_url="http://calyx.test") as client:
        for path in ("/segment", "/v1/track"):
            answer = await client.post(path, json=TRACK, headers=headers)
            assert answer.status_code == 503
            assert "starting" in answer.json()["message"]
