"""What several kinds of test stand on: databases of their own, already migrated."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.databases import PostgresTemplate, SqliteTemplate, Template
from tests.postgres import Missing, server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Give a PostgreSQL server; without one a developer is told, and CI fails."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(server())
        except Missing as missing:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"NOT TESTED ON POSTGRESQL: {missing}")
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    """Give a migrated SQLite database, to be copied for each test."""
    return SqliteTemplate.make(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str) -> PostgresTemplate:
    """Give a migrated PostgreSQL database, to be copied for each test."""
    return PostgresTemplate.make(postgres_server)


@pytest.fixture(scope="session", params=["sqlite", "postgres"])
def template(request: pytest.FixtureRequest) -> Template:
    """Give a migrated database of either kind."""
    made: Template = request.getfixturevalue(f"{request.param}_template")
    return made


@pytest.fixture
def database_url(template: Template) -> str:
    """Give a database of this test's own, of either kind."""
    return template.copy()


@pytest.fixture
def sqlite_url(sqlite_template: SqliteTemplate) -> str:
    """Give a SQLite database of this test's own, for what only a file can suffer."""
    return sqlite_template.copy()
