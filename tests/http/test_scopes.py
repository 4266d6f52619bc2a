"""Every route says which scope it needs, and no other key gets through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.routing import Route

from api import graph_door
from api.auth import Scope
from api.doors import routes
from api.observe import Metrics
from api.pages import pages
from api.service import Service
from tests.http.running import Calyx, settings

OPEN = {"/", "/docs", "/graphiql", "/healthz", "/readyz", "/metrics", "/openapi.json"}
"""What anybody may see."""

NEEDED = (
    dict.fromkeys((path for path in routes() if "explain" not in path), Scope.INGEST)
    | dict.fromkeys((path for path in routes() if "explain" in path), Scope.READ)
    | {graph_door.PATH: Scope.READ}
)
"""The scope that each route needs. One that is new must be declared here or above."""

BODY = {"type": "track", "event": "x", "userId": "u", "query": "{ __typename }"}


def may(key: Scope, needed: Scope) -> bool:
    return key in {needed, Scope.ADMIN}


def test_each_route_says_who_may_come(sqlite_url: str) -> None:
    service = Service(settings(sqlite_url), lambda: 0, Metrics())

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield

    routing = pages(service, Metrics(), lifespan, "0").routes
    found = {route.path for route in routing if isinstance(route, Route)}
    assert len(found) == len(routing), "a mount has no path of its own: say who may come"
    assert found | routes().keys() | {graph_door.PATH} == OPEN | NEEDED.keys()


@pytest.mark.parametrize("key", Scope)
async def test_each_route_lets_in_those_it_says_and_nobody_else(calyx: Calyx, key: Scope) -> None:
    for path, needed in NEEDED.items():
        answer = await calyx.post(path, json=BODY, headers=calyx.key(key))
        assert (answer.status_code != 403) is may(key, needed), (path, answer.text)
        assert answer.status_code in {200, 400, 403}, (path, answer.text)
    for path in OPEN:
        assert (await calyx.client.get(path)).status_code == 200, path
