"""On PostgreSQL the places of many members are written before others are kept out, and then held to what they did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from models.database import Database, First, Transaction, Work
from tests.databases import PostgresTemplate, opened
from tests.laws.model import Delivery
from tests.store.between import Between
from tests.store.test_ahead import (
    DELETED,
    MEMBERS,
    Desk,
    add,
    do_nothing,
    said,
    track,
    with_members,
)

_FIRST = 1_767_225_600_000_000
_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


class Meanwhile(Between):
    """A database that lets something happen when rows were written first, before the rest."""

    def __init__(self, database: Database, happens: Callable[[], Awaitable[None]]) -> None:
        super().__init__(database)
        self._happens = happens
        self.firsts = 0

    async def write(self, work: Work[Any], first: First | None = None) -> Any:
        if first is None:
            return await super().write(work)

        async def then(tx: Transaction) -> None:
            await first.work(tx)
            # What was written is sent before something is read.
            await tx.fetch("SELECT 1", ())
            self.firsts += 1
            await self._happens()

        return await super().write(work, First(first.workspace, then))


@pytest.fixture
async def desk(postgres_template: PostgresTemplate) -> AsyncIterator[Desk]:
    """Give a database with an account whose members were added twice."""
    url = await asyncio.to_thread(postgres_template.copy)
    async with opened(url) as database:
        yield await with_members(database)


async def test_others_write_while_rows_are_written_first(desk: Desk) -> None:
    async def others() -> None:
        await desk.save(
            track(500, "else", "Seen", userId="else"),
            add(150, "early", "new"),
            add(310, "late", "newer"),
            track(250, "firm", "Seen", userId="else", groupId="g"),
        )

    between = Meanwhile(desk.database, others)
    await desk.send([DELETED], limits=MEMBERS, through=between)
    assert between.firsts == 1
    await desk.hold()


TOUCHING = {
    "a place": add(320, "again", "u7", "Account Removed User"),
    "a join": said(400, "alias", type="alias", userId="u0", previousId="u1"),
    "an erasure": said(150, "forget", type="delete", userId="u6"),
}


@pytest.mark.parametrize("touching", TOUCHING.values(), ids=TOUCHING)
async def test_who_touches_what_was_written_first_loses_nothing(
    desk: Desk, touching: Delivery
) -> None:
    tasks: list[asyncio.Task[None]] = []

    async def other() -> None:
        if not tasks:
            tasks.append(asyncio.create_task(desk.save(touching)))
            while not tasks[0].done():
                if (await desk.database.read(_WAITING))[0][0]:
                    return

    await desk.send([DELETED], limits=MEMBERS, through=Meanwhile(desk.database, other))
    await tasks[0]
    await desk.hold()


async def test_what_was_written_first_goes_where_nothing_cuts_it_after_all(desk: Desk) -> None:
    """The deletion has no time of its own: another copy of it, received before all, is stored meanwhile."""
    body = {**DELETED.body, "messageId": "timeless"}
    del body["timestamp"]
    late, early = (Delivery(body, _FIRST + second * 1_000_000) for second in (200, 50))

    async def others() -> None:
        await desk.save(early)

    between = Meanwhile(desk.database, others)
    await desk.send([late], limits=MEMBERS, through=between)
    assert between.firsts == 1
    desk.heard.remove(late)
    desk.heard.append(late)
    await desk.hold()


@pytest.mark.parametrize("user", ["u6", "u8"])
@pytest.mark.parametrize("previous", ["u6", "u8"])
async def test_who_is_joined_by_the_same_batch_was_a_member_since_either_was(
    desk: Desk, user: str, previous: str
) -> None:
    other = "u8" if previous == "u6" else "u6"
    alias = said(400, "alias", type="alias", userId=other, previousId=previous)
    batch = [DELETED, alias, add(340, "again", user)]
    await desk.send(batch, limits=MEMBERS, through=Meanwhile(desk.database, do_nothing))
    await desk.hold()
