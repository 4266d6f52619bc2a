"""WebSocket in: /graphql, as the protocol graphql-transport-ws has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NoReturn

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from api import auth
from api.auth import Caller
from api.edge import refusal_of
from api.errors import Code, Refusal, graphql_code
from api.event_stream import RECHECK_SECONDS, cut, recheck
from api.graph.live import Live, Refused
from api.graph.request import GraphRequest
from api.observe import Metrics
from api.room import Room
from api.service import Opened
from ingest.tails import Closed
from models.database import TimedOut, Unavailable
from models.values import Micros

PROTOCOL = "graphql-transport-ws"
_REASON_BYTES_MAX = 120
_ID_CHARACTERS_MAX = 256
_CLOSE_SECONDS_MAX = 1.0

log = structlog.get_logger()


class Message(msgspec.Struct):
    """What a client sends."""

    type: str
    id: str | None = None
    payload: msgspec.Raw = msgspec.Raw()


class Closing(Exception):
    """A socket that is closed by us: with the protocol's code, and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@dataclass
class Sockets:
    """The ASGI application behind the WebSocket of `/graphql`."""

    service: Callable[[], Opened]
    live: Callable[[], Live]
    room: Room
    origins: Sequence[str]
    clock: Callable[[], Micros]
    new_id: Callable[[], str]
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket."""
        await receive()
        headers = dict(scope["headers"])
        if not self._is_ours(headers):
            # Not accepted at all, which the server tells as 403.
            await send({"type": "websocket.close", "code": 4403})
            return
        offered = PROTOCOL in scope["subprotocols"]
        await send({"type": "websocket.accept", "subprotocol": PROTOCOL if offered else None})
        socket = _Socket(self, receive, send, headers.get(b"authorization"))
        try:
            await socket.serve(offered=offered)
        except _Gone:
            return
        except Closing as closing:
            await _close(scope, send, closing, socket.id)
        except Exception as error:  # noqa: BLE001 (the outermost edge of a socket)
            told = refusal_of(error, socket.id).message
            await _close(scope, send, Closing(4500, told), socket.id)

    def _is_ours(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether no page of another origin asks; a key in a header could not be one's either."""
        origin = headers.get(b"origin")
        if origin is None or origin.decode("latin-1") in self.origins:
            return True
        return origin.partition(b"://")[2] == headers.get(b"host")


async def _close(scope: Scope, send: Send, closing: Closing, socket_id: str) -> None:
    log.info("socket_closed", code=closing.code, why=closing.reason, id=socket_id)
    reason = closing.reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore")
    with suppress(OSError):
        try:
            async with asyncio.timeout(_CLOSE_SECONDS_MAX):
                await send({"type": "websocket.close", "code": closing.code, "reason": reason})
        except TimeoutError:
            # A client that takes nothing does not take this either.
            cut(scope)


class _Gone(Exception):
    """The client has left."""


