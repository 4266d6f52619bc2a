"""A batch asks the database a few times, however many messages it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from ingest.store import Item, save
from models.database_postgres_transaction import PostgresTransaction
from models.values import Receipt
from tests.databases import DEFAULT, PostgresTemplate, read
from tests.laws.model_message import Delivery

NOW = 1_767_225_600_000_000
ROUND_TRIPS_MAX = 19
TRAIT = {"plan": "free"}
FLAG = {"vip": True}


class Counting:
    """A connection that counts what is sent through it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.connection, name)

        def counted(*given: Any, **named: Any) -> Any:
            self.count += 1
            return call(*given, **named)

        return counted


def unique(n: int) -> dict[str, Any]:
    return {"type": "identify", "userId": f"u{n}", "messageId": f"u{n}", "traits": {"vip": True}}


def alias(n: int) -> dict[str, Any]:
    return {"type": "alias", "userId": f"v{n}", "previousId": f"w{n}", "messageId": f"a{n}"}


def unreadable(n: int) -> dict[str, Any]:
    return {"type": "nonsense", "userId": f"x{n}", "messageId": f"q{n}"}


async def saved(counting: Counting, items: list[Item]) -> list[Receipt | None]:
    tx = PostgresTransaction(counting, frozenset())  # type: ignore[arg-type]  # it has all that is called
    receipts = await save(tx, DEFAULT, items)
    await tx.flush()
    return receipts


@pytest.mark.parametrize("say", [unique, alias, unreadable])
async def test_a_batch_of_many_asks_no_more_often_than_one_of_a_few(
    postgres_template: PostgresTemplate, say: Callable[[int], dict[str, Any]]
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    counts = []
    for numbers in (range(2), range(2, 102)):
        counting = Counting(connection)
        items = [Item(read(Delivery(say(n), NOW)), asked=True) for n in numbers]
        async with connection.transaction():
            receipts = await saved(counting, items)
        assert len(receipts) == len(numbers)
        counts.append(counting.count)
    await connection.close()
    assert counts[1] <= counts[0] <= ROUND_TRIPS_MAX


@pytest.mark.parametrize("traits", [TRAIT, FLAG])
async def test_many_who_are_joined_are_loaded_and_folded_again_at_once(
    postgres_template: PostgresTemplate, traits: dict[str, Any]
) -> None:
    """Flags that both had are folded again from the log."""
    url = await asyncio.to_thread(postgres_template.copy)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    counts = []
    for numbers in (range(10), range(10, 110), range(110, 111)):
        known = [
            {
                "type": "identify",
                "userId": f"{side}{n}",
                "messageId": f"{side}{n}",
                "traits": traits,
            }
            for n in numbers
            for side in "vw"
        ]
        counting = Counting(connection)
        for said in (known, [alias(n) for n in numbers]):
            counting.count = 0
            items = [Item(read(Delivery(body, NOW)), asked=False) for body in said]
            async with connection.transaction():
                await saved(counting, items)
        counts.append(counting.count)
    customers = await connection.fetchval("SELECT count(*) FROM customers")
    await connection.close()
    assert customers == 111
    a_few, many, one = counts
    assert many <= a_few <= 2 * ROUND_TRIPS_MAX
    assert one == a_few
