"""What reads PostgreSQL is bounded, prepared, cut off in time, heals, and folds case."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from asyncpg.exceptions import PostgresError

from models.connection import TimedOut
from models.database_postgres import PostgresDatabase
from models.dialect_read_postgres import COLLATIONS, PostgresReading
from tests.databases import PostgresTemplate

SLEEP = "SELECT 1 FROM pg_sleep(?1)"


@pytest.fixture
async def url(postgres_template: PostgresTemplate) -> AsyncIterator[str]:
    made = await asyncio.to_thread(postgres_template.copy)
    yield made
    await asyncio.to_thread(postgres_template.drop, made)


@pytest.fixture
async def database(url: str) -> AsyncIterator[PostgresDatabase]:
    """Give a database that two connections read, for a second at most."""
    opened = await PostgresDatabase.open(url, readers=2, seconds_max=1.0)
    yield opened
    await opened.close()


async def test_never_more_connections_read_than_were_allowed(database: PostgresDatabase) -> None:
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    found = await asyncio.gather(
        *(database.read(f"{mine} AND pg_sleep(0.02) IS NOT NULL") for _ in range(20))
    )
    # Two that read, and one that writes.
    assert max(rows[0][0] for rows in found) == 3


async def test_a_statement_that_takes_too_long_is_given_up(database: PostgresDatabase) -> None:
    with pytest.raises(TimedOut):
        await database.read(SLEEP, (30.0,), 0.1)
    assert await database.read("SELECT 1") == [(1,)]


async def test_waiting_for_a_connection_counts_as_time(database: PostgresDatabase) -> None:
    slow = [asyncio.create_task(database.read(SLEEP, (0.5,))) for _ in range(2)]
    await asyncio.sleep(0.1)
    with pytest.raises(TimedOut):
        await database.read("SELECT 1", (), 0.1)
    await asyncio.gather(*slow)


async def test_the_server_gives_up_too_where_the_caller_is_gone(database: PostgresDatabase) -> None:
    shown = "SHOW statement_timeout"
    assert await database.read(shown, (), 1.0) == [("1500ms",)]
    assert await database.read(shown, (), 600.0) == [("600500ms",)]
    assert await database.read(SLEEP, (1.8,), 10.0) == [(1,)]
    assert await database.read(shown, (), 1.0) == [("1500ms",)]


async def test_what_reads_cannot_write(database: PostgresDatabase) -> None:
    with pytest.raises(Exception, match="read-only"):
        await database.read("DELETE FROM workspaces")


async def test_a_long_statement_is_prepared_once_and_kept(url: str) -> None:
    database = await PostgresDatabase.open(url, readers=1)
    long = f"SELECT length('{'x' * 30_000}') + ?1::bigint AS long"
    for _ in range(3):
        assert await database.read(long, (2,)) == [(30_002,)]
    kept = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%AS long'"
    assert await database.read(kept) == [(1,)]
    await database.close()


async def test_a_fault_in_a_statement_is_no_database_that_is_away(
    database: PostgresDatabase,
) -> None:
    with pytest.raises(PostgresError, match="division by zero"):
        await database.read("SELECT 1 / 0")


async def test_connections_that_were_cut_are_made_again_before_anybody_notices(
    database: PostgresDatabase, url: str
) -> None:
    await asyncio.gather(*(database.read(SLEEP, (0.05,)) for _ in range(2)))
    other = await asyncpg.connect(url.replace("+asyncpg", ""))
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    for _ in range(5):
        await other.execute(cut)
        assert await database.read("SELECT 1") == [(1,)]
    await other.close()


async def test_case_is_folded_by_the_best_collation_the_server_has(
    database: PostgresDatabase,
) -> None:
    assert database.collation == (await collations(database))[0]


async def test_every_collation_the_server_has_folds_and_finds_words_as_python_does(
    database: PostgresDatabase,
) -> None:
    for collation in await collations(database):
        reading = PostgresReading(collation)
        folded, begins = reading.folded("?1::text"), reading.begins_word("?2::text", "?3::text")
        # What the database was made with may know no more than ASCII.
        texts = (
            ["Al-LOVELACE"] if collation == "default" else ["Al-LOVELACE", "Jo_ÉLAN", "Ж..ΑΘΗΝΑ"]
        )
        for text in texts:
            lower = text.lower()
            for word, is_begun in ((lower[3:6], True), (lower[4:], False), (lower[2:6], False)):
                found = await database.read(f"SELECT {folded}, {begins}", (text, lower, word))
                assert found == [(lower, is_begun)], (collation, text, word)


async def collations(database: PostgresDatabase) -> list[str]:
    """Return those that could fold case and that the server has, the best first."""
    can = []
    for name in COLLATIONS:
        try:
            await database.read(f"SELECT lower('A' COLLATE \"{name}\")")
        except PostgresError:
            continue
        can.append(name)
    return can
