"""Many writers on one PostgreSQL: nobody waits for ever, nobody overwrites anybody."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import pytest

from ingest.accept import Door, Ingest
from ingest.replay import State, digest, dump
from models.database import Database, Transaction, open_database
from tests.databases import (
    DEFAULT,
    PostgresTemplate,
    SqliteTemplate,
    opened,
    save_batches,
    state_after,
)
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import cut

NOW = 1_767_225_600_000_000
WRITERS = 4


@pytest.mark.parametrize("seed", range(12))
def test_what_several_writers_store_at_once_is_what_one_stores(
    postgres_template: PostgresTemplate, sqlite_template: SqliteTemplate, seed: int
) -> None:
    rng = random.Random(seed)
    history = random_history(rng, 60)
    shares = [cut(rng, rng.sample(history, len(history))) for _ in range(WRITERS)]
    alone = asyncio.run(state_after(sqlite_template.copy(), [history]))
    together = asyncio.run(_state_after_all(postgres_template.copy(), shares))
    assert digest(together) == digest(alone)


async def test_hot_customers_lose_no_write_and_no_two_writers_wait_for_each_other(
    postgres_template: PostgresTemplate,
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    await _plan_as_for_many_rows(postgres_template, url)
    databases = [await open_database(url, readers=1) for _ in range(WRITERS)]
    writers = [Ingest(database) for database in databases]
    for ingest in writers:
        ingest.start()

    async def post(number: int) -> None:
        # Each batch names the same five customers and three accounts, in an order of its own.
        rng = random.Random(number)
        batch = [
            f'{{"type":"group","userId":"u{user}","groupId":"g{user % 3}","messageId":"{number}.{user}",'
            f'"traits":{{"t{number}":{user}}}}}'
            f',{{"type":"identify","userId":"u{user}","messageId":"i{number}.{user}",'
            f'"traits":{{"t{number}":{user}}}}}'
            for user in rng.sample(range(5), 5)
        ]
        body = f"[{','.join(batch)}]".encode()
        ingest = writers[number % WRITERS]
        await ingest.deliver(DEFAULT, body, door=Door.SDK, received_at=NOW + number)

    await asyncio.gather(*(post(number) for number in range(80)))
    state = await dump(databases[0], DEFAULT)
    for ingest, database in zip(writers, databases, strict=True):
        await ingest.close()
        await database.close()
    # The server counts those it had to break; the order of the locks leaves it none.
    rows = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert await postgres_template.ask(url, rows) == 0
    assert len(state["receipts"]) == 80 * 10
    for user in range(5):
        assert len(state["customers"][f"user:u{user}"]["traits"]) == 80
    for group in range(3):
        assert len(state["accounts"][f"g{group}"]["traits"]) == 80


async def _plan_as_for_many_rows(template: PostgresTemplate, url: str) -> None:
    """Let the keys drive every look-up, in their order, as they do where tables are large."""
    name = url.rsplit("/", 1)[1]
    for path in ("seqscan", "hashjoin", "mergejoin", "bitmapscan"):
        await template.execute(f"ALTER DATABASE {name} SET enable_{path} = off")


async def _state_after_all(url: str, shares: Sequence[Sequence[Sequence[Delivery]]]) -> State:
    databases: list[Database] = [await open_database(url, readers=1) for _ in shares]
    try:
        await asyncio.gather(
            *(save_batches(one, share) for one, share in zip(databases, shares, strict=True))
        )
        return await dump(databases[0], DEFAULT)
    finally:
        for database in databases:
            await database.close()


async def test_a_write_that_is_given_up_takes_no_later_one_with_it(
    database_url: str,
) -> None:
    """Given up at any moment, its BEGIN included: what is acknowledged after it is durable."""
    database = await open_database(database_url, readers=1)

    async def note(tx: Transaction, number: int) -> None:
        row = (number, bytes(15) + bytes([number]), "k", "", "", 1)
        columns = ("id", "key", "name", "prefix", "scopes", "created_at")
        key = bytes([number]) * 32
        await tx.insert("api_keys", (*columns, "hash"), DEFAULT.id, [(*row, key)])

    for turns in range(12):
        given_up = asyncio.ensure_future(database.write(partial(note, number=100 + turns)))
        for _ in range(turns):
            await asyncio.sleep(0)
        given_up.cancel()
        with suppress(asyncio.CancelledError):
            await given_up
        await database.write(partial(note, number=turns))
    await database.close()
    async with opened(database_url) as again:
        stored = {row[0] for row in await again.read("select id from api_keys")}
    assert stored >= set(range(12))
