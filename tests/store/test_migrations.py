"""The migrations lead to the tables of this version, from each version before it, and keep what is there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
import pytest
from alembic import command
from sqlalchemy import Connection, inspect

from ingest.replay import digest, dump
from models.database import engine_of
from models.migrate import current, head, upgrade
from tests.databases import DEFAULT, PostgresTemplate, Template, opened, save_batches
from tests.http.serving import run
from tests.laws.histories import random_history
from tests.store import recorded

T = TypeVar("T")

each_revision = pytest.mark.parametrize("revision", recorded.revisions())


async def on(url: str, work: Callable[[Connection], T]) -> T:
    engine = engine_of(url)
    async with engine.connect() as connection:
        done = await connection.run_sync(work)
    await engine.dispose()
    return done


async def test_the_migrations_make_the_tables_that_the_code_knows(empty_url: str) -> None:
    await upgrade(empty_url)
    # It raises where the tables differ.
    await on(empty_url, lambda connection: command.check(recorded.config(connection)))


async def test_migrating_twice_changes_nothing(empty_url: str) -> None:
    await upgrade(empty_url)
    await upgrade(empty_url)
    assert await current(empty_url) == head()


async def test_servers_that_start_at_once_migrate_once(
    postgres_template: PostgresTemplate, tmp_path: Path
) -> None:
    url = await asyncio.to_thread(postgres_template.empty)
    # A table of the same name, not yet committed, holds whoever comes first until all are there.
    holder = await asyncpg.connect(url.replace("+asyncpg", ""))
    await holder.execute("BEGIN; CREATE TABLE accounts ()")
    calls = [
        asyncio.create_task(asyncio.to_thread(run, tmp_path, "migrate", CALYX_DATABASE_URL=url))
        for _ in range(2)
    ]
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state <> 'idle in transaction'"
        " HAVING bool_or(wait_event_type = 'Lock')"
    )
    async with asyncio.timeout(30):
        while True:
            if await postgres_template.ask(url, waiting) == len(calls):
                break
            await asyncio.sleep(0.1)
    await holder.close()
    done = await asyncio.gather(*calls)
    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * len(calls)
    assert await current(url) == head()


@each_revision
async def test_what_an_earlier_version_stored_is_after_the_upgrade_what_this_one_would_store(
    template: Template, revision: str
) -> None:
    said = recorded.history(revision)
    more = random_history(random.Random(11), 60)
    old, new = await asyncio.to_thread(template.empty), await asyncio.to_thread(template.copy)
    await upgrade(old, revision)
    await recorded.fill(old, revision)
    await asyncio.to_thread(template.catch_up, old)
    await upgrade(old)
    async with opened(old) as upgraded, opened(new) as fresh:
        await save_batches(fresh, [said])
        assert digest(await dump(upgraded, DEFAULT)) == digest(await dump(fresh, DEFAULT))
        for database in (upgraded, fresh):
            await save_batches(database, [more])
        assert digest(await dump(upgraded, DEFAULT)) == digest(await dump(fresh, DEFAULT))


@each_revision
def test_what_each_version_stores_is_recorded(revision: str) -> None:
    recording = recorded.ROWS / f"{revision}.json"
    assert recording.exists(), "record it: python -m tests.store.recorded"


async def test_every_key_and_index_leads_with_the_workspace(empty_url: str) -> None:
    """But for the workspaces themselves, and the hash by which a key says which is meant."""
    await upgrade(empty_url)

    def lead(connection: Connection) -> set[tuple[str, str | None]]:
        inspector = inspect(connection)
        leading: set[tuple[str, str | None]] = set()
        for table in sorted(set(inspector.get_table_names()) - {"workspaces", "alembic_version"}):
            leading.add((table, inspector.get_pk_constraint(table)["constrained_columns"][0]))
            leading |= {(table, one["column_names"][0]) for one in inspector.get_indexes(table)}
            unique = inspector.get_unique_constraints(table)
            leading |= {(table, one["column_names"][0]) for one in unique}
        return leading

    leading = await on(empty_url, lead)
    assert {(table, name) for table, name in leading if name != "workspace_id"} == {
        ("api_keys", "hash")
    }
