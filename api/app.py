"""The composition root: settings, clock and ids in, a running application out."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from opentelemetry.trace import TracerProvider
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import graph_door
from api.doors import Doors, routes
from api.edge import Answering, Edge
from api.errors import unavailable
from api.graph import registry
from api.graph.execute import Graph
from api.graph.live import Live
from api.graph.persisted import Registered
from api.graph_door import GraphDoor
from api.intake import Intake
from api.observe import Metrics
from api.pages import pages
from api.room import Room
from api.service import Opened, Service
from api.settings import PREFIX, Misconfigured, Settings
from api.sockets import Sockets
from api.traces import Traces
from ingest.tails import Tails
from models.values import Micros

_PREFLIGHT_SECONDS = 7_200
_EXPOSED = ("X-Request-Id", "Retry-After")
_PAGES = ("/", "/docs", "/graphiql", "/healthz", "/readyz", "/metrics", "/openapi.json")


def now_micros() -> Micros:
    """Return the time of this machine."""
    return time.time_ns() // 1_000


def random_id() -> str:
    """Return an id that nobody had before."""
    return secrets.token_hex(16)


class App:
    """The application as a server runs it."""

    def __init__(self, service: Service, serve: ASGIApp) -> None:
        self.service = service
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's own beginning and end."""
        if scope["type"] == "lifespan":
            await self._serve(scope, receive, self._in_a_line(send))
        else:
            await self._serve(scope, receive, send)

    def _in_a_line(self, send: Send) -> Send:
        """Spare the server the traceback of what was said already."""

        async def spare(message: Message) -> None:
            if self.service.refused_to_start is not None:
                message["message"] = ""
            await send(message)

        return spare


def create_app(
    settings: Settings,
    *,
    clock: Callable[[], Micros] = now_micros,
    new_id: Callable[[], str] = random_id,
    metrics: Metrics | None = None,
    tracer_provider: TracerProvider | None = None,
) -> App:
    """Return the application of these settings. It opens its database, which is at head, when it starts."""
    metrics = metrics or Metrics()
    traces = _traces(settings, clock, tracer_provider)
    service = Service(settings, clock, metrics, traces)
    secret = settings.webhook_secret
    doors = Doors(
        service.opened,
        Intake(settings.body_limits),
        clock=clock,
        webhook_secret=secret.get_secret_value().encode() if secret else None,
        count=metrics.receipt,
    )

    live = _Live(settings, service, clock, new_id, metrics, traces)
    room = Room(settings.live_limits)
    metrics.live.watch(
        *(lambda: room.connected, lambda: room.handshakes),
        *(lambda: room.subscriptions, live.remembered),
    )
    body_bytes_max = settings.graph_limits.body_bytes_max
    bodies = Intake(replace(settings.body_limits, body_bytes_max=body_bytes_max))
    graph = GraphDoor(service.opened, live, room, bodies, clock)
    sockets = Sockets(
        *(service.opened, live, room, settings.cors_origins),
        *(clock, new_id, metrics),
    )

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with traces.running() if traces else nullcontext(), service.running():
            yield

    rest = pages(service, metrics, lifespan, _version())
    dispatcher = _Dispatcher(doors, graph, sockets, rest, settings.cors_origins)
    edge = Edge(dispatcher, metrics, new_id)
    return App(service, edge if traces is None else traces.around(edge))


