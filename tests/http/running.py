"""A whole Calyx in this process, as the tests of HTTP talk to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import httpx

from api import keys
from api.app import App, create_app
from api.auth import Scope
from api.keys import Wanted
from api.settings import Settings
from models.database import Database, sqlite_path
from models.values import Workspace
from tests.http.serving import NODES

NOON = 1_795_435_200_000_000
"""23 November 2026, 12:00 UTC: shortly before the recorded requests were sent."""


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self, micros: int = NOON) -> None:
        self.micros = micros

    def __call__(self) -> int:
        return self.micros

    def forward(self, seconds: float) -> None:
        self.micros += round(seconds * 1e6)


@dataclass
class Calyx:
    """A Calyx that is open somewhere, a client of it, its database and a key of each scope."""

    client: httpx.AsyncClient
    database: Database
    workspace: Workspace
    secrets: Mapping[Scope, str]

    def key(self, *scopes: Scope) -> dict[str, str]:
        """Return the header that carries a key of this scope."""
        return {"Authorization": f"Bearer {self.secrets[scopes[0] if scopes else Scope.INGEST]}"}

    async def post(self, path: str, **given: Any) -> httpx.Response:
        given.setdefault("headers", self.key())
        return await self.client.post(path, **given)

    async def stored(self) -> list[dict[str, Any]]:
        """Return the bodies in the log, in order of acceptance."""
        rows = await self.database.read("select body from events order by id")
        return [httpx.Response(200, content=body).json() for (body,) in rows]


@dataclass
class Running(Calyx):
    """One of this process, whose application and clock the test has in its hands."""

    app: App
    clock: Clock


Open = Callable[..., AbstractAsyncContextManager[Calyx]]
"""Opens a Calyx with settings."""


async def at_hand(database: Database, client: httpx.AsyncClient) -> Calyx:
    """Return a Calyx, with keys of a workspace that are new."""
    tenant, _ = await keys.ensure_workspace(database, "default", NOON)
    secrets = {scope: await a_key(database, tenant.workspace, scope) for scope in Scope}
    return Calyx(client, database, tenant.workspace, secrets)


def settings(url: str, **given: Any) -> Settings:
    """Return settings that do not look at `.env`."""
    return Settings(_env_file=None, database_url=url, **given)


class _Balancer(httpx.AsyncBaseTransport):
    """Sends each request to the next application, as a balancer before nodes does."""

    def __init__(self, apps: list[App]) -> None:
        self._next = cycle([httpx.ASGITransport(app, raise_app_exceptions=False) for app in apps])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await next(self._next).handle_async_request(request)


@asynccontextmanager
async def a_calyx(url: str, nodes: int = NODES, **given: Any) -> AsyncIterator[Running]:
    """Open applications on a migrated database without keys; requests go to one after the other.

    Where one process alone may write there is one. Tests of what each counts for itself ask for one.
    """
    clock = Clock()
    count = nodes if sqlite_path(url) is None else 1
    apps = [create_app(settings(url, **given), clock=clock) for _ in range(count)]
    async with AsyncExitStack() as stack:
        for app in apps:
            await stack.enter_async_context(app.service.running())
        transport = _Balancer(apps)
        async with httpx.AsyncClient(transport=transport, base_url="http://calyx.test") as client:
            found = await at_hand(apps[0].service.opened().database, client)
            yield Running(**vars(found), app=apps[0], clock=clock)


async def a_key(
    database: Database, workspace: Workspace, *scopes: Scope, expires_at: int | None = None
) -> str:
    """Return the secret of a new key."""
    wanted = Wanted("for a test", frozenset(scopes), expires_at)
    return (await keys.create(database, workspace, wanted, now=NOON)).secret


Receive = Callable[[], Awaitable[dict[str, Any]]]


async def raw(
    app: Any, path: str, receive: Receive, headers: Mapping[str, str], method: str = "POST"
) -> list[dict[str, Any]]:
    """Send a request piece by piece, as `receive` gives it; return what the application sent."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": fields,
    }
    await app(scope, receive, send)
    return sent
