"""While no standby takes what a primary commits, nobody is told that it is stored, and nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import asyncpg
import pytest

from ingest.store import Item, save
from models.database import Unavailable
from models.database_postgres import PostgresDatabase
from models.values import Outcome, Receipt
from tests.databases import DEFAULT, PostgresTemplate, read
from tests.laws.model import Delivery
from tests.postgres import Server

PATIENCE_S = 0.5
# Longer than a driver's time-out of the same length would let a COMMIT go on.
LONG_S = 2.5
BODY = {"type": "identify", "userId": "u1", "messageId": "m1", "traits": {"plan": "free"}}


@pytest.fixture
def alone(postgres_pair: tuple[Server, Server]) -> Iterator[PostgresTemplate]:
    """Give databases on a primary that waits for a standby which does not exist."""
    with PostgresTemplate.made(postgres_pair[0].url) as template:
        yield template
        asyncio.run(wait_for(template, ""))


async def wait_for(template: PostgresTemplate, standby: str) -> None:
    await template.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
    name_of = "SELECT current_setting('synchronous_standby_names')"
    await template.execute("SELECT pg_reload_conf()")
    for _ in range(200):
        if await template.ask(f"{template.server}/postgres", name_of) == standby:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the server did not take its new settings")


async def shown(database: PostgresDatabase) -> None:
    for _ in range(200):
        if await database.read("SELECT count(*) FROM events") == [(1,)]:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("what was cut off is not to be seen")


async def store(database: PostgresDatabase) -> Receipt | None:
    item = Item(read(Delivery(BODY, 1_767_225_600_000_000)), asked=True)
    [receipt] = await database.write(lambda tx: save(tx, DEFAULT, [item]))
    return receipt


async def test_a_commit_that_waits_for_a_standby_is_neither_acknowledged_nor_cancelled(
    alone: PostgresTemplate,
) -> None:
    url = await asyncio.to_thread(alone.copy)
    watcher = await asyncpg.connect(url.replace("+asyncpg", ""))
    name = url.rsplit("/", 1)[1]
    await alone.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    database = await PostgresDatabase.open(url, 1)
    database.commit_patience_s = PATIENCE_S
    await wait_for(alone, "nobody")
    until = time.monotonic() + LONG_S
    refused = 0
    while time.monotonic() < until:
        with pytest.raises(Unavailable, match="standby"):
            await store(database)
        refused += 1
        assert await watcher.fetchval("SELECT count(*) FROM events") == 0
        assert await database.read("SELECT count(*) FROM events") == [(0,)]
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = $1"
    assert await watcher.fetchval(waiting, name) == 1
    await wait_for(alone, "")
    receipt = await store(database)
    assert receipt is not None
    assert receipt.outcome is Outcome.DUPLICATE
    assert await database.read("SELECT count(*) FROM events") == [(1,)]
    assert refused >= 2
    await watcher.close()
    await database.close()


async def test_a_retry_of_what_no_standby_has_is_not_acknowledged_as_a_duplicate(
    alone: PostgresTemplate,
) -> None:
    url = await asyncio.to_thread(alone.copy)
    name = url.rsplit("/", 1)[1]
    await alone.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    database = await PostgresDatabase.open(url, 1)
    database.commit_patience_s = PATIENCE_S
    await wait_for(alone, "nobody")
    with pytest.raises(Unavailable, match="standby"):
        await store(database)
    # A primary that is started again forgets who waited, and shows what only it has.
    cut_off = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
    waiting = f"WHERE wait_event = 'SyncRep' AND datname = '{name}'"
    assert await alone.ask(url, f"{cut_off} {waiting}") == 1
    await shown(database)
    with pytest.raises(Unavailable, match="standby"):
        await store(database)
    await wait_for(alone, "")
    receipt = await store(database)
    assert receipt is not None
    assert receipt.outcome is Outcome.DUPLICATE
    await database.close()