@dataclass
class _Socket:
    """One socket under way."""

    sockets: Sockets
    receive: Receive
    send: Send
    header: bytes | None
    secret: bytes | None = None
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.id = self.sockets.new_id()
        self._turn = asyncio.Lock()
        self._ended: asyncio.Future[NoReturn] = asyncio.get_running_loop().create_future()

    async def serve(self, *, offered: bool) -> None:
        """Serve until the client leaves; raise Closing where we part with it."""
        if not offered:
            raise Closing(4406, f"Subprotocol not acceptable: offer {PROTOCOL}")
        with ExitStack() as stack:
            try:
                with self.sockets.room.waiting():
                    caller = await self._initialised()
                stack.enter_context(self.sockets.room.place(caller))
            except (Refusal, Unavailable, TimedOut) as error:
                raise _closing(refusal_of(error, self.id)) from None
            await self._put({"type": "connection_ack"})
            tasks: set[asyncio.Future[Any]] = {
                asyncio.create_task(self._listen()),
                asyncio.create_task(self._recheck()),
                self._ended,
            }
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()
            finally:
                await _cancel([*tasks, *self.running.values()])

    async def _initialised(self) -> Caller:
        seconds = self.sockets.room.limits.init_seconds_max
        try:
            async with asyncio.timeout(seconds):
                message = await self._next()
                while message.type in {"ping", "pong"}:
                    await self._answer_ping(message)
                    message = await self._next()
        except TimeoutError:
            raise Closing(4408, "Connection initialisation timeout") from None
        if message.type == "subscribe":
            raise Closing(4401, "Unauthorized: send connection_init first")
        if message.type != "connection_init":
            raise Closing(4400, f"{message.type[:20]} is not for the beginning")
        self.secret = auth.key_in_header(_authorization(message.payload) or self.header)
        return await self.sockets.service().gate.admit(self.secret)

    async def _listen(self) -> None:
        while True:
            message = await self._next()
            match message.type:
                case "subscribe":
                    self._begin(message)
                case "complete":
                    task = self.running.pop(message.id or "", None)
                    if task is not None:
                        task.cancel()
                case "ping" | "pong":
                    await self._answer_ping(message)
                case "connection_init":
                    raise Closing(4429, "Too many initialisation requests")
                case _:
                    raise Closing(4400, "this type of message is not known")

    def _begin(self, message: Message) -> None:
        name = message.id
        if not name or len(name) > _ID_CHARACTERS_MAX or not bytes(message.payload):
            raise Closing(4400, "subscribe needs an `id` and a `payload`")
        if name in self.running:
            raise Closing(4409, f"Subscriber for {name} already exists")
        most = self.sockets.room.limits.subscriptions_max
        if len(self.running) >= 2 * most:
            # It was told so of each of them, and does not listen.
            raise Closing(4429, "Too many operations")
        work = self._operate(name, bytes(message.payload), full=len(self.running) >= most)
        task = asyncio.create_task(work)
        self.running[name] = task
        task.add_done_callback(lambda done: self._end(name, done))

    def _end(self, name: str, done: asyncio.Task[None]) -> None:
        if self.running.get(name) is done:
            del self.running[name]
        if not done.cancelled() and (error := done.exception()) and not self._ended.done():
            self._ended.set_exception(error)

    async def _operate(self, name: str, body: bytes, *, full: bool) -> None:
        """Run one operation and send what it answers."""
        sockets = self.sockets
        try:
            caller = await self._admitted(full=full)
            request = GraphRequest(caller, sockets.clock(), sockets.new_id(), body=body)
            if sockets.live().is_subscription(request):
                await self._subscribe(name, request)
            elif not await self._ask(name, request):
                return
        except (Closing, _Gone):
            raise
        except Closed:
            raise Closing(1012, "Calyx stops: come again, with `after`") from None
        except Refused as refused:
            await self._put({"type": "error", "id": name, "payload": refused.errors})
        except Exception as error:  # noqa: BLE001 (the outermost edge of an operation)
            refusal = refusal_of(error, self.id)
            if refusal.code is Code.UNAUTHENTICATED:
                raise _closing(refusal) from None
            code = {"code": graphql_code(refusal.code)}
            payload = [{"message": refusal.message, "extensions": code}]
            await self._put({"type": "error", "id": name, "payload": payload})
        else:
            await self._put({"type": "complete", "id": name})

    async def _admitted(self, *, full: bool) -> Caller:
        most = self.sockets.room.limits.subscriptions_max
        if full:
            raise Refusal(Code.RATE_LIMITED, f"{most} operations are under way here: end one")
        return await self.sockets.service().gate.admit(self.secret)

    async def _subscribe(self, name: str, request: GraphRequest) -> None:
        sockets = self.sockets
        payloads = sockets.live().payloads(request)
        with sockets.room.subscription():
            try:
                async for payload in payloads:
                    await self._put({"type": "next", "id": name, "payload": msgspec.Raw(payload)})
                    sockets.metrics.live.told()
            finally:
                await payloads.aclose()

    async def _ask(self, name: str, request: GraphRequest) -> bool:
        """Answer a query or a mutation; return whether it was one that could run."""
        # A statement of fact is not given up half-way.
        answer = await asyncio.shield(self.sockets.live().answer(request))
        parts = msgspec.json.decode(answer.body, type=dict[str, msgspec.Raw])
        if "data" in parts:
            await self._put({"type": "next", "id": name, "payload": msgspec.Raw(answer.body)})
            return True
        await self._put({"type": "error", "id": name, "payload": parts["errors"]})
        return False

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            try:
                await recheck(self.sockets.service().gate, self.secret)
            except Refusal as refusal:
                raise _closing(refusal) from None

    async def _answer_ping(self, message: Message) -> None:
        if message.type == "ping":
            await self._put({"type": "pong"})

    async def _next(self) -> Message:
        received = await self.receive()
        if received["type"] == "websocket.disconnect":
            raise _Gone
        text = received.get("text")
        try:
            return msgspec.json.decode(text if text is not None else b"", type=Message)
        except (msgspec.DecodeError, RecursionError, ValueError):
            raise Closing(4400, "Invalid message received") from None

    async def _put(self, message: Mapping[str, Any]) -> None:
        seconds = self.sockets.room.limits.send_seconds_max
        text = msgspec.json.encode(message).decode()
        try:
            async with asyncio.timeout(seconds), self._turn:
                await self.send({"type": "websocket.send", "text": text})
        except TimeoutError:
            raise Closing(1013, "too slow to take what is sent: come again, with `after`") from None
        except OSError:
            raise _Gone from None


def _closing(refusal: Refusal) -> Closing:
    if refusal.code in {Code.UNAUTHENTICATED, Code.FORBIDDEN}:
        return Closing(4403, f"Forbidden: {refusal.message}")
    return Closing(1013, refusal.message)


def _authorization(payload: msgspec.Raw) -> bytes | None:
    """Return what stands for the header `Authorization` in the payload of `connection_init`."""
    try:
        given = msgspec.json.decode(bytes(payload) or b"null")
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    if not isinstance(given, dict):
        return None
    for name, value in given.items():
        if name.lower() == "authorization" and isinstance(value, str):
            return value.encode("utf-8", "replace")
    return None


async def _cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
