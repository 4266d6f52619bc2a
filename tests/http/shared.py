"""Real servers of several processes on one PostgreSQL, which tests share: one for each choice of settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (fills the metadata)
from tests.databases import PostgresTemplate, opened
from tests.http.running import Calyx, at_hand
from tests.http.serving import serving


@dataclass
class Servers:
    """The servers there are, with the address of each and of its database."""

    workers: int
    template: PostgresTemplate
    folder: Path
    # Whoever leaves it stops them.
    stack: ExitStack
    _started: dict[tuple[tuple[str, str], ...], tuple[str, str]] = field(default_factory=dict)

    @asynccontextmanager
    async def open(self, **given: str) -> AsyncIterator[Calyx]:
        """Give a server with these settings, and a database as empty as a new one."""
        address, url = await asyncio.to_thread(self._server, given)
        await _empty(url)
        # Without connections that are kept, the kernel gives each request to any of the processes.
        limits = httpx.Limits(max_keepalive_connections=0)
        client = httpx.AsyncClient(base_url=address, limits=limits, timeout=30)
        async with opened(url) as database, client:
            yield await at_hand(database, client)

    def _server(self, given: dict[str, str]) -> tuple[str, str]:
        choice = tuple(sorted(given.items()))
        if choice not in self._started:
            url = self.template.copy()
            folder = self.folder / str(len(self._started))
            folder.mkdir()
            settings = {f"CALYX_{name.upper()}": value for name, value in choice}
            settings |= {"CALYX_DATABASE_URL": url, "CALYX_WORKERS": str(self.workers)}
            server = self.stack.enter_context(serving(folder, settings=settings))
            self._started[choice] = (server.url, url)
        return self._started[choice]


async def _empty(url: str) -> None:
    """Leave nothing in a database but its workspace `default`; its servers go on."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        for table in SQLModel.metadata.tables.keys() - {"workspaces"}:
            await connection.execute(f"DELETE FROM {table}")
        await connection.execute("DELETE FROM workspaces WHERE id <> 1")
    finally:
        await connection.close()
