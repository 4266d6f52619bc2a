"""Hold what a module of tests wrote to its log: fixtures that the folders of such modules share."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from ingest.rebuild import check
from models.database_scratch import open_scratch
from models.migrate import current, head
from models.values import Workspace
from tests.databases import PostgresTemplate, SqliteTemplate, Template, file_of, opened, url_of

DATABASES_MAX = 6
"""So many of each kind are looked at when a module ends, of however many it made."""

_NAMES = "SELECT datname FROM pg_database WHERE datname LIKE 'calyx_%' ORDER BY oid"


@pytest.fixture(scope="module", autouse=True)
def held_to_the_log(
    request: pytest.FixtureRequest, sqlite_template: SqliteTemplate
) -> Iterator[list[tuple[Template, str]]]:
    """Check, once a module ends, that the databases it made are what their logs say.

    Give a list of those that nobody needs afterwards. A module that spoils them on purpose says
    why in `SPOILT`, and is left alone.
    """
    templates = _templates(request, sqlite_template)
    before = {url for template in templates for url in _urls(template)}
    done: list[tuple[Template, str]] = []
    yield done
    if not hasattr(request.module, "SPOILT"):
        for template in templates:
            made = [url for url in _urls(template) if url not in before]
            asyncio.run(_hold(file_of(sqlite_template.copy()), _some(made)))
    for template, url in done:
        template.drop(url)


@pytest.fixture
def database_url(template: Template, held_to_the_log: list[tuple[Template, str]]) -> str:
    """Give a database of this test's own, of either kind, that lasts until its module ends."""
    url = template.copy()
    held_to_the_log.append((template, url))
    return url


def _templates(request: pytest.FixtureRequest, sqlite_template: SqliteTemplate) -> list[Template]:
    """Return the kinds of database that tests of this module use."""
    tests = [
        item
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
    ]
    kinds = [getattr(test, "callspec", None) for test in tests]
    both = any(kind is not None and kind.params.get("template") == "postgres" for kind in kinds)
    if not both and not any("postgres_template" in test.fixturenames for test in tests):
        return [sqlite_template]
    try:
        return [sqlite_template, request.getfixturevalue("postgres_template")]
    except pytest.skip.Exception:
        return [sqlite_template]


def _urls(template: Template) -> list[str]:
    """Return the databases there are, the oldest first."""
    if isinstance(template, PostgresTemplate):
        return [f"{template.server}/{name}" for name in asyncio.run(_names(template.server))]
    if isinstance(template, SqliteTemplate):
        files = sorted(template.folder.glob("*.db"), key=lambda file: file.stat().st_ctime_ns)
        return [url_of(file) for file in files]
    raise TypeError(template)


async def _names(server: str) -> list[str]:
    connection = await asyncpg.connect(server.replace("+asyncpg", "") + "/postgres")
    try:
        return [row[0] for row in await connection.fetch(_NAMES)]
    finally:
        await connection.close()


def _some(urls: list[str]) -> list[str]:
    """Return a few from all over a list, the last among them."""
    step = -(-len(urls) // DATABASES_MAX) or 1
    return urls[::-1][::step]


async def _hold(scratch: Path, urls: list[str]) -> None:
    beside = await open_scratch(scratch)
    try:
        for url in urls:
            if await current(url) != head():
                continue
            async with opened(url) as database:
                workspaces = await database.read("SELECT id, name FROM workspaces")
            for number, name in workspaces:
                verdict = await check(url, beside, Workspace(number, name))
                assert verdict.ok, f"{name} in {url}: {verdict.difference}"
    finally:
        await beside.close()
