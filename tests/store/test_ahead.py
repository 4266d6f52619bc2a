"""What is stored between a fold and its transaction is taken, or the fold is made again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from ingest import ahead
from ingest.lane import HeavyLimits
from ingest.queued import Answers, Request, store
from ingest.ready import MEMBERS_MAX, Ahead
from ingest.replay import dump
from ingest.store import Item
from models.database import Database, Transaction
from tests.databases import DEFAULT, PostgresTemplate, opened, read, save_batches
from tests.laws import model
from tests.laws.model import Delivery
from tests.laws.test_law import plain
from tests.store.between import Between, nothing

RECEIVED = 1_768_000_000_000_000
LITTLE = HeavyLimits(events_max=3, page=2, settled=0)
BEHIND = 10
# Too much at first, folded, then stored.
AT_ONCE, ONCE_MORE = 2, 3


def said(second: int, name: str, **body: Any) -> Delivery:
    """Return a message that happened at a second of New Year's morning."""
    at = f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z"
    return Delivery({"messageId": name, "timestamp": at, **body}, RECEIVED)


def vip(second: int, name: str, value: Any, **body: Any) -> Delivery:
    return said(
        second, name, **{"type": "identify", "userId": "big", "traits": {"vip": value}, **body}
    )


def track(second: int, name: str, event: str, **body: Any) -> Delivery:
    return said(second, name, **{"type": "track", "event": event, "userId": "big", **body})


async def do_nothing() -> None:
    """Let nothing happen between pages."""


