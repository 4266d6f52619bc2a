"""What an import knows of a log at a glance: it misses nothing that is there, and asks for little that is not."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from ingest import bulk
from ingest.carried import Carried, Reader, Said
from ingest.message import Bounds
from ingest.plain import Plain
from ingest.seen import Seen
from models.values import Outcome, event_key
from tests.databases import DEFAULT, Template, opened, save_batches
from tests.laws.histories import random_history
from tests.store.carrying import NOW_US

MANY = 2_000


def keys_of(name: str, count: int) -> list[bytes]:
    return [event_key("default", f"{name}{number}", "d" * 32) for number in range(count)]


async def test_it_misses_nothing_that_the_log_has(template: Template) -> None:
    async with opened(await asyncio.to_thread(template.copy)) as database:
        await save_batches(database, [random_history(random.Random(5), 200)])
        rows = await database.read("SELECT key FROM events WHERE workspace_id = ?1", (DEFAULT.id,))
        stored = [bytes(key) for (key,) in rows]
        seen = await database.write(lambda tx: Seen.load(tx, DEFAULT))
    assert seen is not None
    assert len(stored) > 50
    assert seen.maybe(stored) == stored


def carried(message: dict[str, Any]) -> Carried:
    """Return what a line of an archive carries that has this message."""
    return next(Reader(DEFAULT.name, NOW_US, Bounds()).read(1, json.dumps(message).encode()))


async def test_what_came_in_another_form_is_a_duplicate_all_the_same(template: Template) -> None:
    message: dict[str, Any] = {
        "type": "identify",
        "messageId": "m1",
        "userId": "u1",
        "traits": {"plan": "pro"},
    }
    # A write key is no part of what a message says, but takes a closer look.
    said, plain = carried({**message, "writeKey": "k"}), carried(message)
    assert isinstance(said, Said)
    assert isinstance(plain, Plain)
    async with opened(await asyncio.to_thread(template.copy)) as database:
        seen = Seen()
        await database.write(lambda tx: bulk.save(tx, DEFAULT, [], [said], seen))
        became = await database.write(lambda tx: bulk.save(tx, DEFAULT, [plain], [], seen))
    assert became[Outcome.DUPLICATE] == became.total() == 1


def test_what_was_asked_for_is_asked_for_again_and_little_else() -> None:
    seen = Seen()
    first, others = keys_of("a", MANY), keys_of("b", MANY)
    assert len(seen.maybe(first)) < MANY / 100
    # A transaction that lost a race is done once more, and then the log has to say.
    assert seen.maybe(first) == first
    seen.note(others)
    assert seen.maybe(others) == others


def test_of_one_message_id_all_events_are_looked_for() -> None:
    seen = Seen()
    seen.note([event_key("default", "m", "1" * 32)])
    other = event_key("default", "m", "2" * 32)
    assert seen.maybe([other]) == [other]
