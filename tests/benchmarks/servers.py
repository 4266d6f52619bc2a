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

ROOT = Path(__file__).parents[2]
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


@contextmanager
def calyx(folder: Path, database: Path) -> Iterator[Server]:
    """Run `calyx serve` on a database, with no log of requests, as the peers have none."""
    port = free_port()
    command = ["-m", "api.cli", "serve", "--host", "127.0.0.1", "--port", str(port)]
    settings = {
        "CALYX_DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "CALYX_ADMIN_KEY": KEY,
        "CALYX_LOG_LEVEL": "warning",
    }
    with _running("Calyx", command, settings, folder, port, "/readyz") as server:
        yield server


@contextmanager
def peer(name: str, module: str, driver: str, folder: Path, database: Path) -> Iterator[Server]:
    """Run the FastAPI application of a module of `peers` as Calyx runs its own: uvloop and httptools."""
    port = free_port()
    command = ["-m", "uvicorn", f"tests.benchmarks.peers.{module}:app", "--port", str(port)]
    command += ["--loop", "uvloop", "--http", "httptools"]
    command += ["--no-access-log", "--log-level", "warning"]
    settings = {"PEER_DATABASE_URL": f"{driver}:///{database}", "PEER_KEY": KEY}
    with _running(name, command, settings, folder, port, "/openapi.json") as server:
        yield server


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


def cores() -> tuple[int | None, int | None]:
    """Return a core for the server and another for the load; None where there is only one."""
    found = sorted(os.sched_getaffinity(0))
    return (found[0], found[-1]) if len(found) > 1 else (None, None)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which the project is found and nothing but `settings` is set for it."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CALYX_")}
    return {**inherited, "PYTHONPATH": str(ROOT), **settings}


@contextmanager
def _running(
    name: str,
    command: list[str],
    settings: Mapping[str, str],
    folder: Path,
    port: int,
    path: str,
) -> Iterator[Server]:
    log = folder / f"{port}.log"
    with log.open("wb") as said:
        # Not in the project's folder, so that no `.env` there has a say.
        started = subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        )
    try:
        core, _ = cores()
        if core is not None:
            # At once, while it has one thread: those it starts later inherit the core.
            os.sched_setaffinity(started.pid, {core})
        if not _answers(started, port, path):
            raise NotServing(f"{name} does not serve:\n{_last_words(log)}")
        yield Server(name, port, started.pid)
        if started.poll() is not None:
            raise NotServing(f"{name} has stopped by itself:\n{_last_words(log)}")
    finally:
        started.terminate()
        try:
            started.wait(_STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


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
