"""The outermost layers: every request gets an id, a log line and an answer, whatever happens within."""

from __future__ import annotations

import re
from collections.abc import Callable
from time import perf_counter

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers import refuse
from api.errors import Code, Refusal, unavailable
from api.intake import Gone
from api.observe import Metrics, where
from models.database import TimedOut, Unavailable

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_GONE = 499
"""What the log says of a client that left before it could be answered."""

log = structlog.get_logger()


class Edge:
    """Wraps an application: each request gets an id, a metric and a log line."""

    def __init__(self, inner: ASGIApp, metrics: Metrics, new_id: Callable[[], str]) -> None:
        self._inner = inner
        self._metrics = metrics
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        started = perf_counter()
        request_id = self._request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = _GONE
        whole = False

        async def send_marked(message: Message) -> None:
            nonlocal status, whole
            if message["type"] == "http.response.start":
                status = message["status"]
                fields = message.get("headers", ())
                message["headers"] = [*fields, (b"x-request-id", request_id.encode())]
            elif message["type"] == "http.response.body":
                whole = not message.get("more_body", False)
            await send(message)

        try:
            await self._inner(scope, receive, send_marked)
        except Exception:
            # Starlette answers and raises again. What is answered is done; half an answer must break off.
            if not whole:
                raise
        finally:
            self._note(scope, status, perf_counter() - started, request_id)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
                given: bytes = value
                return given.decode()
        return self._new_id()

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        method = scope["method"]
        self._metrics.request(scope.get("calyx.route", "other"), method, status, seconds)
        # Without the query string: GraphQL over GET has its variables there.
        log.info(
            "request",
            method=method,
            path=scope["path"],
            status=status,
            ms=round(seconds * 1e3, 1),
            id=request_id,
        )


class Answering:
    """Wraps an application: what is raised in it is answered, and tells nobody more than it should."""

    def __init__(self, inner: ASGIApp, *, graphql: bool = False) -> None:
        self._inner = inner
        self._graphql = graphql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started = False

        async def send_seen(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._inner(scope, receive, send_seen)
        except Gone:
            # Nobody is there to be answered.
            return
        except Exception as error:
            refusal = refusal_of(error, scope["state"]["request_id"])
            if started:
                raise
            await refuse(send, refusal, graphql=self._graphql)


def refusal_of(error: Exception, request_id: str) -> Refusal:
    """Return what the caller is told of an exception; one that is our fault goes into the log, once."""
    match error:
        case Refusal():
            return error
        case Unavailable():
            return unavailable(str(error), retry_after_seconds=1)
        case TimedOut():
            return unavailable("the database is too slow now: send it again", retry_after_seconds=2)
        case _:
            log.error("failed", id=request_id, **where(error))
            return Refusal(
                Code.INTERNAL,
                f"this is our fault, not yours; the log has more under id {request_id}",
            )