class Desk:
    """Sends messages to a database, and compares with the model what they left."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.heard: list[Delivery] = []

    async def save(self, *batch: Delivery) -> None:
        """Store messages as they come, in one transaction."""
        self.heard += batch
        await save_batches(self.database, [batch])

    async def send(
        self,
        batch: Sequence[Delivery],
        before: Callable[[int], Awaitable[None]] = nothing,
        pause: Callable[[], Awaitable[None]] = do_nothing,
        limits: HeavyLimits = LITTLE,
        through: Between | None = None,
    ) -> Between:
        """Store messages, what is much ahead of their transaction."""
        self.heard += batch
        between = through or Between(self.database, before)
        request = Request(DEFAULT, [Item(read(one), asked=True) for one in batch], 0)

        async def work(tx: Transaction, ready: Ahead | None) -> Answers:
            return await store(tx, [request], ready)

        await ahead.write(cast("Database", between), DEFAULT, work, limits.ahead(), pause)
        return between

    async def hold(self) -> None:
        """Hold what is stored to the model."""
        assert plain(await dump(self.database, DEFAULT)) == plain(model.state(self.heard))


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    """Give a database with a user who has said much."""
    async with opened(database_url) as database:
        made = Desk(database)
        await made.save(*(vip(60 + n, f"b{n}", n % 2 == 0) for n in range(BEHIND)))
        yield made


def second_time(do: Callable[[], Awaitable[None]]) -> Callable[[int], Awaitable[None]]:
    """Return what happens before the second transaction, when all is folded."""

    async def happen(transaction: int) -> None:
        if transaction == AT_ONCE:
            await do()

    return happen


LATE = vip(65, "late", "x")


async def test_a_late_toggle_is_stored_by_the_second_transaction(desk: Desk) -> None:
    between = await desk.send([LATE])
    assert between.transactions == AT_ONCE
    assert sum(between.pages) == BEHIND
    assert max(between.pages) == LITTLE.page
    await desk.hold()


async def test_what_is_little_is_stored_by_the_first(desk: Desk) -> None:
    between = await desk.send([LATE], limits=HeavyLimits(events_max=BEHIND + 1))
    assert (between.transactions, between.pages) == (1, [])
    await desk.hold()


async def test_what_others_say_meanwhile_is_taken_without_folding_again(desk: Desk) -> None:
    async def others() -> None:
        await desk.save(track(500, "seen", "Seen"), vip(501, "last", "y"))

    between = await desk.send([LATE], second_time(others))
    assert between.transactions == AT_ONCE
    assert sum(between.pages) == BEHIND
    await desk.hold()


async def test_what_others_toggle_late_meanwhile_is_folded_again(desk: Desk) -> None:
    async def others() -> None:
        await desk.save(vip(63, "later", value=True), vip(62, "latest", None))

    between = await desk.send([LATE], second_time(others))
    assert between.transactions == ONCE_MORE
    await desk.hold()


async def test_what_erases_is_not_tried_twice(desk: Desk) -> None:
    await desk.save(
        *(said(100 + n, f"g{n}", type="group", userId="big", groupId="g") for n in range(BEHIND))
    )
    between = await desk.send([said(64, "gone", type="delete", userId="big")])
    assert between.transactions == 1
    await desk.hold()


async def test_what_is_erased_meanwhile_is_folded_again(desk: Desk) -> None:
    async def others() -> None:
        await desk.save(said(64, "gone", type="delete", userId="big"))

    between = await desk.send([LATE], second_time(others))
    assert between.transactions == ONCE_MORE
    await desk.hold()


async def test_what_is_erased_of_an_account_meanwhile_is_folded_again(desk: Desk) -> None:
    names = ["someone", *["big"] * BEHIND]
    await desk.save(
        *(
            said(
                100 + n, f"g{n}", type="group", userId=who, groupId="g", traits={"open": n % 2 == 0}
            )
            for n, who in enumerate(names)
        )
    )

    async def others() -> None:
        await desk.save(said(100, "gone", type="delete", userId="someone"))

    late = said(105, "late", type="group", userId="other", groupId="g", traits={"open": "x"})
    between = await desk.send([late], second_time(others))
    assert between.transactions == ONCE_MORE
    await desk.hold()


async def test_an_account_that_is_deleted_meanwhile_has_no_members_left(desk: Desk) -> None:
    await desk.save(track(70, "in", "Account Added User", groupId="g"))

    async def others() -> None:
        await desk.save(track(300, "end", "Account Deleted", groupId="g", userId=None))

    between = await desk.send([LATE], second_time(others))
    assert between.transactions == AT_ONCE
    await desk.hold()


async def test_a_deletion_between_two_joinings_meanwhile_is_folded_again(desk: Desk) -> None:
    await desk.save(
        track(70, "in", "Account Added User", groupId="g"),
        track(400, "again", "Account Added User", groupId="g", properties={"role": "x"}),
    )

    async def others() -> None:
        await desk.save(track(300, "end", "Account Deleted", groupId="g", userId=None))

    between = await desk.send([LATE], second_time(others))
    assert between.transactions == ONCE_MORE
    await desk.hold()


async def test_a_message_that_another_stored_first_counts_as_it_was_stored(desk: Desk) -> None:
    """It has no time of its own, so that the copies happened when they were received."""
    body = {"messageId": "timeless", "type": "identify", "userId": "big", "traits": {"plan": "z"}}
    early = 1_767_225_600_000_000 + 64 * 1_000_000

    async def others() -> None:
        await save_batches(desk.database, [[Delivery(body, early)]])

    await desk.send([LATE, Delivery(body, early + 2_000_000)], second_time(others))
    # Whichever copy is stored first stays.
    desk.heard[-2:] = [Delivery(body, early), LATE]
    await desk.hold()


async def test_whom_somebody_else_is_joined_with_meanwhile_is_folded_with_them(desk: Desk) -> None:
    await desk.save(*(vip(60 + n, f"o{n}", n % 3 == 0, userId="other") for n in range(BEHIND)))

    async def others() -> None:
        await desk.save(said(200, "alias", type="alias", userId="big", previousId="other"))

    between = await desk.send([LATE], second_time(others))
    assert between.transactions == ONCE_MORE
    # The first time one of them, then both and what joined them.
    assert sum(between.pages) == 3 * BEHIND + 1
    await desk.hold()


async def test_more_than_a_transaction_takes_is_taken_before_the_next(desk: Desk) -> None:
    async def others() -> None:
        await desk.save(*(track(500 + n, f"s{n}", "Seen") for n in range(6)))

    limits = HeavyLimits(events_max=3, since_max=5, page=2, settled=0)
    between = await desk.send([LATE], second_time(others), limits=limits)
    assert between.transactions == ONCE_MORE
    assert sum(between.pages) == BEHIND
    await desk.hold()


async def test_who_never_is_done_in_time_is_folded_in_the_transaction(desk: Desk) -> None:
    async def others(transaction: int) -> None:
        toggled = vip(60 + transaction, f"late{transaction}", transaction % 2 == 1)
        if transaction <= ahead.ROUNDS_MAX + 1:
            await desk.save(toggled)

    between = await desk.send([LATE], others)
    assert between.transactions == ahead.ROUNDS_MAX + 2
    await desk.hold()


MEMBERS = HeavyLimits(events_max=3, page=2, settled=0, members_max=3)
USERS = [f"u{n}" for n in range(BEHIND)]
DELETED = said(200, "end", type="track", event="Account Deleted", groupId="g")


def add(second: int, name: str, user: str, event: str = "Account Added User") -> Delivery:
    return track(second, name, event, userId=user, groupId="g", properties={"role": f"r{second}"})


@pytest.fixture
async def members(database_url: str) -> AsyncIterator[Desk]:
    """Give a database with an account whose members were added twice, and said something else."""
    async with opened(database_url) as database:
        yield await with_members(database)


async def with_members(database: Database) -> Desk:
    made = Desk(database)
    await made.save(*(add(100 + n, f"a{n}", user) for n, user in enumerate(USERS)))
    await made.save(*(add(300 + n, f"b{n}", user) for n, user in enumerate(USERS)))
    await made.save(*(track(50, f"s{user}", "Seen", userId=user) for user in USERS))
    return made


async def test_a_late_deletion_reads_what_was_said_of_its_members_and_no_more(
    members: Desk,
) -> None:
    between = await members.send([DELETED], limits=MEMBERS)
    assert between.transactions == AT_ONCE
    assert sum(between.pages) == 2 * BEHIND
    await members.hold()


async def test_members_who_are_few_enough_are_cut_in_the_first_transaction(members: Desk) -> None:
    limits = HeavyLimits(events_max=2 * BEHIND + 1, page=2, settled=0, members_max=3)
    between = await members.send([DELETED], limits=limits)
    assert (between.transactions, between.pages) == (1, [])
    await members.hold()


async def test_a_deletion_where_nobody_waits_is_folded_in_pages_too(members: Desk) -> None:
    many = [f"m{n}" for n in range(MEMBERS_MAX + 1)]
    for second in (100, 300):
        await members.save(*(add(second, f"{second}{user}", user) for user in many))
    await members.save(DELETED)
    await members.hold()


async def test_members_who_move_meanwhile_are_cut_as_they_are_then(members: Desk) -> None:
    await members.save(
        # In whose name the device joined is told later.
        said(110, "d1", type="group", groupId="g", anonymousId="desk"),
        said(310, "d2", type="group", groupId="g", anonymousId="desk"),
    )

    async def others() -> None:
        await members.save(
            said(400, "alias", type="alias", userId="u0", previousId="u1"),
            said(401, "link", type="page", userId="u2", anonymousId="desk"),
            said(402, "else", type="page", userId="u3", anonymousId="new"),
            add(305, "gone", "u4", "Account Removed User"),
            add(150, "early", "u5", "Account Removed User"),
            add(500, "joins", "late"),
            add(320, "role", "u7"),
        )

    between = await members.send([DELETED], second_time(others), limits=MEMBERS)
    # Those who moved are then folded as customers: each has said more than a transaction may read.
    assert between.transactions == ONCE_MORE
    assert sum(between.pages) < 5 * BEHIND
    await members.hold()


async def test_members_who_are_erased_meanwhile_are_none(members: Desk) -> None:
    async def others() -> None:
        await members.save(said(150, "forget", type="delete", userId="u6"))

    between = await members.send([DELETED], second_time(others), limits=MEMBERS)
    assert between.transactions == ONCE_MORE
    await members.hold()


async def test_what_comes_with_a_deletion_is_cut_by_it(members: Desk) -> None:
    await members.save(add(350, "third", "u5"))
    batch = [
        DELETED,
        said(400, "alias", type="alias", userId="u0", previousId="u1"),
        add(190, "before", "u2"),
        add(305, "gone", "u3", "Account Removed User"),
        add(210, "between", "u4"),
        add(320, "short", "u5", "Account Removed User"),
        add(210, "new", "new"),
    ]
    await members.send(batch, limits=MEMBERS)
    await members.hold()


TOGGLES = [vip(60 + n, f"b{n}", n % 2 == 0) for n in range(BEHIND)]
JOININGS = [add(at + n, f"{at}{user}", user) for at in (100, 300) for n, user in enumerate(USERS)]


@pytest.mark.parametrize(("settled", "transactions"), [(0, ONCE_MORE), (100, AT_ONCE)])
@pytest.mark.parametrize(
    ("behind", "heavy", "slow"),
    [(TOGGLES, LATE, track(500, "slow", "Seen")), (JOININGS, DELETED, add(250, "slow", "u3"))],
    ids=["a customer", "members"],
)
async def test_an_event_with_an_earlier_number_that_is_committed_later_is_not_lost(
    postgres_template: PostgresTemplate,
    behind: Sequence[Delivery],
    heavy: Delivery,
    slow: Delivery,
    settled: int,
    transactions: int,
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    numbered, goes_on = asyncio.Event(), asyncio.Event()
    going: list[asyncio.Task[None]] = []

    async def save_slowly(tx: Transaction) -> None:
        await store(tx, [Request(DEFAULT, [Item(read(slow), asked=True)], 0)], None)
        # What was written is sent before something is read.
        await tx.fetch("SELECT 1", ())
        numbered.set()
        await goes_on.wait()

    async def end() -> None:
        goes_on.set()
        await going[0]

    async with opened(url) as database, opened(url) as another:
        desk = Desk(database)

        async def begin() -> None:
            if not going:
                going.append(asyncio.create_task(another.write(save_slowly)))
                await numbered.wait()
                # Of somebody else, with a later number.
                await desk.save(track(500, "quick", "Seen", userId="else"))

        await desk.save(*behind)
        limits = replace(MEMBERS, settled=settled)
        between = await desk.send([heavy], second_time(end), begin, limits)
        desk.heard.append(slow)
        assert between.transactions == transactions
        await desk.hold()
