"""Spans for OpenTelemetry: requests are FastAPI's own, commits are ours; what operations do is in `api.graph.spans`.

No span says what somebody sent: no body, no text or variables of a document, no query string.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from threading import Thread

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from opentelemetry.trace import TracerProvider
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.observe import METHODS
from ingest.accept import Committed
from models.values import Micros

UNTRACED = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
"""FastAPI without telemetry: by itself it would write query strings and texts of exceptions."""

_LOOKED_AT = {"/healthz", "/readyz", "/metrics"}
"""What monitoring asks for all the time; nobody looks for traces of that."""

_STARTED = "http.response.start"

FLUSH_SECONDS_MAX = 1.0
"""How long the last spans may take on the way out: a collector that is gone must not keep us from ending."""


class Traces:
    """The spans of one application, which `provider` makes; `flush` sends what is left, however long that takes."""

    def __init__(
        self,
        clock: Callable[[], Micros],
        provider: TracerProvider,
        flush: Callable[[], object] = lambda: None,
    ) -> None:
        self.provider = provider
        self._flush = flush
        self._clock = clock
        self._tracer = provider.get_tracer("calyx")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send on the way out what is left, as far as that is possible in time."""
        try:
            yield
        finally:
            done, loop = asyncio.Event(), asyncio.get_running_loop()

            def flush() -> None:
                self._flush()
                # Where it took too long nobody waits any more.
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(done.set)

            # A daemon, whom nobody has to wait for.
            Thread(target=flush, name="calyx-traces", daemon=True).start()
            with suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS_MAX):
                    await done.wait()

    def around(self, serve: ASGIApp) -> ASGIApp:
        """Return the application with a span for each request."""
        telemetry = UNTRACED | TelemetryConfig(
            tracing=True, tracer_provider=self.provider, exclude=_is_excluded
        )
        outer = FastAPI(openapi_url=None, telemetry=telemetry)
        # Its router is never asked: paths have been dispatched by then.
        outer.add_middleware(lambda _router: _named(serve))

        async def traced(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                # GraphQL by GET has its variables there, and FastAPI would put them into the span.
                scope["calyx.query_string"] = scope["query_string"]
                scope["query_string"] = b""
            await outer(scope, receive, send)

        return traced

    def commit(self, committed: Committed) -> None:
        """Put a span of the commit into the trace of each request that shared it."""
        end = self._clock() * 1_000
        start = end - round(committed.seconds * 1e9)
        attributes = {
            "calyx.commit.messages": committed.messages,
            "calyx.commit.requests": committed.requests,
        }
        start_span = self._tracer.start_span
        for context in committed.contexts:
            span = context.run(start_span, "commit", start_time=start, attributes=attributes)
            span.end(end)


def _is_excluded(scope: Scope) -> bool:
    # A WebSocket lasts for days, and its span is told of at its end: what is asked in it is by itself.
    return scope["type"] == "websocket" or scope["path"] in _LOOKED_AT


def _named(serve: ASGIApp) -> ASGIApp:
    """Return the application, naming the span of each request by its route once that is known."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await serve(scope, receive, send)
            return
        scope["query_string"] = scope.pop("calyx.query_string")
        span = trace.get_current_span()

        async def send_named(message: Message) -> None:
            if message["type"] == _STARTED:
                route = scope.get("calyx.route", "other")
                method = scope["method"] if scope["method"] in METHODS else "HTTP"
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("calyx.request_id", scope["state"]["request_id"])
            await send(message)

        await serve(scope, receive, send_named)

    return named
