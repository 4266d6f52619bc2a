"""A node: `calyx serve` in a process of its own, as an operator starts it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.http.serving import environment

START_SECONDS_MAX = 30
_STOP_SECONDS_MAX = 12
_LINES_SHOWN = 15


class Broken(Exception):
    """The cluster cannot be shown; the message has the last words of what failed."""


class Node:
    """A server at a port, which can be killed and started again."""

    def __init__(self, name: str, port: int, folder: Path, settings: Mapping[str, str]) -> None:
        self.name = name
        self.port = port
        self._log = folder / f"{name}.log"
        self._folder = folder
        self._settings = settings
        self._serving: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and return once it is ready; raise Broken if it will not be."""
        command = [sys.executable, "-m", "api.cli", "serve", "--port", str(self.port)]
        self._serving = begun(command, self._log, self._folder, environment(**self._settings))
        for _ in range(START_SECONDS_MAX * 20):
            if self._serving.poll() is not None:
                break
            if await _is_ready(self.port):
                return
            await asyncio.sleep(0.05)
        raise Broken(f"{self.name} does not serve:\n{last_words(self._log)}")

    def kill(self) -> None:
        """Kill it as `kill -9` does."""
        if self._serving is not None:
            self._serving.kill()
            self._serving.wait()

    def ask_to_stop(self) -> None:
        """Send it what a supervisor sends."""
        if self._serving is not None:
            self._serving.terminate()

    def see_stopped(self) -> None:
        """Return once it has stopped; kill it if it takes too long."""
        if self._serving is not None:
            try:
                self._serving.wait(_STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                self.kill()

    def errors(self) -> list[str]:
        """Return the lines in which it logged a fault of its own."""
        lines = [line for line in self._log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if json.loads(line)["level"] in {"error", "critical"}]


def begun(
    command: Sequence[str], log: Path, folder: Path, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Return a program that was begun and says what it says to `log`."""
    with log.open("ab") as said:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            # Ctrl+C is for whoever began it, who stops it in order.
            start_new_session=True,
        )


def stop(nodes: Sequence[Node]) -> None:
    """Ask nodes to stop, all at once, and see to it."""
    for node in nodes:
        node.ask_to_stop()
    for node in nodes:
        node.see_stopped()


def last_words(log: Path) -> str:
    """Return the end of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:])


async def _is_ready(port: int) -> bool:
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: calyx\r\nConnection: close\r\n\r\n")
            answer = await reader.read()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return answer.startswith(b"HTTP/1.1 200")
