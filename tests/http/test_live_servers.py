"""What is live holds while many write, when a server stops, and whoever is slow."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from models.database import is_shared
from tests.databases import Template, opened
from tests.http.following import SECONDS_MAX, Poster, a_socket, a_stream
from tests.http.serving import Served, serving

KEY = "chosen-by-the-operator"
TAIL = "subscription ($after: String) { events(after: $after) { position messageId } }"
WRITERS = 6
BATCHES = 40
LAST = "last"


@contextmanager
def several(template: Template, folder: Path) -> Iterator[tuple[Served, str]]:
    """Give a server, of several processes where the database has room for them, and its database."""
    url = template.copy()
    settings = {
        "CALYX_ADMIN_KEY": KEY,
        "CALYX_DATABASE_URL": url,
        "CALYX_WORKERS": "2" if is_shared(url) else "1",
        "CALYX_LIVE_SEND_SECONDS_MAX": "1",
    }
    with serving(folder, settings=settings) as running:
        yield running, url


@pytest.fixture(scope="module")
def served(
    template: Template, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str]]:
    """Give a server that several tests talk to."""
    with several(template, tmp_path_factory.mktemp("several")) as given:
        yield given


@pytest.fixture
async def poster(served: tuple[Served, str]) -> AsyncIterator[Poster]:
    """Give somebody who posts to the server."""
    made = Poster(served[0].url, KEY)
    yield made
    await made.aclose()


async def write(poster: Poster, writer: int) -> None:
    """Post many batches of various lengths."""
    chance = random.Random(writer)
    for batch in range(BATCHES):
        messages = [
            {
                "type": "track",
                "event": "e",
                "userId": f"u{chance.randrange(50)}",
                "messageId": f"{writer}-{batch}-{number}",
            }
            for number in range(chance.randrange(1, 20))
        ]
        await poster.post(*messages)


async def follow(url: str, follower: int) -> list[tuple[int, str]]:
    """Follow the log from its beginning to the last message, breaking off again and again."""
    chance, after, seen = random.Random(follower), "0", list[tuple[int, str]]()
    while True:
        async with a_socket(url, KEY) as socket:
            await socket.subscribe("1", TAIL, after=after)
            for _ in range(chance.randrange(1, 200)):
                event = await socket.next("events")
                after = event["position"]
                seen.append((int(after), event["messageId"]))
                if event["messageId"] == LAST:
                    return seen


async def test_the_tail_skips_and_repeats_nothing_while_many_write(
    served: tuple[Served, str], poster: Poster
) -> None:
    running, url = served
    async with asyncio.TaskGroup() as group:
        followers = [group.create_task(follow(running.url, number)) for number in range(3)]
        await asyncio.gather(*(write(poster, writer) for writer in range(WRITERS)))
        await poster.post({"type": "track", "event": "e", "userId": "u", "messageId": LAST})
    async with opened(url) as database:
        stored = await database.read("SELECT id, message_id FROM events ORDER BY id")
    assert len(stored) > WRITERS * BATCHES
    for follower in followers:
        assert follower.result() == [tuple(row) for row in stored]


def test_a_server_that_stops_sends_its_followers_away_at_once(
    template: Template, tmp_path: Path
) -> None:
    with several(template, tmp_path) as (running, _):
        asyncio.run(stops_at_once(running))


async def stops_at_once(running: Served) -> None:
    """Stop a server that is followed."""
    async with (
        a_socket(running.url, KEY) as socket,
        a_socket(running.url, KEY) as idle,
        a_stream(running.url, KEY, "subscription { events { id } }") as events,
    ):
        await socket.subscribe("1", TAIL)
        await asyncio.sleep(0.5)
        began = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(running.stop))
        assert (await socket.code(), await idle.code()) == (1012, 1012)
        # It breaks off without a word that all was told: the client is to come again.
        assert [each async for each in events] == []
        assert await stopping == 0
        assert time.monotonic() - began < 6


QUERY = 'subscription { events(after: "0") { messageId properties } }'
Ends = tuple[int, int]
"""The ports of a connection: the server's and the client's."""

LARGE = 90
"""Messages of 100 KB: twice what the buffers of the kernel take where nobody reads."""


@asynccontextmanager
async def a_narrow_way(url: str) -> AsyncIterator[tuple[socket.socket, Ends]]:
    """Give a connection that takes little before it stops its server, and its ends."""
    where = urlsplit(url)
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        connection.settimeout(0)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, (where.hostname, where.port))
        yield connection, (connection.getpeername()[1], connection.getsockname()[1])


def holds(ends: Ends) -> bool:
    """Return whether a server's end of a connection is still there, as Linux tells."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(tuple(int(end[-4:], 16) for end in line.split()[1:3]) == ends for line in lines)


async def lets_go(running: Served, poster: Poster, ends: Ends, word: str) -> None:
    """Wait until the server logs a word, counts nobody as connected, and keeps nothing for whoever was."""
    until = time.monotonic() + SECONDS_MAX
    while (
        word not in running.logged()
        or holds(ends)
        or "calyx_live_connections 0.0" not in await poster.numbers()
    ):
        assert time.monotonic() < until
        await asyncio.sleep(0.1)
    assert " error " not in running.logged()


async def test_who_does_not_take_what_is_sent_is_let_go(
    served: tuple[Served, str], poster: Poster
) -> None:
    running, _ = served
    texts = [secrets.token_hex(50_000) for _ in range(LARGE)]
    track = {"type": "track", "event": "e", "userId": "u"}
    await poster.post(*(track | {"properties": {"text": text}} for text in texts))
    async with (
        a_narrow_way(running.url) as (way, ends),
        a_socket(running.url, KEY, sock=way, max_queue=1, compression=None) as slow,
    ):
        await slow.subscribe("1", QUERY)
        await lets_go(running, poster, ends, "code=1013")
        # What had been sent already may be read; then the connection is gone.
        assert await slow.code() in {1006, 1013}
    async with a_narrow_way(running.url) as (way, ends):
        body = json.dumps({"query": QUERY})
        head = (
            f"POST /graphql HTTP/1.1\r\nHost: calyx\r\nAuthorization: Bearer {KEY}\r\n"
            "Accept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        await asyncio.get_running_loop().sock_sendall(way, (head + body).encode())
        await lets_go(running, poster, ends, "live_too_slow")
