"""Server-sent events out: one operation of GraphQL, each of its answers as it comes."""

from __future__ import annotations

import asyncio
import time
from asyncio import FIRST_COMPLETED
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, suppress

import msgspec
from starlette.types import Receive, Scope, Send

from api.auth import Gate
from api.errors import Refusal, graphql_code
from api.graph.live import Payload, Refused
from ingest.tails import Closed
from models.database import TimedOut, Unavailable

CUT = "calyx.cut"
"""Where a server that can leaves in the state of a scope what cuts the connection off."""

CUT_SECONDS_MAX = 1.0
"""In which a connection that is cut off is gone."""

CONTENT_TYPE = b"text/event-stream"
RECHECK_SECONDS = 2.0
"""How often the key is looked up again: what a revoked one follows ends within 5 s."""

LOOKS_A_WORD = 6
"""After so many looks something is sent that says nothing, lest a proxy takes the stream for dead."""

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


async def recheck(gate: Gate, secret: bytes | None) -> None:
    """Look a key up again; raise an UNAUTHENTICATED refusal if nobody has it any more."""
    # While the database is away nobody is told anything, and nobody need be sent away.
    with suppress(Unavailable, TimedOut):
        await gate.recheck(secret)


def cut(scope: Scope) -> None:
    """Cut a connection off: what it has not taken yet is thrown away."""
    cut_off = scope.get("state", {}).get(CUT)
    if cut_off is not None:
        cut_off()


async def stream(
    payloads: AsyncGenerator[Payload, None],
    receive: Receive,
    send: Send,
    still_may: Callable[[], Awaitable[object]],
    send_seconds_max: float,
    cut_off: Callable[[], None],
) -> None:
    """Send what comes until it ends, the client leaves, or its key works no more.

    Raise TooSlow where the client does not take what it is sent; it is cut off then.
    """
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    gone = asyncio.create_task(_gone(receive))
    try:
        async with aclosing(_pieces(payloads, gone, still_may)) as pieces:
            async for piece in pieces:
                try:
                    async with asyncio.timeout(send_seconds_max):
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                except TimeoutError:
                    cut_off()
                    # Else the server would find half an answer, and call that a fault of ours.
                    await asyncio.wait({gone}, timeout=CUT_SECONDS_MAX)
                    raise TooSlow from None
        await send({"type": "http.response.body", "body": b""})
    finally:
        gone.cancel()


class TooSlow(Exception):
    """A client that does not take what it is sent."""


async def _pieces(
    payloads: AsyncGenerator[Payload, None],
    gone: asyncio.Task[None],
    still_may: Callable[[], Awaitable[object]],
) -> AsyncGenerator[bytes, None]:
    coming = asyncio.create_task(_next(payloads))
    looks = 0
    try:
        # At once, so that the client knows that it is connected.
        yield b":\n\n"
        due = time.monotonic() + RECHECK_SECONDS
        while not gone.done():
            rest = max(0.0, due - time.monotonic())
            await asyncio.wait({gone, coming}, timeout=rest, return_when=FIRST_COMPLETED)
            # However much there is to tell.
            if time.monotonic() >= due:
                await still_may()
                due = time.monotonic() + RECHECK_SECONDS
                looks += 1
                if looks % LOOKS_A_WORD == 0:
                    yield b":\n\n"
            if coming.done():
                payload = coming.result()
                if payload is None:
                    yield b"event: complete\ndata:\n\n"
                    return
                yield b"event: next\ndata: %b\n\n" % payload
                coming = asyncio.create_task(_next(payloads))
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
