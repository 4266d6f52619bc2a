"""Many writers on one PostgreSQL: nobody waits for ever, nobody overwrites anybody."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial

import asyncpg
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
    assert await _deadlocks(postgres_template, url) == 0
    assert len(state["receipts"]) == 80 * 10
    for user in range(5):
        assert len(state["customers"][f"user:u{user}"]["traits"]) == 80
    for group in range(3):
        assert len(state["accounts"][f"g{group}"]["traits"]) == 80


async def test_who_names_the_same_customers_in_another_order_waits_and_is_not_waited_for(
    postgres_template: PostgresTemplate,
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    await _plan_as_for_many_rows(postgres_template, url)
    users = [f"u{number}" for number in range(9)]
    async with AsyncExitStack() as stack:
        writers = [await stack.enter_async_context(opened(url)) for _ in range(2)]
        await save_batches(writers[0], [_named(users, "first")])
        # Somebody has the one in the middle, until both have come as far as they can.
        holder = await asyncpg.connect(url.replace("+asyncpg", ""))
        stack.push_async_callback(holder.close)
        await holder.execute("BEGIN; SELECT 1 FROM customers WHERE user_id = 'u4' FOR UPDATE")
        orders = zip(writers, (users, users[::-1]), ("one", "other"), strict=True)
        writing = [
            asyncio.create_task(save_batches(writer, [_named(order, name)]))
            for writer, order, name in orders
        ]
        await _until(postgres_template, url, _WAITING, len(writing))
        await holder.execute("ROLLBACK")
        await asyncio.gather(*writing)
        state = await dump(writers[0], DEFAULT)
    assert await _deadlocks(postgres_template, url) == 0
    assert len(state["receipts"]) == 3 * len(users)


_WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND wait_event_type = 'Lock'"
)
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid()"
)


def _named(users: Sequence[str], name: str) -> list[Delivery]:
    """Return a batch that names these customers in this order."""
    body = {"type": "identify", "traits": {name: 1}}
    return [
        Delivery({**body, "userId": user, "messageId": f"{name}-{user}"}, NOW) for user in users
    ]


async def _until(template: PostgresTemplate, url: str, sql: str, answer: int) -> None:
    async with asyncio.timeout(30):
        while True:
            if await template.ask(url, sql) == answer:
                break
            await asyncio.sleep(0.05)


async def _deadlocks(template: PostgresTemplate, url: str) -> object:
    """Return how many the server had to break: whoever was in one says so when it goes."""
    await _until(template, url, _OTHERS, 0)
    rows = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    return await template.ask(url, rows)


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
