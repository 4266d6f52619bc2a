"""What is held waits once a body, and a retry makes of it the event it would have been."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from ingest.accept import Bounds, Door, Ingest
from ingest.message import parse_one
from ingest.replay import State, dump
from models.database import Database
from models.values import Message, Outcome, Quarantined, Reason, Receipt, Workspace, quarantine_key
from tests.databases import DEFAULT, Template, opened, read, save_batches
from tests.laws import model
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import plain

RECEIVED = 1_768_000_000_000_000
NOW = RECEIVED + 3_600_000_000
AT = "2026-01-01T00:00:10Z"
NOBODY: dict[str, Any] = {
    "type": "identify",
    "traits": {"plan": "pro"},
    "timestamp": AT,
    "messageId": "m1",
}
SOMEBODY = NOBODY | {"userId": "u1"}
LARGE = SOMEBODY | {"traits": {"plan": "x" * 2_000}}
SMALL = Bounds(message_bytes_max=1_000)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with opened(database_url) as found:
        yield found


class Taking:
    """An Ingest that is open."""

    def __init__(self, database: Database, bounds: Bounds) -> None:
        self.database = database
        self.ingest = Ingest(database, bounds=bounds)
        self.ingest.start()

    async def say(self, *bodies: Any, received_at: int = RECEIVED) -> list[Receipt]:
        body = json.dumps(list(bodies)).encode()
        return await self.ingest.deliver(DEFAULT, body, door=Door.SEGMENT, received_at=received_at)

    async def retry(
        self, key: bytes, correction: Any = None, now: int = NOW
    ) -> Receipt | Quarantined | None:
        return await self.ingest.retry(DEFAULT, key, now=now, correction=correction)

    async def outcome(self, key: bytes, correction: Any = None) -> Outcome:
        found = await self.retry(key, correction)
        assert isinstance(found, Receipt)
        return found.outcome

    async def state(self) -> State:
        state: State = plain(await dump(self.database, DEFAULT))
        return state

    async def entry(self) -> tuple[Any, ...]:
        sql = "SELECT reason, retried_at, erased, body FROM quarantine WHERE workspace_id = 1"
        [row] = await self.database.read(sql)
        return row


@pytest.fixture
async def taking(database: Database) -> AsyncIterator[Taking]:
    found = Taking(database, Bounds())
    yield found
    await found.ingest.close()


def key_of(receipt: Receipt) -> bytes:
    assert receipt.quarantine_key is not None
    return receipt.quarantine_key


def said_by(*bodies: Any) -> Any:
    return plain(model.state([Delivery(body, RECEIVED) for body in bodies]))


async def test_there_is_nothing_to_retry_where_nothing_waits(taking: Taking) -> None:
    assert await taking.retry(b"no such key at all") is None
    [held] = await taking.say(NOBODY)
    other = Workspace(2, "other")
    assert (
        await taking.ingest.retry(other, key_of(held), now=NOW) is None
        if await _made(taking.database, other)
        else False
    )


async def _made(database: Database, workspace: Workspace) -> bool:
    async def work(tx: Any) -> None:
        sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (?1, ?2, 0, ?3)"
        await tx.fetch(sql, (workspace.id, workspace.name, b"another key"))

    await database.write(work)
    return True


async def test_a_retry_in_vain_is_noted_and_changes_nothing_else(taking: Taking) -> None:
    [held] = await taking.say(NOBODY)
    before = await taking.state()
    again = await taking.retry(key_of(held))
    assert isinstance(again, Receipt)
    assert (again.outcome, again.reason) == (Outcome.QUARANTINED, Reason.NO_SUBJECT)
    assert again.received_at == RECEIVED
    assert (await taking.entry())[:3] == ("NO_SUBJECT", NOW, 0)
    assert await taking.state() == before == said_by(NOBODY)


async def test_a_correction_that_would_be_held_itself_is_refused_and_nothing_is_written(
    taking: Taking,
) -> None:
    [held] = await taking.say(NOBODY)
    refused = await taking.retry(key_of(held), {"type": "dance"})
    assert isinstance(refused, Quarantined)
    assert refused.reason is Reason.UNKNOWN_TYPE
    assert (await taking.entry())[:3] == ("NO_SUBJECT", None, 0)


async def test_a_corrected_message_is_what_it_says_from_when_it_came(taking: Taking) -> None:
    [held] = await taking.say(NOBODY | {"timestamp": "soon"})
    correction = SOMEBODY | {"timestamp": "soon"}
    receipt = await taking.retry(key_of(held), correction)
    assert isinstance(receipt, Receipt)
    assert (receipt.outcome, receipt.received_at) == (Outcome.APPLIED, RECEIVED)
    assert receipt.notes
    assert await taking.state() == said_by(correction)


async def test_of_what_was_retried_nothing_but_a_keyed_hash_is_left_in_the_quarantine(
    taking: Taking,
) -> None:
    [held] = await taking.say(NOBODY)
    await taking.retry(key_of(held), SOMEBODY)
    assert (await taking.entry())[2:] == (2, "")
    assert (
        await taking.database.read(
            "SELECT 1 FROM quarantine WHERE workspace_id = 1 AND key = ?1", (key_of(held),)
        )
        == []
    )


async def test_a_retry_again_is_a_duplicate_whatever_it_says(taking: Taking) -> None:
    [held] = await taking.say(NOBODY)
    first = await taking.retry(key_of(held), SOMEBODY)
    state = await taking.state()
    assert isinstance(first, Receipt)
    for correction in (None, SOMEBODY, SOMEBODY | {"userId": "u2"}):
        again = await taking.retry(key_of(held), correction)
        assert isinstance(again, Receipt)
        assert (again.outcome, again.event_key) == (Outcome.DUPLICATE, first.event_key)
        assert again.message_id == "m1"
    assert await taking.state() == state


async def test_retries_at_once_store_one_event(taking: Taking) -> None:
    [held] = await taking.say(NOBODY)
    other = Taking(taking.database, Bounds())
    corrections = [SOMEBODY | {"userId": f"u{at}"} for at in range(8)]
    tried = [
        who.outcome(key_of(held), correction)
        for who, correction in zip([taking, other] * 4, corrections, strict=True)
    ]
    outcomes = sorted(await asyncio.gather(*tried))
    await other.ingest.close()
    assert outcomes == [Outcome.APPLIED, *[Outcome.DUPLICATE] * 7]
    assert len(await taking.database.read("SELECT 1 FROM events WHERE workspace_id = 1")) == 1


async def test_a_body_that_was_retried_is_a_duplicate_when_it_comes_again(taking: Taking) -> None:
    [held] = await taking.say(NOBODY)
    await taking.retry(key_of(held), SOMEBODY)
    state = await taking.state()
    [again] = await taking.say(NOBODY)
    assert again.outcome is Outcome.DUPLICATE
    assert await taking.state() == state


async def test_what_was_too_large_is_stored_as_it_is_once_it_may_be(database: Database) -> None:
    small, wide = Taking(database, SMALL), Taking(database, Bounds())
    [held] = await small.say(LARGE)
    assert held.reason is Reason.TOO_LARGE
    assert await small.outcome(key_of(held)) is Outcome.QUARANTINED
    assert await wide.outcome(key_of(held)) is Outcome.APPLIED
    assert await wide.state() == said_by(LARGE)
    for one in (small, wide):
        await one.ingest.close()


async def test_a_time_that_was_corrected_by_its_door_stays_so(database: Database) -> None:
    small, wide = Taking(database, SMALL), Taking(database, Bounds())
    sent = LARGE | {"sentAt": "2026-01-01T00:00:10Z"}
    delivery = Delivery(sent, RECEIVED, "sdk")
    parsed = parse_one(dict(sent), Door.SDK, RECEIVED, bounds=SMALL)
    assert isinstance(parsed, Quarantined)
    await small.ingest.deliver(
        DEFAULT, json.dumps(sent).encode(), door=Door.SDK, received_at=RECEIVED
    )
    key = quarantine_key(DEFAULT.name, parsed.identity)
    assert await wide.outcome(key) is Outcome.APPLIED
    assert await wide.state() == plain(model.state([delivery]))
    for one in (small, wide):
        await one.ingest.close()


async def test_erasing_finds_what_a_correction_said_of_whom_it_named(taking: Taking) -> None:
    [held] = await taking.say(NOBODY)
    await taking.retry(key_of(held), SOMEBODY)
    erase = {"type": "delete", "userId": "u1", "messageId": "d", "timestamp": "2026-01-02"}
    await taking.say(erase)
    assert await taking.state() == said_by(SOMEBODY, erase)
    [again] = await taking.say(NOBODY)
    assert again.outcome is Outcome.DUPLICATE


async def test_what_is_erased_cannot_be_retried(taking: Taking) -> None:
    [held] = await taking.say({"type": "dance", "userId": "u1", "timestamp": AT})
    await taking.say({"type": "delete", "userId": "u1", "timestamp": "2026-01-02"})
    assert await taking.retry(key_of(held)) is None


@pytest.mark.parametrize("seed", range(6))
def test_retries_anywhere_in_a_history_leave_the_state_of_the_model(
    template: Template, seed: int
) -> None:
    """Corrected, what was held is what it would have been if it had come so in the first place."""
    rng = random.Random(seed)
    history = [one for one in random_history(rng, 60) if one.kind is None]
    broken = [Delivery({**NOBODY, "messageId": f"b{n}"}, RECEIVED) for n in range(4)]
    mended = [
        replace(one, body={**SOMEBODY, "messageId": f"b{n}", "traits": {"plan": n}})
        for n, one in enumerate(broken)
    ]
    order = [*history, *broken, *broken[:2]]
    rng.shuffle(order)
    told = asyncio.run(_with_retries(template.copy(), rng, order, broken, mended))
    assert plain(told) == plain(model.state([*(h for h in order if h not in broken), *mended]))


async def _with_retries(
    url: str,
    rng: random.Random,
    order: Sequence[Delivery],
    broken: Sequence[Delivery],
    mended: Sequence[Delivery],
) -> State:
    async with opened(url) as database:
        taking = Taking(database, Bounds())
        waiting = list(zip(broken, mended, strict=True))
        heard: list[Delivery] = []
        for delivery in [*order, None]:
            if delivery is not None:
                await save_batches(database, [[delivery]])
                heard.append(delivery)
            for pair in [pair for pair in waiting if pair[0] in heard]:
                if delivery is None or rng.random() < 0.2:
                    waiting.remove(pair)
                    parsed = read(pair[0])
                    assert not isinstance(parsed, Message)
                    key = quarantine_key(DEFAULT.name, parsed.identity)
                    assert await taking.outcome(key, pair[1].body) is not Outcome.QUARANTINED
        await taking.ingest.close()
        return await dump(database, DEFAULT)
