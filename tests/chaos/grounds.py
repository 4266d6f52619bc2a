"""The two kinds of database that are hurt, and how each is asked whether it is whole."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from ingest.rebuild import check
from models.database_scratch import open_scratch
from models.values import Workspace
from tests.cluster.oracle import Request, Verdict, judge
from tests.databases import (
    PostgresTemplate,
    SqliteTemplate,
    Template,
    file_of,
    opened,
)
from tests.postgres import Server, primary, server

_DURABLE = ("fsync=on", "synchronous_commit=on", "full_page_writes=on")
# Rows of the log that an index does not find, or finds twice.
_UNINDEXED = (
    "SELECT (SELECT count(*) FROM events) - (SELECT count(DISTINCT (workspace_id, id)) FROM events)"
)


@dataclass(frozen=True)
class Ground:
    """Databases of one kind."""

    name: str
    template: Template
    scratch: Path
    """A migrated SQLite file: logs are folded in copies of it."""
    integrity: Callable[[str], Awaitable[str]]
    """Says of a database `ok`, or what is broken in it."""

    async def stored(self, url: str) -> list[str]:
        """Return the message ids in the log, each as often as it is there."""
        async with opened(url) as database:
            return [row[0] for row in await database.read("SELECT message_id FROM events")]

    async def judge(self, url: str, sent: Sequence[Request], acknowledged: set[str]) -> Verdict:
        """Compare what was sent and acknowledged with what is stored."""
        return judge(sent, acknowledged, await self.stored(url))

    async def broken(self, url: str) -> list[str]:
        """Return what is wrong with a database, or differs from its log."""
        said = await self.integrity(url)
        found = [] if said == "ok" else [f"integrity: {said}"]
        async with opened(url) as database:
            workspaces = await database.read("SELECT id, name FROM workspaces")
        beside = await open_scratch(self._scratch_of_ours())
        try:
            for number, name in workspaces:
                verdict = await check(url, beside, Workspace(number, name))
                if not verdict.ok:
                    found.append(f"{name} is not what its log says: {verdict.difference}")
        finally:
            await beside.close()
        return found

    def _scratch_of_ours(self) -> Path:
        """Return a scratch file that no other process folds in."""
        own = self.scratch.with_name(f"{self.scratch.name}.{os.getpid()}")
        if not own.exists():
            shutil.copyfile(self.scratch, own)
        return own


@asynccontextmanager
async def a_ground(kind: str, folder: Path, postgres: str | None = None) -> AsyncIterator[Ground]:
    """Give databases of a kind, `sqlite` or `postgres`; a server is started where none is given."""
    stack = ExitStack()
    own = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=folder))
    try:
        # What makes them and drops them runs a loop of its own, so it is done in a thread.
        yield await asyncio.to_thread(_GROUNDS[kind], stack, own, postgres)
    finally:
        await asyncio.to_thread(stack.close)


@asynccontextmanager
async def a_server_of_our_own(folder: Path) -> AsyncIterator[tuple[Server, Ground]]:
    """Give a PostgreSQL that keeps what it committed, to be stopped and started as one likes."""
    stack = ExitStack()
    own = Path(tempfile.mkdtemp(prefix="server-", dir=folder))
    try:
        server = await asyncio.to_thread(stack.enter_context, primary(*_DURABLE))
        made = PostgresTemplate.made(server.url)
        template = await asyncio.to_thread(stack.enter_context, made)
        files = await asyncio.to_thread(SqliteTemplate.make, own)
        yield server, postgres_ground(template, files)
    finally:
        await asyncio.to_thread(stack.close)


def _on_files(_stack: ExitStack, folder: Path, _postgres: str | None) -> Ground:
    template = SqliteTemplate.make(folder)
    return sqlite_ground(template, template)


def _on_a_server(stack: ExitStack, folder: Path, postgres: str | None) -> Ground:
    url = postgres or stack.enter_context(server())
    template = stack.enter_context(PostgresTemplate.made(url))
    return postgres_ground(template, SqliteTemplate.make(folder))


_GROUNDS: dict[str, Callable[[ExitStack, Path, str | None], Ground]] = {
    "sqlite": _on_files,
    "postgres": _on_a_server,
}


def sqlite_ground(template: Template, files: SqliteTemplate) -> Ground:
    """Return a ground of SQLite files."""
    return Ground("sqlite", template, file_of(files.copy()), _whole_file)


def postgres_ground(template: Template, files: SqliteTemplate) -> Ground:
    """Return a ground of databases on a server."""
    return Ground("postgres", template, file_of(files.copy()), _whole_server)


async def _whole_file(url: str) -> str:
    connection = sqlite3.connect(file_of(url))
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


async def _whole_server(url: str) -> str:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        extra = await connection.fetchval(_UNINDEXED)
    finally:
        await connection.close()
    return f"{extra} rows of the log share a number" if extra else "ok"
