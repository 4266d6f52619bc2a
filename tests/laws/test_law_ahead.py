"""What is folded ahead of a transaction is what is folded in it, whatever is stored meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import cast

import pytest

from ingest import ahead
from ingest.lane import HeavyLimits
from ingest.queued import Answers, Request, store
from ingest.ready import Ahead
from ingest.replay import State, dump
from ingest.store import Item
from ingest.writer import Writer
from models.database import Database, Transaction
from tests.databases import DEFAULT, Template, opened, read, save_batches
from tests.laws import model
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import plain, rearranged
from tests.store.between import Between

HISTORIES = 40
LENGTH = 60
LITTLE = HeavyLimits(events_max=1, since_max=5, page=2, settled=3, members_max=0)


async def stored_by_writers(
    url: str, writers: int, waves: Sequence[Sequence[Sequence[Delivery]]]
) -> State:
    """Return the state after waves of requests, those of a wave at once and to several writers."""
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(opened(url)) for _ in range(writers)]
        running = [Writer(database, heavy=LITTLE) for database in databases]
        for writer in running:
            writer.start()
        for wave in waves:
            going = [
                running[number % writers].submit(DEFAULT, items_of(request), len(request))
                for number, request in enumerate(wave)
            ]
            await asyncio.gather(*going)
        for writer in running:
            await writer.close()
        return await dump(databases[0], DEFAULT)


async def stored_between(url: str, rng: random.Random, requests: list[list[Delivery]]) -> State:
    """Return the state after requests that are folded ahead while others of them are stored."""
    async with opened(url) as database, opened(url) as another:
        left = list(requests)

        async def store_another(_: int = 0) -> None:
            if left and rng.randrange(100) < 30:
                await save_batches(another, [left.pop()])

        between = cast("Database", Between(database, store_another))
        while left:
            batch = [Request(DEFAULT, items_of(left.pop()), 0)]

            async def work(
                tx: Transaction, ready: Ahead | None, batch: list[Request] = batch
            ) -> Answers:
                return await store(tx, batch, ready)

            await ahead.write(between, DEFAULT, work, LITTLE.ahead(), store_another)
        return await dump(database, DEFAULT)


def items_of(request: Sequence[Delivery]) -> list[Item]:
    return [Item(read(delivery), asked=True) for delivery in request]


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_several_send_at_once_is_what_the_model_says(template: Template, seed: int) -> None:
    rng = random.Random(seed)
    history = random_history(rng, LENGTH)
    rest, waves = rearranged(rng, history), []
    while rest:
        size = rng.choice([1, 3, 8])
        waves.append(rest[:size])
        del rest[:size]
    writers = 1 if template.words == "sqlite" else 2
    told = asyncio.run(stored_by_writers(template.copy(), writers, waves))
    assert plain(told) == plain(model.state(history))


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_what_comes_between_pages_and_before_transactions_is_not_lost(
    template: Template, seed: int
) -> None:
    rng = random.Random(seed)
    history = random_history(rng, LENGTH)
    told = asyncio.run(stored_between(template.copy(), rng, rearranged(rng, history)))
    assert plain(told) == plain(model.state(history))
