"""The command `serve`: migrate, make the first key, load the demo if asked, listen."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated, Any

import typer
import uvicorn

from api import cli_demo, keys, observe, terminal
from api.app import App, create_app
from api.settings import PREFIX, Misconfigured, Settings, load
from models.database import open_database, spare_memory_statistics

GRACE_SECONDS = 8
"""How long requests under way may take once we are told to stop; supervisors kill after 10."""


def settings_help() -> str:
    """Return a paragraph on each setting, for the end of a help text."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in {None, ()} else f" Default: {field.default}."
        lines.append(f"`{PREFIX}{name.upper()}` {field.description}{default}")
    head = (
        "**Settings** are environment variables, also read from `.env`; an option goes before them."
    )
    return "\n\n".join([head, *lines])


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Else CALYX_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, 0 for any. Else CALYX_PORT.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes. Else CALYX_WORKERS. SQLite has room for one.")
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="Load half a year of a small company first, and print keys and a query to try.",
        ),
    ] = False,
) -> None:
    """Bring the database to this version and serve.

    The first start on an empty database makes workspace `default` and prints an admin key, once, unless
    CALYX_ADMIN_KEY is set. SIGTERM and Ctrl+C stop accepting, finish what is under way, and exit 0.
    """
    given = {"host": host, "port": port, "workers": workers}
    settings = load(**{name: value for name, value in given.items() if value is not None})
    # Before any database is open in this process: SQLite takes the setting only then.
    spare_memory_statistics()
    observe.set_up_logs(settings.log_format, settings.log_level)
    asyncio.run(_prepare(settings, first_key=not demo))
    greeting = asyncio.run(cli_demo.load_demo(settings)) if demo else _plain_greeting
    if settings.workers > 1:
        typer.echo(greeting(f"http://{settings.host}:{settings.port}"))
        uvicorn.run("api.cli_serve:worker", factory=True, **_options(settings))
        return
    server = Server(settings, create_app(settings), greeting)
    # What keeps it from starting it has logged by then, and it exits with a number of its own.
    with suppress(SystemExit):
        server.run()
    if not server.started:
        raise Misconfigured(
            f"did not start at {settings.host}, port {settings.port}, as said above;"
            " if the port is taken, try --port"
        )


def worker() -> App:
    """Return the application of one of several processes, which has only the environment to go by."""
    settings = load()
    observe.set_up_logs(settings.log_format, settings.log_level)
    return create_app(settings)


class Server(uvicorn.Server):
    """Uvicorn, but it says when it listens, tells the application when it stops, and exits 0."""

    def __init__(self, settings: Settings, app: App, greeting: Callable[[str], str]) -> None:
        super().__init__(uvicorn.Config(app, **_options(settings)))
        self._app = app
        self._greeting = greeting

    async def startup(self, sockets: Any = None) -> None:
        """Open everything, listen, and say so."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            typer.echo(self._greeting(f"http://{f'[{host}]' if ':' in host else host}:{port}"))
            sys.stdout.flush()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        self._app.service.drain()
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that ask to stop; once stopped, that is all: uvicorn would die of them."""
        before = {
            each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "loop": "uvloop",
        "http": "httptools",
        "lifespan": "on",
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "ws_max_size": settings.graphql_body_bytes_max,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }


async def _prepare(settings: Settings, *, first_key: bool) -> None:
    await terminal.bring_up(settings, upgrade=True)
    database = await open_database(settings.database_url, readers=1)
    try:
        admin_key = settings.admin_key.get_secret_value() if settings.admin_key else None
        new = await keys.ensure_default(database, terminal.now(), admin_key, first_key=first_key)
    finally:
        await database.close()
    if new is not None:
        typer.echo(f"The first admin key, shown this once:\n\n    {new.secret}\n")
        sys.stdout.flush()


def _plain_greeting(url: str) -> str:
    return f"Calyx is at {url}. Ctrl+C stops it."
