"""Databases for tests: real ones, migrated once and copied."""

from __future__ import annotations

import copy
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.message import Door, Parsed, parse_one
from ingest.replay import State, dump
from ingest.store import Item, save
from models.database import Database, Transaction, open_database
from models.migrate import upgrade
from models.values import Receipt, Workspace
from tests.laws.model import Delivery

DEFAULT = Workspace(1, "default")
ERASURE_KEY = b"a key of thirty-two bytes, fixed"


def url_of(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


@dataclass(frozen=True)
class Template:
    """A database that was migrated once, to copy."""

    path: Path

    async def make(self) -> None:
        """Migrate it and make the workspace `default`."""
        await upgrade(url_of(self.path))
        async with opened(url_of(self.path)) as database:
            await database.write(_make_default)

    def copy(self, path: Path) -> str:
        """Copy it to `path`, whatever was there; return the URL."""
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        shutil.copyfile(self.path, path)
        return url_of(path)


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
        receipts += await database.write(lambda tx, items=items: save(tx, workspace, items))
    return receipts


async def state_after(url: str, batches: Sequence[Sequence[Delivery]]) -> State:
    """Return the state of a database after these batches."""
    async with opened(url) as database:
        await save_batches(database, batches)
        return await dump(database, DEFAULT)


def read(delivery: Delivery) -> Parsed:
    """Return a delivery as the doors parse it."""
    body = copy.deepcopy(delivery.body)
    return parse_one(body, Door(delivery.door), delivery.received_at, delivery.kind)


async def _make_default(tx: Transaction) -> None:
    sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (1, 'default', 0, ?1)"
    await tx.fetch(sql, (ERASURE_KEY,))
