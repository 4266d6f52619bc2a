"""A client of what is live, as the tests of it follow a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

PROTOCOL = Subprotocol("graphql-transport-ws")
SECONDS_MAX = 30.0
"""Longer than anything takes on a machine that is busy with other tests."""


@dataclass
class Socket:
    """A WebSocket to `/graphql`."""

    connection: ClientConnection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def hear(self) -> Any:
        """Return the next message, whatever it is about."""
        return json.loads(await asyncio.wait_for(self.connection.recv(), SECONDS_MAX))

    async def subscribe(self, name: str, query: str, **variables: Any) -> None:
        payload = {"query": query, "variables": variables}
        await self.say(type="subscribe", id=name, payload=payload)

    async def next(self, field_name: str) -> Any:
        """Return what the next answer has under a field."""
        heard = await self.hear()
        assert heard["type"] == "next", heard
        return heard["payload"]["data"][field_name]

    async def code(self) -> int:
        """Return the code with which the server closes; whatever it sends before is let go."""
        with suppress(ConnectionClosed):
            async with asyncio.timeout(SECONDS_MAX):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code


@asynccontextmanager
async def a_socket(url: str, key: str | None, **given: Any) -> AsyncIterator[Socket]:
    """Give a socket; with a key it has been let in."""
    given.setdefault("subprotocols", [PROTOCOL])
    # One that stops to read where much waits for it does not hear either that it is closed, for ten seconds.
    given.setdefault("max_queue", None)
    address = url.replace("http", "ws", 1) + "/graphql"
    async with connect(address, max_size=None, **given) as connection:
        socket = Socket(connection)
        if key is not None:
            await socket.say(type="connection_init", payload={"authorization": f"Bearer {key}"})
            assert await socket.hear() == {"type": "connection_ack"}
        yield socket


@asynccontextmanager
async def a_stream(url: str, key: str, query: str) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """Give the events of a stream: the name of each, and what it says."""
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(timeout=SECONDS_MAX) as client,
        client.stream("POST", f"{url}/graphql", json={"query": query}, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[tuple[str, Any]]:
    name = ""
    async for line in answer.aiter_lines():
        word, _, rest = line.partition(":")
        if word == "event":
            name = rest.strip()
        elif word == "data":
            yield name, json.loads(rest) if rest.strip() else None


class Poster:
    """Posts messages with a key."""

    def __init__(self, url: str, key: str) -> None:
        self._client = httpx.AsyncClient(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=SECONDS_MAX
        )

    async def post(self, *messages: dict[str, Any]) -> None:
        answer = await self._client.post("/v1/batch", json={"batch": list(messages)})
        assert answer.status_code == 200, answer.text

    async def ask(self, query: str) -> Any:
        answer = await self._client.post("/graphql", json={"query": query})
        assert "errors" not in answer.json(), answer.text
        return answer.json()["data"]

    async def numbers(self) -> str:
        """Return what the server says of itself in numbers."""
        return (await self._client.get("/metrics")).text

    async def aclose(self) -> None:
        await self._client.aclose()
