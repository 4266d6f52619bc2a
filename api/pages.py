"""The routes for people and operators: front page, documentation, health, metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from strawberry.http.ides import get_graphql_ide_html

from api import errors, openapi, reference
from api.edge import refusal_of
from api.errors import Code
from api.observe import Metrics
from api.service import Phase, Service
from api.traces import UNTRACED
from models import migrate
from models.database import TimedOut, Unavailable
from models.migrate import Fit

TITLE = "Calyx"
SUMMARY = "An open, self-hosted customer-data API: Segment events in, GraphQL out."
_STATIC = Path(__file__).parent / "static"
# With its replica behind, everything is served, from the primary; and by an older version, too.
_WELCOME = {"ready", "lagging", "outdated"}


def pages(
    service: Service,
    metrics: Metrics,
    lifespan: Callable[[Any], AbstractAsyncContextManager[None]],
    version: str,
) -> FastAPI:
    """Return the application behind everything that is neither a door nor GraphQL."""
    # FastAPI's own documentation pages load from other hosts; ours do not. And no redirect, ever.
    app = FastAPI(
        title=TITLE,
        summary=SUMMARY,
        version=version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=UNTRACED,
    )
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's documented way
    app.exception_handler(HTTPException)(_refuse_unknown)
    app.exception_handler(Exception)(_refuse_failed)
    _add_pages(app)
    _add_health(app, service, metrics)
    return app


def _add_pages(app: FastAPI) -> None:
    front = (_STATIC / "index.html").read_text()
    explorer = _explorer()

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(front)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(reference.render(app.openapi()))

    @app.get("/graphiql", include_in_schema=False)
    async def graphiql() -> HTMLResponse:
        return HTMLResponse(explorer)


def _add_health(app: FastAPI, service: Service, metrics: Metrics) -> None:
    @app.get("/healthz", tags=["Operation"], summary="Answers as long as the process does.")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        tags=["Operation"],
        summary="Whether requests should come here: 200 when `ready`, `lagging` (a replica is left aside) or `outdated` (a newer version has migrated).",
        responses={
            503: {"description": "`starting`, `draining`, `stopped`, `broken` or `surpassed`."}
        },
    )
    async def readyz() -> JSONResponse:
        status, message = await _readiness(service)
        return JSONResponse(
            {"status": status, "message": message}, 200 if status in _WELCOME else 503
        )

    @app.get(
        "/metrics", tags=["Operation"], summary="Numbers for Prometheus.", response_class=Response
    )
    async def show_metrics() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _explorer() -> str:
    """Return Strawberry's explorer, asking `/graphql`, and saying what it needs where it cannot load."""
    page = get_graphql_ide_html("graphiql")
    notice = (
        "GraphiQL is loading from other hosts: this page needs the internet."
        " If it stays like this, send queries to /graphql with curl; / shows how."
    )
    return page.replace(">Loading...<", f">{notice}<").replace(
        'window.location.href.split("?")[0]', 'new URL("/graphql", window.location).href'
    )


async def _readiness(service: Service) -> tuple[str, str]:
    if service.phase is not Phase.READY:
        return service.phase.value, "send requests elsewhere, or wait"
    try:
        [(at,)] = await service.opened().database.read("select version_num from alembic_version")
    except (Unavailable, TimedOut) as error:
        return "broken", str(error)
    fit = migrate.fit(at)
    if fit is Fit.BEYOND:
        return "surpassed", migrate.beyond(at)
    replica = service.opened().replica
    if replica is not None and not replica.keeps_up:
        behind = replica.behind_s
        lag = "does not answer" if behind is None else f"is {behind:.1f} seconds behind"
        return "lagging", f"the replica {lag}: queries read the primary until it keeps up"
    if fit is Fit.AHEAD:
        return (
            "outdated",
            f"a newer version migrated to {at}: requests are welcome until it is here",
        )
    return "ready", "requests are welcome"


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        spec = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        app.openapi_schema = openapi.describe(spec)
    return app.openapi_schema


async def _refuse_unknown(request: Request, error: HTTPException) -> JSONResponse:
    path = request.url.path[:200]
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        code, message = Code.METHOD_NOT_ALLOWED, f"{request.method[:20]} is not for {path}"
    else:
        code, message = Code.NOT_FOUND, f"nothing is at {path}: / lists what is here"
    return JSONResponse({"code": code.name, "message": message}, code.value, error.headers)


async def _refuse_failed(request: Request, error: Exception) -> Response:
    refusal = refusal_of(error, request.state.request_id)
    return Response(errors.body(refusal), refusal.code.value, media_type="application/json")
