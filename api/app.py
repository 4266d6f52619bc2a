"""The composition root: settings, clock and ids in, a running application out."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import graph_door
from api.doors import Doors, routes
from api.edge import Answering, Edge
from api.graph import registry
from api.graph.execute import Graph
from api.graph.persisted import Registered
from api.graph_door import GraphDoor
from api.intake import Intake
from api.observe import Metrics
from api.pages import pages
from api.service import Opened, Service
from api.settings import PREFIX, Misconfigured, Settings
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
) -> App:
    """Return the application of these settings. It opens its database, which is at head, when it starts."""
    metrics = metrics or Metrics()
    service = Service(settings, clock, metrics)
    secret = settings.webhook_secret
    doors = Doors(
        service.opened,
        Intake(settings.body_limits),
        clock=clock,
        webhook_secret=secret.get_secret_value().encode() if secret else None,
        count=metrics.receipt,
    )

    graph = _graph_door(settings, service, clock, new_id)
    service.when_open(graph.open)

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        async with service.running():
            yield

    rest = pages(service, metrics, lifespan, _version())
    dispatcher = _Dispatcher(doors, graph, rest, settings.cors_origins)
    return App(service, Edge(dispatcher, metrics, new_id))


def _graph_door(
    settings: Settings,
    service: Service,
    clock: Callable[[], Micros],
    new_id: Callable[[], str],
) -> GraphDoor:
    limits = settings.graph_limits
    body_limits = replace(settings.body_limits, body_bytes_max=limits.body_bytes_max)
    registered = registered_documents(settings)

    def make(opened: Opened) -> Graph:
        return Graph(
            opened.database,
            opened.ingest,
            limits,
            queries=opened.queries,
            notes=opened.notes,
            requests_per_minute=settings.requests_per_minute,
            registered=registered,
            indexes=opened.indexes,
            message_bytes_max=settings.message_bytes_max,
            new_id=new_id,
        )

    return GraphDoor(service.opened, make, Intake(body_limits), clock)


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
        self, doors: ASGIApp, graph: ASGIApp, rest: ASGIApp, origins: Sequence[str]
    ) -> None:
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
