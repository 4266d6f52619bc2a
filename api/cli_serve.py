"""What `serve` does: migrate, make the first key, load the demo if asked, listen."""

from __future__ import annotations

import asyncio
import gc
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import SO_LINGER, SOL_SOCKET
from types import FrameType
from typing import Any

import structlog
import typer
import uvicorn
from uvicorn.server import ServerState

from api import cli_demo, keys, observe, terminal
from api.app import App, create_app, registered_documents
from api.connections import Bounded
from api.event_stream import CUT
from api.settings import Misconfigured, Settings
from api.workers import Post, Workers
from models.database import open_database, spare_memory_statistics

log = structlog.get_logger()

GRACE_SECONDS = 8
"""How long requests under way may take once we are told to stop; supervisors kill after 10."""

TICKS_A_SECOND = 10
"""Of uvicorn."""

GARBAGE_THRESHOLDS = (50_000, 20, 50)
"""When cycles are looked for; at Python's own 700 that was a tenth of what an event costs."""


def run(settings: Settings, *, demo: bool) -> None:
    """Serve until told to stop; raise Misconfigured where that cannot begin."""
    # Each process reads them for itself; what is wrong with them is said here, once.
    registered_documents(settings)
    # Before any database is open in this process: SQLite takes the setting only then.
    spare_memory_statistics()
    observe.set_up_logs(settings.log_format, settings.log_level)
    asyncio.run(_prepare(settings, first_key=not demo))
    greeting = asyncio.run(cli_demo.load_demo(settings)) if demo else _plain_greeting
    serve_alone = _serve_alone if settings.workers == 1 else _serve_together
    # What keeps it from starting it has logged by then.
    if not serve_alone(settings, greeting):
        raise Misconfigured(
            f"did not start at {settings.host}, port {settings.port}, as said above;"
            " if the port is taken, try --port"
        )


def _serve_alone(settings: Settings, greeting: Callable[[str], str]) -> bool:
    """Serve in this process; return whether it started."""

    def started(host: str, port: int) -> None:
        _greet(greeting, host, port)

    server = Server(settings, create_app(settings), started)
    with suppress(SystemExit):
        server.run()
    return server.started


def _serve_together(settings: Settings, greeting: Callable[[str], str]) -> bool:
    """Serve in several processes; return whether they started."""

    def serve_one(post: Post) -> None:
        metrics = observe.Metrics()
        metrics.share(post.board, post.boards)
        app = create_app(settings, metrics=metrics)
        server = Server(settings, app, lambda _host, _port: post.started())
        server.work_at(post, metrics)
        server.run(list(post.sockets))

    try:
        workers = Workers(
            settings.workers, settings.host, settings.port, serve_one, GRACE_SECONDS + 1
        )
    except OSError as error:
        log.warning("cannot_listen", why=str(error))
        return False
    return workers.run(lambda host, port: _greet(greeting, host, port))


def _greet(greeting: Callable[[str], str], host: str, port: int) -> None:
    typer.echo(greeting(f"http://{f'[{host}]' if ':' in host else host}:{port}"))
    sys.stdout.flush()


class _Http(Bounded):
    """A connection whose heads are bounded; what it serves can cut its connection off, also once that is a WebSocket."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state | {CUT: self._cut}, _loop)

    def _cut(self) -> None:
        # Else the kernel would keep for minutes what is not taken.
        at_once = struct.pack("ii", 1, 0)
        with suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, at_once)
        self.transport.abort()


class Server(uvicorn.Server):
    """Uvicorn, but it says when it listens, tells the application when it stops, and exits 0."""

    def __init__(self, settings: Settings, app: App, listening: Callable[[str, int], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.host,
                port=settings.port,
                loop="uvloop",
                http=_Http,
                lifespan="on",
                access_log=False,
                # Nothing here asks whence a request came.
                proxy_headers=False,
                log_config=None,
                server_header=False,
                ws_max_size=settings.graphql_body_bytes_max,
                # It would hold 40 KB for each socket, and take our one thread's time.
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._app = app
        self._listening = listening
        self._post: Post | None = None
        self._metrics: observe.Metrics | None = None

    def work_at(self, post: Post, metrics: observe.Metrics) -> None:
        """Be one of several: stop when the supervisor is gone, and let the others know our numbers."""
        self._post, self._metrics = post, metrics

    async def on_tick(self, counter: int) -> bool:
        """Do what is done ten times a second; return whether to stop."""
        if self._metrics is not None and counter % TICKS_A_SECOND == 0:
            self._metrics.post()
        return await super().on_tick(counter)

    async def startup(self, sockets: Any = None) -> None:
        """Open everything, listen, and say so."""
        if self._post is not None:
            self._post.watch(lambda: self.handle_exit(signal.SIGTERM, None))
        await super().startup(sockets)
        # What is here now stays; and most of what a batch makes is gone before it could be cyclic.
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        if self.started:
            self._listening(*self.servers[0].sockets[0].getsockname()[:2])

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
