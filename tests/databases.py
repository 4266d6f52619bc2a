"""Databases for tests: real ones, migrated once and copied."""

from __future__ import annotations

import asyncio
import json
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import asyncpg

from ingest import canonical
from ingest.message import Door, Parsed, parse_one
from ingest.replay import State, dump
from ingest.store import Item, save
from models.database import Database, Transaction, open_database
from models.migrate import upgrade
from models.values import Receipt, Workspace
from tests.laws.model import Delivery

DEFAULT = Workspace(1, "default")
ERASURE_KEY = b"a key of thirty-two bytes, fixed"


_NUMBERED = (
    "SELECT table_name, column_name FROM information_schema.columns"
    " WHERE is_identity = 'YES' AND table_schema = 'public'"
)


class Template(Protocol):
    """A database that was migrated once, with the workspace `default`."""

    @property
    def words(self) -> str:
        """Return what readers of SQL call its dialect."""
        ...

    def copy(self) -> str:
        """Return the URL of a new database that is like it."""
        ...

    def empty(self) -> str:
        """Return the URL of a database with nothing in it."""
        ...

    def catch_up(self, url: str) -> None:
        """Number new rows after those that were put in with their numbers."""
        ...

    def drop(self, url: str) -> None:
        """Remove a database that was made here."""
        ...


@dataclass(frozen=True)
class SqliteTemplate:
    """A SQLite file to copy."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> SqliteTemplate:
        """Migrate a file in `folder`."""
        asyncio.run(_make(url_of(folder / "template.db")))
        return cls(folder)

    @property
    def words(self) -> str:
        return "sqlite"

    def copy(self) -> str:
        url = self.empty()
        shutil.copyfile(self.folder / "template.db", file_of(url))
        return url

    def empty(self) -> str:
        return url_of(self.folder / f"{uuid.uuid4().hex}.db")

    def catch_up(self, url: str) -> None:
        """Its writer looks each time."""

    def drop(self, url: str) -> None:
        for file in self.folder.glob(f"{file_of(url).name}*"):
            file.unlink()


@dataclass(frozen=True, eq=False)
class PostgresTemplate:
    """A PostgreSQL database to copy. Each run has names of its own: others may use the server, too."""

    server: str
    name: str = field(default_factory=lambda: f"calyx_{uuid.uuid4().hex}")
    left: dict[str, None] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def made(cls, server: str, *, lasts: bool = True) -> Iterator[PostgresTemplate]:
        """Migrate a database on `server`; remove it afterwards, with what tests left behind, if that server `lasts`."""
        template = cls(server)
        try:
            asyncio.run(template.execute(f"CREATE DATABASE {template.name}"))
            asyncio.run(_make(f"{server}/{template.name}"))
            yield template
        finally:
            for name in [*template.left, template.name] if lasts else ():
                asyncio.run(template.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    @property
    def words(self) -> str:
        return "postgres"

    def copy(self) -> str:
        return self._make(self.name)

    def empty(self) -> str:
        return self._make("template0")

    def catch_up(self, url: str) -> None:
        asyncio.run(self._catch_up(url))

    def drop(self, url: str) -> None:
        name = url.rsplit("/", 1)[1]
        asyncio.run(self.execute(f"DROP DATABASE {name} WITH (FORCE)"))
        self.left.pop(name, None)

    def _make(self, template: str) -> str:
        name = f"calyx_{uuid.uuid4().hex}"
        self.left[name] = None
        asyncio.run(self.execute(f"CREATE DATABASE {name} TEMPLATE {template}"))
        return f"{self.server}/{name}"

    async def _catch_up(self, url: str) -> None:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        for table, column in await connection.fetch(_NUMBERED):
            highest = await connection.fetchval(f"SELECT coalesce(max({column}), 0) FROM {table}")
            sequence = "pg_get_serial_sequence($1, $2)"
            await connection.execute(f"SELECT setval({sequence}, $3)", table, column, highest + 1)
        await connection.close()

    async def execute(self, sql: str) -> None:
        """Run one statement on the server."""
        url = self.server.replace("+asyncpg", "") + "/postgres"
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    async def ask(self, url: str, sql: str) -> object:
        """Return the one value of a statement, asked of a database by a connection of its own."""
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()


def url_of(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


def file_of(url: str) -> Path:
    """Return the file of a SQLite URL."""
    return Path(url.removeprefix("sqlite+aiosqlite:///"))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Open a database and close it again."""
    database = await open_database(url, readers=1)
    try:
        yield database
    finally:
        await database.close()


async def save_batches(
    database: Database, batches: Sequence[Sequence[Delivery]], workspace: Workspace = DEFAULT
) -> list[Receipt | None]:
    """Save deliveries, each batch in one transaction; return the receipts in order."""
    receipts: list[Receipt | None] = []
    for batch in batches:
        items = [Item(read(delivery), asked=True) for delivery in batch]

        async def work(tx: Transaction, items: list[Item] = items) -> list[Receipt | None]:
            return await save(tx, workspace, items)

        receipts += await database.write(work)
    return receipts


async def state_after(url: str, batches: Sequence[Sequence[Delivery]]) -> State:
    """Return the state of a database after these batches."""
    async with opened(url) as database:
        await save_batches(database, batches)
        return await dump(database, DEFAULT)


def read(delivery: Delivery) -> Parsed:
    """Return a delivery as the doors parse it."""
    body = canonical.read(json.dumps(delivery.body).encode())
    return parse_one(body, Door(delivery.door), delivery.received_at, delivery.kind)


async def _make(url: str) -> None:
    await upgrade(url)
    async with opened(url) as database:
        await database.write(_make_default)


async def _make_default(tx: Transaction) -> None:
    sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (1, 'default', 0, ?1)"
    await tx.fetch(sql, (ERASURE_KEY,))
