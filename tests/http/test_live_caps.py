"""What is live has bounds: of sockets, of keys, of handshakes, of what is remembered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from api import keys
from api.auth import Scope
from tests.databases import Template, opened
from tests.http.following import SECONDS_MAX, Poster, a_socket, a_stream
from tests.http.running import NOON, a_key
from tests.http.serving import Served, serving

KEY = "chosen-by-the-operator"
TAIL = "subscription { events { position } }"
MANY = "subscription { customersChanged { kind } }"
SETTINGS = {
    "CALYX_ADMIN_KEY": KEY,
    "CALYX_LIVE_SOCKETS_MAX": "3",
    "CALYX_LIVE_SOCKETS_PER_KEY_MAX": "2",
    "CALYX_LIVE_HANDSHAKES_MAX": "2",
    "CALYX_LIVE_INIT_SECONDS_MAX": "60",
    "CALYX_LIVE_CUSTOMERS_MAX": "3",
    "CALYX_LIVE_REMEMBERED_MAX": "5",
}


@pytest.fixture(scope="module")
def narrow(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str]]:
    """Give a server with little room, and a second key."""
    url = template.copy()

    async def prepare() -> str:
        async with opened(url) as database:
            tenant, _ = await keys.ensure_workspace(database, "default", NOON)
            return await a_key(database, tenant.workspace, Scope.READ)

    second = asyncio.run(prepare())
    settings = SETTINGS | {"CALYX_DATABASE_URL": url}
    with serving(tmp_path_factory.mktemp("narrow"), settings=settings) as served:
        yield served, second


@pytest.fixture
async def poster(narrow: tuple[Served, str]) -> AsyncIterator[Poster]:
    """Give somebody who posts to the server, which nobody else is connected to."""
    made = Poster(narrow[0].url, KEY)
    await counts(made, connections=0, handshakes=0, subscriptions=0, remembered=0)
    yield made
    await made.aclose()


async def counts(poster: Poster, **wanted: int) -> None:
    """Wait until the server counts so many."""
    lines = {f"calyx_live_{name} {count}.0" for name, count in wanted.items()}
    until = time.monotonic() + SECONDS_MAX
    while not lines <= set((await poster.numbers()).splitlines()):
        assert time.monotonic() < until, lines
        await asyncio.sleep(0.02)


async def is_turned_away(url: str, key: str) -> None:
    """Ask for a place where there is none."""
    async with a_socket(url, None) as socket:
        await socket.say(type="connection_init", payload={"authorization": f"Bearer {key}"})
        assert await socket.code() == 1013


async def test_sockets_and_streams_of_a_key_and_of_all_are_counted_together(
    narrow: tuple[Served, str], poster: Poster
) -> None:
    served, second = narrow
    async with a_socket(served.url, KEY), a_stream(served.url, KEY, TAIL):
        await counts(poster, connections=2, subscriptions=1)
        await is_turned_away(served.url, KEY)
        async with a_socket(served.url, second):
            await counts(poster, connections=3)
            await is_turned_away(served.url, second)
            with pytest.raises(AssertionError, match="UNAVAILABLE"):
                async with a_stream(served.url, second, TAIL):
                    pass
        await counts(poster, connections=2)
        async with a_socket(served.url, second):
            pass


async def test_few_may_wait_to_say_whose_they_are(
    narrow: tuple[Served, str], poster: Poster
) -> None:
    served, _ = narrow
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(a_socket(served.url, None))
        await counts(poster, handshakes=2)
        async with a_socket(served.url, None) as socket:
            assert await socket.code() == 1013
    # A place is free as soon as one has left, or has said it.
    await counts(poster, handshakes=0)
    async with a_socket(served.url, KEY), a_socket(served.url, KEY):
        await counts(poster, handshakes=0, connections=2)


def identify(*users: str) -> list[dict[str, Any]]:
    return [{"type": "identify", "userId": user, "traits": {"plan": "pro"}} for user in users]


async def test_no_more_customers_are_remembered_than_one_and_all_may(
    narrow: tuple[Served, str], poster: Poster
) -> None:
    served, _ = narrow
    await poster.post(*identify("u1", "u2", "u3"))
    async with a_socket(served.url, KEY) as socket:
        await socket.subscribe("first", MANY)
        await counts(poster, remembered=3)
        await socket.subscribe("second", MANY)
        heard = await socket.hear()
        assert (heard["type"], heard["id"]) == ("error", "second")
        assert heard["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        # What was refused holds no place, and the others go on.
        ours = 'subscription { customersChanged(where: {userId: {in: ["u1", "u2"]}}) { kind } }'
        await socket.subscribe("third", ours)
        await counts(poster, remembered=5)
        await poster.post(*identify("u4"))
        heard = await socket.hear()
        assert (heard["type"], heard["id"]) == ("error", "first")
        assert heard["payload"][0]["extensions"]["code"] == "COST_LIMIT"
        await socket.subscribe("fourth", MANY)
        heard = await socket.hear()
        assert (heard["id"], heard["payload"][0]["extensions"]["code"]) == ("fourth", "COST_LIMIT")
        await counts(poster, subscriptions=1, remembered=2)


async def test_a_socket_that_is_told_that_it_asks_too_much_and_does_not_listen_is_closed(
    narrow: tuple[Served, str],
) -> None:
    served, _ = narrow
    async with a_socket(served.url, KEY) as socket:
        try:
            for number in range(10_000):
                await socket.subscribe(str(number), TAIL)
        except ConnectionClosed:
            pass
        assert await socket.code() == 4429
