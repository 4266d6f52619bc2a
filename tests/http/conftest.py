"""Fixtures of the tests of HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from tests.databases import PostgresTemplate, Template
from tests.held import database_url, held_to_the_log
from tests.http.running import Calyx, Open, Running, a_calyx
from tests.http.shared import Servers

__all__ = ["database_url", "held_to_the_log"]


@pytest.fixture(scope="session")
def servers(
    request: pytest.FixtureRequest,
    postgres_template: PostgresTemplate,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Servers]:
    """Give real servers on PostgreSQL, each of as many processes as were asked for."""
    folder = tmp_path_factory.mktemp("servers")
    with ExitStack() as stack:
        yield Servers(request.config.getoption("--workers"), postgres_template, folder, stack)


@pytest.fixture
def open_calyx(request: pytest.FixtureRequest, template: Template) -> Open:
    """Give what opens a Calyx: in this process, or with `--workers` a real server, where several may write."""
    if request.config.getoption("--workers") and isinstance(template, PostgresTemplate):
        servers: Servers = request.getfixturevalue("servers")
        return servers.open
    return partial(a_calyx, request.getfixturevalue("database_url"))


@pytest.fixture
async def calyx(open_calyx: Open) -> AsyncIterator[Calyx]:
    """Give a Calyx with a key of each scope: one on a file, two side by side on a server."""
    async with open_calyx() as running:
        yield running


@pytest.fixture
async def here(database_url: str) -> AsyncIterator[Running]:
    """Give the same, always in this process, for what needs a hand on its clock or application."""
    async with a_calyx(database_url) as running:
        yield running


@pytest.fixture
async def one_calyx(database_url: str) -> AsyncIterator[Running]:
    """Give a single one on a database of either kind, for what each counts and says of itself."""
    async with a_calyx(database_url, nodes=1) as running:
        yield running


@pytest.fixture
async def on_a_file(sqlite_url: str) -> AsyncIterator[Running]:
    """Give a running Calyx on a SQLite file, which the test has in its hands too."""
    async with a_calyx(sqlite_url) as running:
        yield running
