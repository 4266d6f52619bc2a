"""HTTP in: /graphql. Keys, bytes and time are checked here; what is asked is read by the graph."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping

import structlog
from starlette.types import Receive, Scope, Send

from api import auth, errors
from api.answers import answer
from api.errors import Code, Refusal
from api.event_stream import TooSlow, cut, recheck, stream, wants_events, wants_only_events
from api.graph.live import Live, Payload
from api.graph.request import Answer, GraphRequest, content_type
from api.intake import Intake
from api.room import Room
from api.service import Opened
from models.values import Micros

PATH = "/graphql"

log = structlog.get_logger()


class GraphDoor:
    """The ASGI application behind `/graphql`."""

    def __init__(
        self,
        service: Callable[[], Opened],
        live: Callable[[], Live],
        room: Room,
        intake: Intake,
        clock: Callable[[], Micros],
    ) -> None:
        self._service = service
        self._live = live
        self._room = room
        self._intake = intake
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        try:
            request = await self._request(scope, headers, receive)
            live = self._live()
            if wants_events(request.accept):
                if live.is_subscription(request):
                    with self._room.place(request.caller), self._room.subscription():
                        await self._stream(scope, receive, send, live.payloads(request))
                    return
                if wants_only_events(request.accept):
                    await self._stream(scope, receive, send, _one(live, request))
                    return
            given = await live.answer(request)
        except Refusal as refusal:
            given = _refused(refusal, headers)
        await answer(
            send, given.status, given.body, kind=given.content_type, headers=list(given.headers)
        )

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, payloads: AsyncGenerator[Payload, None]
    ) -> None:
        # It lasts as long as somebody looks at a page, which says nothing of how fast we are.
        scope["calyx.route"] = f"{PATH} live"
        gate, key = self._service().gate, _key(dict(scope["headers"]))
        seconds = self._room.limits.send_seconds_max
        try:
            await stream(
                *(payloads, receive, send, lambda: recheck(gate, key)),
                *(seconds, lambda: cut(scope)),
            )
        except TooSlow:
            # Half an answer breaks off, and the client comes again.
            log.warning("live_too_slow", seconds=seconds, id=scope["state"]["request_id"])

    async def _request(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> GraphRequest:
        method = scope["method"]
        if method not in {"GET", "POST"}:
            raise Refusal(
                Code.METHOD_NOT_ALLOWED,
                f"{method[:20]} is not for {PATH}: send POST, or GET for a query",
                headers=((b"allow", b"GET, POST"),),
            )
        caller = await self._service().gate.admit(_key(headers))
        return GraphRequest(
            caller=caller,
            received_at=self._clock(),
            request_id=scope["state"]["request_id"],
            method=method,
            body=await self._intake.read(headers, receive) if method == "POST" else b"",
            query_string=scope["query_string"],
            content_type=headers.get(b"content-type", b""),
            accept=headers.get(b"accept", b"*/*"),
        )


def _key(headers: Mapping[bytes, bytes]) -> bytes | None:
    return auth.key_in_header(headers.get(b"authorization"))


async def _one(live: Live, request: GraphRequest) -> AsyncGenerator[Payload, None]:
    yield (await live.answer(request)).body


def _refused(refusal: Refusal, headers: Mapping[bytes, bytes]) -> Answer:
    return Answer(
        refusal.code.value,
        content_type(headers.get(b"accept", b"*/*")),
        errors.graphql_body(refusal),
        tuple(errors.headers(refusal)),
    )
