"""A Graph over a real database, as tests ask it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from api.auth import Caller, Scope
from api.graph.execute import Graph
from api.graph.request import Answer, GraphRequest
from api.limits import GraphLimits
from ingest.accept import Door, Ingest
from ingest.indexes import Kind
from ingest.keeper import FEW_MAX, Keeper
from models.database import Database, Readers, open_database
from models.values import Workspace
from tests.databases import DEFAULT
from tests.graph.world import NOW

KEY = b"0123456789abcdef"
READ_AND_WRITE = frozenset({Scope.READ, Scope.WRITE})
MESSAGE_BYTES_MAX = 128 * 1024


@dataclass
class Counting:
    """A database that remembers the statements it was asked."""

    inner: Database
    asked: list[tuple[str, Sequence[Any]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.inner.url

    @property
    def collation(self) -> str | None:
        return self.inner.collation

    @property
    def readers(self) -> Readers:
        return self.inner.readers

    async def read(self, sql: str, args: Sequence[Any] = (), timeout_s: float = 5.0) -> Any:
        self.asked.append((sql, args))
        return await self.inner.read(sql, args, timeout_s)

    async def write(self, work: Any, first: Any = None) -> Any:
        return await self.inner.write(work, first)

    async def rehearse(self, trial: Any, seconds: float) -> Any:
        return await self.inner.rehearse(trial, seconds)

    async def about(self) -> dict[str, str]:
        return await self.inner.about()

    async def close(self) -> None:
        await self.inner.close()


@dataclass
class Asking:
    """A Graph that is open, what it stands on, and short ways to ask it."""

    graph: Graph
    database: Counting
    ingest: Ingest
    keeper: Keeper
    workspace: Workspace = DEFAULT
    scopes: frozenset[Scope] = READ_AND_WRITE

    async def answer(
        self, query: str, variables: Mapping[str, Any] | None = None, **more: Any
    ) -> Answer:
        body = {"query": query, "variables": variables, **more}
        return await self.send(body=json.dumps(body).encode())

    async def send(self, **given: Any) -> Answer:
        caller = Caller(self.workspace, KEY, self.scopes)
        return await self.graph.answer(GraphRequest(caller, NOW, "request-1", **given))

    async def ask(
        self, query: str, variables: Mapping[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return what was answered, errors included."""
        found: dict[str, Any] = json.loads((await self.answer(query, variables, **more)).body)
        return found

    async def get(
        self, query: str, variables: Mapping[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return the data of an answer without errors."""
        found = await self.ask(query, variables, **more)
        assert "errors" not in found, found["errors"]
        data: dict[str, Any] = found["data"]
        return data

    async def code(
        self, query: str, variables: Mapping[str, Any] | None = None, **more: Any
    ) -> str:
        """Return the code of the error that was answered."""
        found = await self.ask(query, variables, **more)
        assert "errors" in found, found
        code: str = found["errors"][0]["extensions"]["code"]
        return code

    async def index(self, *keys: str) -> None:
        """Have indexes of words, and of these traits of customers and of accounts, and wait for them."""
        for key in keys:
            await self.keeper.declare(self.workspace, Kind.CUSTOMER_TRAIT, key)
            await self.keeper.declare(self.workspace, Kind.ACCOUNT_TRAIT, key)
        self.keeper.view(self.workspace)
        await self.keeper.turn()

    async def deliver(self, said: Sequence[Mapping[str, Any]], received_at: int = NOW) -> None:
        """Take in Segment messages."""
        body = json.dumps(list(said)).encode()
        await self.ingest.deliver(self.workspace, body, door=Door.SEGMENT, received_at=received_at)


@asynccontextmanager
async def a_graph(
    url: str, limits: GraphLimits | None = None, *, few_max: int = FEW_MAX
) -> AsyncIterator[Asking]:
    """Open a Graph on a migrated database; `few_max` is how many an index finds are few."""
    database = await open_database(url, readers=1)
    try:
        ingest = Ingest(database)
        ingest.start()
        counting, numbers = Counting(database), count()
        keeper = Keeper(database, lambda: NOW, few_max=few_max)
        graph = Graph(
            counting,
            ingest,
            limits or GraphLimits(),
            message_bytes_max=MESSAGE_BYTES_MAX,
            new_id=lambda: f"made-{next(numbers)}",
            indexes=keeper,
        )
        try:
            yield Asking(graph, counting, ingest, keeper)
        finally:
            await ingest.close()
    finally:
        await database.close()


async def add_workspace(database: Database, workspace: Workspace) -> None:
    """Make another tenant."""

    async def work(tx: Any) -> None:
        await tx.insert(
            "api_keys",
            ("id", "key", "hash", "name", "prefix", "scopes", "created_at"),
            workspace.id,
            [(1, KEY, KEY + bytes([workspace.id]), "a key", "ck", "read,write", 1)],
        )
        if workspace.id != DEFAULT.id:
            await tx.fetch(
                "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (?1, ?2, 0, ?3)",
                (workspace.id, workspace.name, KEY),
            )

    await database.write(work)
