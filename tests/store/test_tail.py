"""How far a log is complete is told without skipping whoever commits late."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from models.database_tail import frontier
from tests.databases import DEFAULT, PostgresTemplate, opened, save_batches
from tests.laws.model import Delivery

_OF = "(workspace_id, id, key, message_id, type, at, received_at, veil, written, body)"
_INSERT = f"INSERT INTO events {_OF} VALUES (1, $1, $2, 'late', 0, 1, 1, 0, 0, '{{}}')"
_NEXT = "SELECT nextval(pg_get_serial_sequence('events', 'id'))"


def said(number: int) -> Delivery:
    body = {"type": "track", "event": "e", "userId": "u", "messageId": f"m{number}"}
    return Delivery(body, 1_000_000)


async def test_the_log_is_complete_up_to_its_last_row(database_url: str) -> None:
    async with opened(database_url) as database:
        looked = frontier(database, DEFAULT.id)
        assert await looked.look() == 0
        for count in range(1, 4):
            await save_batches(database, [[said(count)]])
            rows = await database.read("SELECT max(id) FROM events WHERE workspace_id = 1")
            assert await looked.look() == rows[0][0]


@pytest.fixture
def url(postgres_template: PostgresTemplate) -> Iterator[str]:
    """Give a database in which many may write at once."""
    made = postgres_template.copy()
    yield made
    postgres_template.drop(made)


@pytest.fixture
async def late(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Give somebody who writes in transactions of their own."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    yield connection
    await connection.close()


async def test_nothing_behind_a_row_that_may_still_come_is_told(
    url: str, late: asyncpg.Connection
) -> None:
    async with opened(url) as database:
        looked, newcomer = frontier(database, DEFAULT.id), frontier(database, DEFAULT.id)
        await save_batches(database, [[said(0)]])
        before = await looked.look()
        await late.execute("BEGIN")
        await late.execute("SELECT pg_advisory_xact_lock_shared(1)")
        number = await late.fetchval(_NEXT)
        await save_batches(database, [[said(1)], [said(2)]])
        for _ in range(3):
            assert await looked.look() == before
            # Who does not know yet what is complete does not guess.
            assert await newcomer.look() is None
        await late.execute(_INSERT, number, b"0123456789abcdef")
        await late.execute("COMMIT")
        last = (await database.read("SELECT max(id) FROM events WHERE workspace_id = 1"))[0][0]
        assert before is not None
        assert before < number < last
        assert await looked.look() == last
        # A writer of another workspace, however long, is none of ours.
        await late.execute("BEGIN")
        await late.execute("SELECT pg_advisory_xact_lock_shared(2)")
        await save_batches(database, [[said(3)]])
        assert await looked.look() == last + 1
        await late.execute("ROLLBACK")


async def test_those_who_come_later_do_not_hold_up_what_was_there(
    url: str, late: asyncpg.Connection
) -> None:
    second = await asyncpg.connect(url.replace("+asyncpg", ""))
    async with opened(url) as database:
        looked = frontier(database, DEFAULT.id)
        await late.execute("BEGIN; SELECT pg_advisory_xact_lock_shared(1)")
        await save_batches(database, [[said(1)]])
        assert await looked.look() is None
        await second.execute("BEGIN; SELECT pg_advisory_xact_lock_shared(1)")
        await late.execute("ROLLBACK")
        assert await looked.look() is not None
        await second.execute("ROLLBACK")
    await second.close()
