"""Fixtures of the tests of GraphQL: the world, in a database of either kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.databases import DEFAULT, SqliteTemplate, Template
from tests.graph.graphs import Asking, a_graph, add_workspace
from tests.graph.rows import Rows, read_rows
from tests.graph.world import messages
from tests.held import database_url, held_to_the_log

__all__ = ["database_url", "held_to_the_log"]


@pytest.fixture(scope="session")
def world_url(template: Template) -> str:
    """Give a database that holds the world; tests only read it."""
    url = template.copy()

    async def fill() -> None:
        async with a_graph(url) as asking:
            await add_workspace(asking.database.inner, DEFAULT)
            await asking.deliver(messages())

    asyncio.run(fill())
    return url


@pytest.fixture(scope="session")
def rows(world_url: str) -> Rows:
    """Give the rows of the world."""

    async def read() -> Rows:
        async with a_graph(world_url) as asking:
            return await read_rows(asking.database.inner, DEFAULT.id)

    return asyncio.run(read())


@pytest.fixture
async def world(world_url: str) -> AsyncIterator[Asking]:
    """Give a Graph over the world."""
    async with a_graph(world_url) as asking:
        yield asking


@pytest.fixture
async def empty(database_url: str) -> AsyncIterator[Asking]:
    """Give a Graph over a database of the test's own, with a key and nothing else."""
    async with a_graph(database_url) as asking:
        await add_workspace(asking.database.inner, DEFAULT)
        yield asking


@pytest.fixture
async def asking(sqlite_template: SqliteTemplate) -> AsyncIterator[Asking]:
    """Give a Graph over a few rows; what is tested here looks at no database."""
    async with a_graph(sqlite_template.copy()) as found:
        await add_workspace(found.database.inner, found.workspace)
        await found.deliver(messages(count=20))
        yield found
