"""Server-sent events out: one operation of GraphQL, each of its answers as it comes."""

from __future__ import annotations

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import msgspec
from starlette.types import Receive, Send

from api.errors import Refusal, graphql_code
from api.graph.live import Payload, Refused
from ingest.tails import Closed

CONTENT_TYPE = b"text/event-stream"
RECHECK_SECONDS = 2.0
"""How often the key is looked up again: what a revoked one follows ends within 5 s."""

QUIET_TURNS_MAX = 6
"""After so many looks without a word something is sent, lest a proxy takes the stream for dead."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-store"),
    # Some proxies hold back what they have not been told to pass on.
    (b"x-accel-buffering", b"no"),
]


def wants_events(accept: bytes) -> bool:
    """Return whether a client takes a stream of events."""
    return _takes(accept, CONTENT_TYPE)


def wants_only_events(accept: bytes) -> bool:
    """Return whether a client takes a stream of events and no JSON."""
    others = (b"application/json", b"application/graphql-response+json", b"*/*", b"application/*")
    return wants_events(accept) and not any(_takes(accept, kind) for kind in others)


def _takes(accept: bytes, kind: bytes) -> bool:
    return any(part.partition(b";")[0].strip() == kind for part in accept.lower().split(b","))


async def stream(
    payloads: AsyncGenerator[Payload, None],
    receive: Receive,
    send: Send,
    recheck: Callable[[], Awaitable[object]],
    send_seconds_max: float,
) -> None:
    """Send what comes until it ends, the client leaves or is too slow, or its key works no more."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    gone = asyncio.create_task(_gone(receive))
    try:
        async with aclosing(_pieces(payloads, gone, recheck)) as pieces:
            async for piece in pieces:
                async with asyncio.timeout(send_seconds_max):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except TimeoutError:
        raise TooSlow from None
    finally:
        gone.cancel()


class TooSlow(Exception):
    """A client that does not take what it is sent."""


async def _pieces(
    payloads: AsyncGenerator[Payload, None],
    gone: asyncio.Task[None],
    recheck: Callable[[], Awaitable[object]],
) -> AsyncGenerator[bytes, None]:
    coming = asyncio.create_task(_next(payloads))
    quiet = 0
    try:
        # At once, so that the client knows that it is connected.
        yield b":\n\n"
        while not gone.done():
            await asyncio.wait({gone, coming}, timeout=RECHECK_SECONDS, return_when=FIRST_COMPLETED)
            if coming.done():
                payload = coming.result()
                if payload is None:
                    yield b"event: complete\ndata:\n\n"
                    return
                yield b"event: next\ndata: %b\n\n" % payload
                coming = asyncio.create_task(_next(payloads))
            else:
                await recheck()
                quiet = (quiet + 1) % QUIET_TURNS_MAX
                if not quiet:
                    yield b":\n\n"
    except Closed:
        # Without a word that it is complete: the client is to come again.
        return
    except Refused as refused:
        yield _last(refused.errors)
    except Refusal as refusal:
        error = {"message": refusal.message, "extensions": {"code": graphql_code(refusal.code)}}
        yield _last([error])
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await payloads.aclose()


async def _next(payloads: AsyncGenerator[Payload, None]) -> Payload | None:
    return await anext(payloads, None)


def _last(errors: object) -> bytes:
    told = msgspec.json.encode({"errors": errors})
    return b"event: next\ndata: %b\n\nevent: complete\ndata:\n\n" % told


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
