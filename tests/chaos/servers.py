"""Servers that are started by a nursery, killed, and started again at the same port."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.cluster.nodes import Broken, last_words
from tests.http.serving import environment
from tests.postgres import free_port

KEY = "key-of-the-chaos"
_START_SECONDS_MAX = 30.0
_STOP_SECONDS_MAX = 20.0


class Nursery:
    """The process that forks servers."""

    def __init__(self, process: asyncio.subprocess.Process, folder: Path) -> None:
        self.folder = folder
        self._process = process
        self._turn = asyncio.Lock()

    async def start(self, **asked: Any) -> int:
        """Start a server and return its process id."""
        return await self._ask({"folder": str(self.folder), **asked})

    async def ended(self, pid: int) -> int:
        """Return the exit code of a server, once it has ended."""
        return await self._ask({"wait": pid})

    async def _ask(self, asked: Mapping[str, Any]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            await self._process.stdin.drain()
            return int(await self._process.stdout.readline())


@asynccontextmanager
async def a_nursery(folder: Path) -> AsyncIterator[Nursery]:
    """Give a nursery; it ends with whoever asked for it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.chaos.nursery",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
        cwd=folder,
    )
    try:
        yield Nursery(process, folder)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


class Server:
    """One `calyx serve` at a port of its own."""

    def __init__(
        self,
        nursery: Nursery,
        url: str,
        *,
        planted: str | None = None,
        **settings: str,
    ) -> None:
        self.port = free_port()
        self.log = nursery.folder / f"{self.port}.log"
        self.pid = 0
        self._nursery = nursery
        self._planted = planted
        self._settings = {
            "CALYX_DATABASE_URL": url,
            "CALYX_ADMIN_KEY": KEY,
            "CALYX_LOG_FORMAT": "json",
            "CALYX_LOG_LEVEL": "warning",
            **settings,
        }

    async def start(self) -> None:
        """Start it, and return once it is ready."""
        self.pid = await self._nursery.start(
            command=["serve", "--port", str(self.port)],
            settings=self._settings,
            planted=self._planted,
            log=str(self.log),
        )
        await self.see_ready(_START_SECONDS_MAX)

    async def see_ready(self, seconds_max: float) -> None:
        """Return once it is ready; raise Broken if it will not be."""
        until = asyncio.get_running_loop().time() + seconds_max
        async with httpx.AsyncClient(timeout=5) as client:
            while asyncio.get_running_loop().time() < until:
                with suppress(httpx.TransportError):
                    answer = await client.get(f"http://127.0.0.1:{self.port}/readyz")
                    if answer.status_code == 200:
                        return
                await asyncio.sleep(0.01)
        raise Broken(f"the server is not ready:\n{last_words(self.log)}")

    async def kill(self) -> None:
        """Kill it and what it started, as `kill -9` does."""
        pid, self.pid = self.pid, 0
        if pid:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            await self._nursery.ended(pid)

    async def stop(self) -> tuple[int, float]:
        """Ask it to stop; return its exit code and how long that took."""
        clock = asyncio.get_running_loop().time
        pid, self.pid = self.pid, 0
        began = clock()
        os.kill(pid, signal.SIGTERM)
        async with asyncio.timeout(_STOP_SECONDS_MAX):
            code = await self._nursery.ended(pid)
        return code, clock() - began

    def workers(self) -> list[int]:
        """Return the process ids of its workers."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def errors(self) -> list[str]:
        """Return the lines in which it logged a fault of its own, and tracebacks."""
        lines = self.log.read_text(errors="replace").splitlines()
        logged = [line for line in lines if '"level":"error"' in line.replace(": ", ":")]
        return logged + [line for line in lines if line.startswith("Traceback")]


@asynccontextmanager
async def serving(
    nursery: Nursery, url: str, *, planted: str | None = None, **settings: str
) -> AsyncIterator[Server]:
    """Give a server that serves; it is killed in the end."""
    server = Server(nursery, url, planted=planted, **settings)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
