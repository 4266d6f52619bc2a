"""A real `calyx serve` in a process of its own, as the tests of the command line start it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

START_SECONDS_MAX = 30
NODES = int(os.environ.get("TEST_NODES", "2"))
"""How many applications of one process stand side by side where a database lets several write."""

_URL = re.compile(r"http://[0-9.]+:\d+")
_SECRET = re.compile(r"calyx_[0-9a-f]{64}")


@dataclass
class Served:
    """A server that listens."""

    process: subprocess.Popen[str]
    folder: Path
    said: str

    @property
    def url(self) -> str:
        found = _URL.search(self.said)
        assert found, self.said
        return found[0]

    @property
    def secrets(self) -> list[str]:
        """Return the keys it printed, each once, in order."""
        return list(dict.fromkeys(_SECRET.findall(self.said)))

    def logged(self) -> str:
        return (self.folder / "stderr").read_text()

    def post(self, path: str, key: str, body: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.post(self.url + path, json=body, headers=headers, timeout=10)

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and return its exit code."""
        self.process.send_signal(sig)
        return self.process.wait(10)


def environment(**given: str) -> dict[str, str]:
    """Return the environment without settings of Calyx, but for those given."""
    environ = os.environ
    kept = {name: value for name, value in environ.items() if not name.startswith("CALYX_")}
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "200"} | given


def run(folder: Path, *words: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in `folder`."""
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *words],
        cwd=folder,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def serving(
    folder: Path,
    *words: str,
    port: int | None = 0,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve from `folder`, on a free port; kill the server if a test leaves it behind."""
    asked = [] if port is None else ["--port", str(port)]
    with (folder / "stderr").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", *asked, *words],
            cwd=folder,
            env=environment(**(settings or {})),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield Served(process, folder, _said(process, folder))
    finally:
        process.kill()
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


def _said(process: subprocess.Popen[str], folder: Path) -> str:
    """Return what the server prints until it says where it is, and the rest of that piece."""
    assert process.stdout is not None
    descriptor = process.stdout.fileno()
    os.set_blocking(descriptor, False)
    said = b""
    until = time.monotonic() + START_SECONDS_MAX
    while time.monotonic() < until:
        try:
            piece = os.read(descriptor, 65_536)
        except BlockingIOError:
            piece = None
        if piece:
            said += piece
        elif b"Ctrl+C stops it" in said:
            return said.decode()
        elif piece == b"":
            break
        time.sleep(0.02)
    raise AssertionError(f"it did not start: {said!r}\n{(folder / 'stderr').read_text()}")
