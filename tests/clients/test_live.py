"""What is live is taken by the clients that applications follow it with: graphql-ws and graphql-sse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.clients.packages import SECONDS_MAX, installed, node
from tests.http.serving import Served, serving

KEY = "chosen-by-the-operator"
PROGRAMS = ("sockets.mjs", "streams.mjs")

pytestmark = pytest.mark.timeout(2 * SECONDS_MAX + 20)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a server with some events, and room for two connections of a key."""
    installed()
    settings = {"CALYX_ADMIN_KEY": KEY, "CALYX_LIVE_SOCKETS_PER_KEY_MAX": "2"}
    with serving(tmp_path_factory.mktemp("live"), settings=settings) as running:
        batch = [
            {"type": "track", "event": "e", "userId": "u", "messageId": f"m{number}"}
            for number in range(250)
        ]
        assert running.post("/v1/batch", KEY, {"batch": batch}).status_code == 200
        yield running


Following = Callable[..., Any]


@pytest.fixture(params=PROGRAMS)
def follow(request: pytest.FixtureRequest, served: Served) -> Following:
    """Give what runs a client and returns what it was told."""
    url = f"{served.url}/graphql"
    if request.param == "sockets.mjs":
        url = url.replace("http", "ws", 1)

    def run(count: int, after: str, key: str = KEY) -> Any:
        return json.loads(node(request.param, url, key, str(count), after))

    return run


def test_a_client_follows_leaves_and_goes_on_where_it_was(follow: Following) -> None:
    first = follow(120, "0")
    *events, viewer = first["told"]
    assert viewer == {"viewer": {"scopes": ["ADMIN"]}}
    second = follow(130, events[-1]["position"])
    events += second["told"][:-1]
    assert [event["messageId"] for event in events] == [f"m{number}" for number in range(250)]
    assert "errors" not in first | second


def test_a_client_is_told_what_it_may_not(follow: Following) -> None:
    refused = follow(1, "0", "nobody")
    assert refused["told"] == []
    assert refused["errors"][0]["code"] in {4403, 401}
    wrong = follow(1, "no position")
    assert wrong["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_a_client_without_room_is_to_come_again(served: Served, follow: Following) -> None:
    query = {"query": "subscription { events { id } }"}
    headers = {"Authorization": f"Bearer {KEY}", "Accept": "text/event-stream"}
    with (
        httpx.Client(base_url=served.url, headers=headers) as client,
        client.stream("POST", "/graphql", json=query) as first,
        client.stream("POST", "/graphql", json=query) as second,
    ):
        assert (first.status_code, second.status_code) == (200, 200)
        assert follow(1, "0")["errors"][0]["code"] in {1013, 503}
