"""The servers under comparison: started on free ports of this machine, and always stopped."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
KEY = "key-of-the-benchmark"
BASIC = f"Basic {b64encode(f'{KEY}:'.encode()).decode()}"
BEARER = f"Bearer {KEY}"

_START_SECONDS_MAX = 30
_STOP_SECONDS_MAX = 20
_LOG_LINES_SHOWN = 20


class NotServing(Exception):
    """A server did not start, or was gone before it was asked to stop; the message has its last words."""


@dataclass(frozen=True)
class Server:
    """A server that is running."""

    name: str
    port: int
    pid: int


@dataclass(frozen=True)
class _Start:
    """How a server is started."""

    name: str
    command: list[str]
    settings: Mapping[str, str]
    port: int
    # Where it answers once it serves.
    path: str
    cores_count: int = 1


@contextmanager
def calyx(
    folder: Path,
    url: str,
    workers: int = 1,
    name: str | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Run `calyx serve` on a database, with no log of requests, as the peers have none.

    `more` is set in its environment.
    """
    port = free_port()
    command = [sys.executable, "-m", "api.cli", "serve", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", str(workers)]
    settings = {
        "CALYX_DATABASE_URL": url,
        "CALYX_ADMIN_KEY": KEY,
        "CALYX_LOG_LEVEL": "warning",
        **more,
    }
    name = name or ("Calyx" if workers == 1 else f"Calyx, {workers} workers")
    with _running(_Start(name, command, settings, port, "/readyz", workers), folder) as server:
        yield server


@contextmanager
def fastapi(name: str, module: str, folder: Path, url: str) -> Iterator[Server]:
    """Run the FastAPI application of a module of `peers` as Calyx runs its own: uvloop and httptools."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"tests.benchmarks.peers.{module}:app"]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--log-level", "warning"]
    settings = {"PEER_DATABASE_URL": url, "PEER_KEY": KEY}
    with _running(_Start(name, command, settings, port, "/openapi.json"), folder) as server:
        yield server


@contextmanager
def node(
    name: str,
    peer: Path,
    folder: Path,
    url: str,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Server]:
    """Run the server of a folder of `peers` on Node, as for production.

    `more` is set in its environment.
    """
    port = free_port()
    settings = {
        "PEER_DATABASE_URL": url,
        "PEER_KEY": KEY,
        "PEER_PORT": str(port),
        "NODE_ENV": "production",
        **more,
    }
    command = ["node", str(peer / "server.js")]
    with _running(_Start(name, command, settings, port, "/"), folder) as server:
        yield server


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def cores(count: int = 1) -> tuple[set[int] | None, int | None]:
    """Return `count` cores for a server and one for the load, the last; None where there is only one.

    A server that wants them all shares the last one with the load.
    """
    found = sorted(os.sched_getaffinity(0))
    return (set(found[:count]), found[-1]) if len(found) > 1 else (None, None)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the project is found and nothing but `settings` is set for it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CALYX_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **settings}


@contextmanager
def _running(start: _Start, folder: Path) -> Iterator[Server]:
    log = folder / f"{start.port}.log"
    with log.open("wb") as said:
        # Not in the project's folder, so that no `.env` there has a say.
        started = subprocess.Popen(
            start.command,
            cwd=folder,
            env=environment(start.settings),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        if not _answers(started, start.port, start.path):
            raise NotServing(f"{start.name} does not serve:\n{_last_words(log)}")
        # Not before, for it starts sooner on all cores; threads it starts later inherit them.
        chosen, _ = cores(start.cores_count)
        if chosen is not None:
            hold(started.pid, chosen)
        yield Server(start.name, start.port, started.pid)
        if started.poll() is not None:
            raise NotServing(f"{start.name} has stopped by itself:\n{_last_words(log)}")
    finally:
        started.terminate()
        try:
            started.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def hold(pid: int, chosen: set[int]) -> None:
    """Hold all threads of a server, and of those it started, to these cores."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), chosen)
        for child in (thread / "children").read_text().split():
            hold(int(child), chosen)


def _answers(started: subprocess.Popen[bytes], port: int, path: str) -> bool:
    """Return whether a server answers before its time is over."""
    until = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < until and started.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path, headers={"Authorization": BASIC})
            if connection.getresponse().status == http.client.OK:
                return True
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.05)
    return False


def _last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:])
