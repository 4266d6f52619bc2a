"""What an import knows of a log at a glance: it misses nothing that is there, and asks for little that is not."""

from __future__ import annotations

import asyncio
import random

from ingest.seen import Seen
from models.values import event_key
from tests.databases import DEFAULT, Template, opened, save_batches
from tests.laws.histories import random_history

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
