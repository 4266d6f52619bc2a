"""No process goes on beside tables that it cannot live with, unless somebody insists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from models.database import Unavailable, open_database
from models.migrate import Fit, current, fit, head, hold_apart, upgrade
from models.revision import APPLICATION, HEAD
from tests.databases import PostgresTemplate, SqliteTemplate, opened
from tests.http.serving import run

FIRST = "0001"


@asynccontextmanager
async def connected(url: str, name: str) -> AsyncIterator[None]:
    """Be connected as somebody of this name."""
    settings = {"application_name": name} if name else {}
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), server_settings=settings)
    try:
        yield
    finally:
        await connection.close()


def test_the_code_says_the_revision_that_it_knows() -> None:
    assert head() == HEAD
    assert fit(HEAD, HEAD) is Fit.EXACT


def test_code_of_the_first_revision_does_not_start_on_the_second() -> None:
    # It writes nothing for the indexes that the second keeps.
    assert fit("0002_since_0002", FIRST) is Fit.BEYOND


async def test_all_that_a_process_has_open_says_its_revision(
    postgres_template: PostgresTemplate,
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    sql = (
        "SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database()"
    )
    database = await open_database(url, readers=2)
    try:
        assert await database.read(sql) == [(APPLICATION,)]
    finally:
        await database.close()


@pytest.mark.parametrize("name", ["", "calyx 0001", "calyx 0003_since_0001"])
async def test_who_is_too_old_for_the_tables_to_come_is_in_the_way(
    postgres_template: PostgresTemplate, name: str
) -> None:
    url = await asyncio.to_thread(postgres_template.empty)
    await upgrade(url, FIRST)
    async with connected(url, name), connected(url, "psql"):
        with pytest.raises(Unavailable, match=f"1 connections.*{name or 'no name'}"):
            await hold_apart(url, FIRST, "0005_since_0004")
        # Those that demand nothing, or no more than is there already, let everybody go on.
        await hold_apart(url, FIRST, "0005")
        await hold_apart(url, "0004", "0005_since_0004")


@pytest.mark.parametrize("name", ["calyx 0004", "calyx 0005_since_0004", "psql", "pg_dump"])
async def test_who_can_live_with_them_is_not(
    postgres_template: PostgresTemplate, name: str
) -> None:
    url = await asyncio.to_thread(postgres_template.empty)
    async with connected(url, name):
        await hold_apart(url, FIRST, "0005_since_0004")


@pytest.mark.parametrize("words", [("migrate",), ("serve", "--port", "0")])
async def test_beside_an_older_process_nothing_is_migrated_and_nothing_starts(
    postgres_template: PostgresTemplate, tmp_path: Path, words: tuple[str, ...]
) -> None:
    url = await asyncio.to_thread(postgres_template.empty)
    await upgrade(url, FIRST)
    async with connected(url, ""):
        done = await asyncio.to_thread(run, tmp_path, *words, CALYX_DATABASE_URL=url)
        assert done.returncode == 1
        assert "stop them first" in done.stderr
        assert "Traceback" not in done.stderr
        assert await current(url) == FIRST


async def test_who_insists_migrates_all_the_same(
    postgres_template: PostgresTemplate, tmp_path: Path
) -> None:
    url = await asyncio.to_thread(postgres_template.empty)
    await upgrade(url, FIRST)
    async with connected(url, ""):
        words = ("migrate", "--force")
        done = await asyncio.to_thread(run, tmp_path, *words, CALYX_DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (0, "")
    assert await current(url) == head()


async def test_a_file_that_somebody_has_open_is_not_migrated(
    sqlite_template: SqliteTemplate, tmp_path: Path
) -> None:
    url = sqlite_template.empty()
    await upgrade(url, FIRST)
    async with opened(url):
        done = await asyncio.to_thread(run, tmp_path, "migrate", CALYX_DATABASE_URL=url)
        assert done.returncode == 1
        assert "another process has it open" in done.stderr
    done = await asyncio.to_thread(run, tmp_path, "migrate", CALYX_DATABASE_URL=url)
    assert done.returncode == 0
    assert await current(url) == head()