class _Live:
    """What answers GraphQL while the application is open."""

    def __init__(
        self,
        settings: Settings,
        service: Service,
        clock: Callable[[], Micros],
        new_id: Callable[[], str],
        metrics: Metrics,
        traces: Traces | None,
    ) -> None:
        self._metrics = metrics
        self._traces = traces
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._registered = registered_documents(settings)
        self._live: Live | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        service.when_open(self._open)
        service.when_draining(self._close)

    def __call__(self) -> Live:
        """Return what answers; raise an UNAVAILABLE refusal before there is anything."""
        if self._live is None:
            raise unavailable("GraphQL is starting: send it again", retry_after_seconds=1)
        return self._live

    def remembered(self) -> int:
        """Return how many customers are remembered as matching."""
        return 0 if self._live is None else self._live.remembered

    def _open(self, opened: Opened) -> None:
        settings = self._settings
        graph = Graph(
            opened.database,
            opened.ingest,
            settings.graph_limits,
            queries=opened.queries,
            notes=opened.notes,
            requests_per_minute=settings.requests_per_minute,
            registered=self._registered,
            indexes=opened.indexes,
            message_bytes_max=settings.message_bytes_max,
            new_id=self._new_id,
            metrics=self._metrics,
            traces=self._traces,
        )
        self._loop = asyncio.get_running_loop()
        # A replica is behind: what is told of an event is read where the event is.
        tails = Tails(opened.database)
        self._live = Live(graph, tails, self._clock, settings.live_limits)

    def _close(self) -> None:
        """Let those who follow go elsewhere. A signal may call this, between any two steps."""
        if self._loop is not None and self._live is not None:
            asyncio.run_coroutine_threadsafe(self._live.tails.close(), self._loop)


def _traces(
    settings: Settings, clock: Callable[[], Micros], given: TracerProvider | None
) -> Traces | None:
    if given is not None:
        return Traces(clock, given)
    if not settings.traces:
        return None
    from api import sending  # noqa: PLC0415 (an extra)

    provider = sending.provider()
    return Traces(clock, provider, provider.force_flush)


def registered_documents(settings: Settings) -> Registered | None:
    """Return the documents that alone may run, None where all may; raise Misconfigured."""
    path = settings.graphql_documents
    if path is None:
        return None
    try:
        return registry.load(path, settings.graph_limits)
    except registry.Unreadable as error:
        raise Misconfigured(f"{PREFIX}GRAPHQL_DOCUMENTS: {error}") from None


class _Dispatcher:
    """Sends each path to what serves it. It stands before FastAPI's router, which takes 80 microseconds."""

    def __init__(
        self,
        doors: ASGIApp,
        graph: ASGIApp,
        sockets: ASGIApp,
        rest: ASGIApp,
        origins: Sequence[str],
    ) -> None:
        self._sockets = sockets
        self._doors = Answering(doors)
        # Write keys are public by nature: any page may send events.
        self._doors_for_pages = _for_pages(self._doors, ["*"], methods=["POST"], fields=["*"])
        methods, fields = ["GET", "POST"], ["Authorization", "Content-Type"]
        self._graph = Answering(graph, graphql=True)
        self._graph_for_pages = _for_pages(self._graph, origins, methods=methods, fields=fields)
        self._rest = _for_pages(rest, origins, methods=methods, fields=fields)
        self._names = {path: route.name for path, route in routes().items()}
        self._pages = frozenset(_PAGES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            name = self._names.get(path)
            if name is not None:
                scope["calyx.route"] = name
                serve = self._doors_for_pages if _of_a_page(scope) else self._doors
                await serve(scope, receive, send)
                return
            if path == graph_door.PATH:
                scope["calyx.route"] = path
                # What answers a GET may be kept, and must then say that it varies.
                plain = scope["method"] == "POST" and not _of_a_page(scope)
                serve = self._graph if plain else self._graph_for_pages
                await serve(scope, receive, send)
                return
            if path in self._pages:
                scope["calyx.route"] = path
        elif scope["type"] == "websocket" and scope["path"] == graph_door.PATH:
            await self._sockets(scope, receive, send)
            return
        await self._rest(scope, receive, send)


def _of_a_page(scope: Scope) -> bool:
    """Return whether a browser asks on behalf of a page; of all others CORS wants nothing."""
    return any(field == b"origin" for field, _ in scope["headers"])


def _for_pages(
    app: ASGIApp, origins: Sequence[str], *, methods: Sequence[str], fields: Sequence[str]
) -> ASGIApp:
    """Return the application, open to pages of these origins. There are no cookies to protect."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=methods,
        allow_headers=fields,
        expose_headers=_EXPOSED,
        max_age=_PREFLIGHT_SECONDS,
    )


def _version() -> str:
    try:
        return version("calyx-cdp")
    except PackageNotFoundError:
        return "0"
