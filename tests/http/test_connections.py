"""What is no body of a request may neither be endless nor take for ever; a body may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.connections import BYTES_MAX, Bounded

HEAD = b"POST / HTTP/1.1\r\nHost: calyx.test\r\n"
WAIT_SECONDS_MAX = 20


class Hasty(Bounded):
    seconds_max = 0.05


class Patient(Bounded):
    seconds_max = 600.0


class Hearing:
    """An application that answers with the size of the body, once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self, _scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            size += len(message["body"])
            more = message["more_body"]
        await self.may_answer.wait()
        body = str(size).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def answer(self) -> bytes:
        """Return the body of an answer."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            head = await self._reader.readuntil(b"\r\n\r\n")
            return await self._reader.readexactly(int(head.split(b"content-length: ")[1]))

    async def rest(self) -> bytes:
        """Return what comes until the server closes; what it did not want to read loses its answer."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            with suppress(ConnectionResetError):
                return await self._reader.read()
        return b""

    def close(self) -> None:
        self._writer.transport.abort()


@pytest.fixture
def hearing() -> Hearing:
    return Hearing()


@asynccontextmanager
async def a_client(kind: type[Bounded], app: Hearing) -> AsyncIterator[Client]:
    config = uvicorn.Config(app, http=kind, log_config=None, timeout_keep_alive=600)
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: kind(config, state, app_state={}), "127.0.0.1", 0)
    client = Client(*await asyncio.open_connection(*server.sockets[0].getsockname()))
    try:
        yield client
    finally:
        client.close()
        server.close()


@pytest.fixture
async def client(hearing: Hearing) -> AsyncIterator[Client]:
    async with a_client(Hasty, hearing) as client:
        yield client


@pytest.fixture
async def in_no_haste(hearing: Hearing) -> AsyncIterator[Client]:
    async with a_client(Patient, hearing) as client:
        yield client


@pytest.mark.parametrize("start", [b"", b"P", HEAD, HEAD + b"X-Half: a", b"\r\n\r\n"])
async def test_who_sends_no_whole_head_is_cut_off(client: Client, start: bytes) -> None:
    client.send(start)
    assert await client.rest() == b""


async def test_a_second_head_over_a_connection_is_awaited_no_longer(client: Client) -> None:
    client.send(HEAD + b"Content-Length: 2\r\n\r\n{}" + HEAD)
    assert await client.answer() == b"2"
    assert await client.rest() == b""


async def test_a_body_may_take_longer_than_a_head(client: Client) -> None:
    client.send(HEAD + b"Content-Length: 2\r\n\r\n{")
    await asyncio.sleep(4 * Hasty.seconds_max)
    client.send(b"}")
    assert await client.answer() == b"2"


async def test_an_answer_may_take_longer_than_a_head_that_comes_meanwhile(
    client: Client, hearing: Hearing
) -> None:
    hearing.may_answer.clear()
    client.send(HEAD + b"Content-Length: 2\r\n\r\n{}" + HEAD)
    await asyncio.sleep(4 * Hasty.seconds_max)
    hearing.may_answer.set()
    assert await client.answer() == b"2"
    assert await client.rest() == b""


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (HEAD + b"X-Long: ", b"a" * 1_000),
        (HEAD, b"X-Many: " + b"a" * 1_000 + b"\r\n"),
        (b"GET /", b"a" * 1_000),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"X: " + b"a" * 1_000 + b"\r\n"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;", b"e" * 1_000),
    ],
    ids=["long-header", "many-headers", "long-path", "trailers", "chunk-extension"],
)  # fmt: skip
async def test_what_is_no_body_and_endless_is_refused(
    in_no_haste: Client, start: bytes, piece: bytes
) -> None:
    in_no_haste.send(start + piece * (20 * BYTES_MAX // 1_000))
    assert (await in_no_haste.rest())[:13] in {b"", b"HTTP/1.1 400 "}


async def test_heads_up_to_the_bound_are_read(in_no_haste: Client) -> None:
    fits = b"X-Long: " + b"a" * (BYTES_MAX // 2) + b"\r\n"
    for _ in range(5):
        in_no_haste.send(HEAD + fits + b"Content-Length: 2\r\n\r\n{}")
        assert await in_no_haste.answer() == b"2"


async def test_a_large_body_is_no_head(in_no_haste: Client) -> None:
    body = b"a" * (8 * BYTES_MAX)
    in_no_haste.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body + HEAD)
    assert await in_no_haste.answer() == str(len(body)).encode()
