"""A request with much behind it waits by itself: others go by, and each hears the truth."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import pytest

from ingest.accept import Busy
from ingest.lane import HeavyLimits
from ingest.store import Item
from ingest.writer import Writer
from models.connection import READ_TIMEOUT_S
from models.database import Database, Row
from models.values import Outcome, Receipt
from tests.databases import DEFAULT, opened, read, save_batches
from tests.laws.model import Delivery
from tests.store.between import Between

RECEIVED = 1_768_000_000_000_000
LITTLE = HeavyLimits(events_max=3, page=2, requests_max=1, bytes_max=100)
BEHIND = 10
OTHERS = 20


def toggle(second: int, name: str, value: Any, user: str = "big") -> Delivery:
    """Return a write of a flag that happened at a second of New Year's first minute."""
    body = {"type": "identify", "userId": user, "traits": {"vip": value}, "messageId": name}
    return Delivery({**body, "timestamp": f"2026-01-01T00:00:{second:02d}Z"}, RECEIVED)


class Gated(Between):
    """A database whose pages are not read before a gate is opened."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def read(
        self, sql: str, args: Sequence[Any] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> list[Row]:
        if ", at, id LIMIT" in sql:
            self.asked.set()
            await self.gate.wait()
        return await super().read(sql, args, timeout_s)


class Counter:
    """A writer, and the database that it stands on."""

    def __init__(self, database: Database, heavy: HeavyLimits = LITTLE) -> None:
        self.gated = Gated(database)
        self.writer = Writer(cast("Database", self.gated), heavy=heavy)

    def send(self, *batch: Delivery, size: int = 1) -> asyncio.Task[list[Receipt | None]]:
        """Begin to store messages."""
        items = [Item(read(one), asked=True) for one in batch]
        return asyncio.create_task(self.writer.submit(DEFAULT, items, size))

    async def under_way(self, heavy: Delivery) -> asyncio.Task[list[Receipt | None]]:
        """Begin to store a message, and return once what is behind it is being read."""
        task = self.send(heavy)
        await self.gated.asked.wait()
        return task

    async def stored(self) -> set[str]:
        """Return the ids of all messages that are in the log."""
        return {name for (name,) in await self.gated.read("SELECT message_id FROM events")}


@pytest.fixture
async def counter(database_url: str) -> AsyncIterator[Counter]:
    """Give a writer to a database with two users who have said much."""
    async with opened(database_url) as database:
        batch = [
            toggle(10 + n, f"{user}{n}", n % 2 == 0, user)
            for user in ("big", "large")
            for n in range(BEHIND)
        ]
        await save_batches(database, [batch])
        made = Counter(database)
        made.writer.start()
        yield made
        await made.writer.close()


def outcome(task: asyncio.Task[list[Receipt | None]]) -> Outcome:
    """Return what became of the one message of a request that was answered."""
    [receipt] = task.result()
    assert receipt is not None
    return receipt.outcome


async def test_others_that_came_later_are_durable_before_it(counter: Counter) -> None:
    heavy = counter.send(toggle(15, "late", "x"))
    beside = [counter.send(toggle(1, f"o{n}", value=True, user=f"u{n}")) for n in range(OTHERS)]
    await counter.gated.asked.wait()
    later = [counter.send(toggle(2, f"p{n}", value=True, user=f"u{n}")) for n in range(OTHERS)]
    # Also what is plain about the same user.
    later.append(counter.send(toggle(50, "last", value=True)))
    await asyncio.gather(*beside, *later)
    assert not heavy.done()
    assert "late" not in await counter.stored()
    assert counter.writer.messages_waiting == 0
    counter.gated.gate.set()
    await heavy
    assert outcome(heavy) is Outcome.SUPERSEDED


async def test_a_retry_meanwhile_queues_behind_and_is_a_duplicate(counter: Counter) -> None:
    first = await counter.under_way(toggle(15, "late", "x"))
    again = counter.send(toggle(15, "late", "x"))
    counter.gated.gate.set()
    await asyncio.gather(first, again)
    assert (outcome(first), outcome(again)) == (Outcome.SUPERSEDED, Outcome.DUPLICATE)


async def test_more_than_may_wait_is_busy_for_longer_and_nothing_of_it_is_stored(
    counter: Counter,
) -> None:
    under_way = await counter.under_way(toggle(15, "a", "x"))
    waits = counter.send(toggle(15, "b", "y", "large"))
    await asyncio.sleep(0)
    refused = counter.send(toggle(15, "c", "z"))
    with pytest.raises(Busy, match="much behind them") as busy:
        await refused
    assert busy.value.retry_after_s == LITTLE.retry_after_s
    counter.gated.gate.set()
    await asyncio.gather(under_way, waits)
    assert {"a", "b", "c"} & await counter.stored() == {"a", "b"}


async def test_more_bytes_than_may_wait_are_busy(counter: Counter) -> None:
    roomy = Counter(counter.gated, HeavyLimits(events_max=3, page=2, bytes_max=100))
    roomy.writer.start()
    under_way = await roomy.under_way(toggle(15, "a", "x"))
    # Larger than all that may wait, but nothing does.
    waits = roomy.send(toggle(15, "b", "y"), size=1_000)
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="much behind them"):
        await roomy.send(toggle(15, "c", "z"))
    for one in (roomy, counter):
        one.gated.gate.set()
    await asyncio.gather(under_way, waits)
    await roomy.writer.close()


async def test_closing_tells_what_waits_to_come_again_and_stores_nothing_of_it(
    counter: Counter,
) -> None:
    under_way = await counter.under_way(toggle(15, "a", "x"))
    waits = counter.send(toggle(15, "b", "y", "large"))
    plain = counter.send(toggle(50, "plain", value=True))
    await plain
    closing = asyncio.create_task(counter.writer.close())
    for heavy in (waits, under_way):
        with pytest.raises(Busy, match="stopping"):
            await heavy
        counter.gated.gate.set()
    await closing
    assert {"a", "b", "plain"} & await counter.stored() == {"plain"}


async def test_several_that_wait_are_stored_together(counter: Counter) -> None:
    many = Counter(counter.gated, HeavyLimits(events_max=3, page=2))
    many.writer.start()
    first = await many.under_way(toggle(15, "a", "x", "large"))
    others = [many.send(toggle(11 + n, f"late{n}", "x")) for n in range(5)]
    # What is behind them is done: so they are set aside.
    await many.send(toggle(50, "plain", value=True, user="else"))
    many.gated.gate.set()
    counter.gated.gate.set()
    await asyncio.gather(first, *others)
    await many.writer.close()
    assert sum(many.gated.pages) == 2 * BEHIND


async def test_one_that_cannot_be_stored_is_held_alone(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        batch = [toggle(10 + n, f"big{n}", n % 2 == 0) for n in range(BEHIND)]
        await save_batches(database, [batch])

        async def break_one(tx: Any) -> None:
            await tx.fetch(
                "CREATE TRIGGER broken BEFORE UPDATE ON customers WHEN EXISTS"
                " (SELECT 1 FROM events WHERE message_id = 'late3')"
                " BEGIN SELECT raise(ABORT, 'planted'); END",
                (),
            )

        await database.write(break_one)
        many = Counter(database, HeavyLimits(events_max=3, page=2))
        many.writer.start()
        others = [many.send(toggle(11 + n, f"late{n}", "x")) for n in range(5)]
        await many.send(toggle(50, "plain", value=True, user="else"))
        many.gated.gate.set()
        await asyncio.gather(*others)
        await many.writer.close()
        assert [outcome(one) for one in others].count(Outcome.QUARANTINED) == 1
        assert outcome(others[3]) is Outcome.QUARANTINED
