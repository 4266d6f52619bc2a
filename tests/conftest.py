"""What several kinds of test stand on: databases of their own, already migrated."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import pytest
from hypothesis import settings

from tests.databases import PostgresTemplate, SqliteTemplate, Template
from tests.postgres import Missing, Server, primary, replica, server

T = TypeVar("T")

# How long an example takes says something of the machine alone.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--workers`, as `calyx serve` does."""
    parser.addoption(
        "--workers",
        type=int,
        default=0,
        help="ask a real server of so many processes on PostgreSQL, and nobody else",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--workers`, leave out the tests that ask no such server."""
    if config.getoption("--workers"):
        left = [item for item in items if not _may_ask_a_server(item)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if _may_ask_a_server(item)]


def _may_ask_a_server(item: pytest.Item) -> bool:
    return (
        isinstance(item, pytest.Function)
        and "open_calyx" in item.fixturenames
        and item.callspec.params["template"] == "postgres"
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give a PostgreSQL server; without one a developer is told, and CI fails."""
    with ExitStack() as stack:
        yield _or_tell(stack, server)


@pytest.fixture(scope="module")
def postgres_pair() -> Iterator[tuple[Server, Server]]:
    """Give a PostgreSQL server and a streaming replica of it, to be stopped as one likes."""
    with ExitStack() as stack:
        first = _or_tell(stack, primary)
        yield first, stack.enter_context(replica(first))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """Give a migrated SQLite database, to be copied for each test."""
    return SqliteTemplate.make(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> Iterator[PostgresTemplate]:
    """Give a migrated PostgreSQL database, to be copied for each test."""
    with PostgresTemplate.made(
        postgres_server, lasts="TEST_POSTGRES_URL" in os.environ
    ) as template:
        yield template


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def template(request: pytest.FixtureRequest) -> Template:
    """Give a migrated database of either kind."""
    made: Template = request.getfixturevalue(f"{request.param}_template")
    return made


@pytest.fixture
def database_url(template: Template) -> Iterator[str]:
    """Give a database of this test's own, of either kind."""
    url = template.copy()
    yield url
    template.drop(url)


@pytest.fixture
def empty_url(template: Template) -> Iterator[str]:
    """Give a database of either kind with nothing in it."""
    url = template.empty()
    yield url
    template.drop(url)


def _or_tell(stack: ExitStack, start: Callable[[], AbstractContextManager[T]]) -> T:
    try:
        return stack.enter_context(start())
    except Missing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"NOT TESTED ON POSTGRESQL: {missing}")


@pytest.fixture
def sqlite_url(sqlite_template: SqliteTemplate) -> str:
    """Give a SQLite database of this test's own, for what only a file can suffer."""
    return sqlite_template.copy()
