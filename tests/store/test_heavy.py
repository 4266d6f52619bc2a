"""What an event of somebody with much behind them makes the database read: counted, not timed."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from ingest import ahead
from ingest.lane import HeavyLimits
from ingest.queued import Answers, Request, store
from ingest.ready import PAGE as READ_AT_ONCE
from ingest.ready import Ahead
from ingest.refold import EVENTS_MAX
from ingest.store import Item
from models.database import Database, First, Transaction, Work
from tests.databases import DEFAULT, Template, opened, read, save_batches
from tests.laws.model_message import Delivery
from tests.store.between import Between
from tests.store.growth import a_meter

NOW = 1_767_225_600_000_000
LITTLE, MUCH = 50, 1_000
# First seen at the device, long before or after all that it says.
EARLY, LATE = 0, 900_000

Body = dict[str, Any]

OTHER: Body = {"type": "identify", "userId": "other", "traits": {"plan": "free"}}
BIG: Body = {"type": "identify", "userId": "big", "traits": {"plan": "pro"}}
SAID: Body = {"type": "track", "userId": "big", "event": "Seen"}
SAID_AT_KIOSK: Body = {"type": "track", "anonymousId": "kiosk", "event": "Seen"}
LINK: Body = {"type": "track", "userId": "big", "anonymousId": "kiosk", "event": "Seen"}
OTHER_LINK: Body = {**LINK, "userId": "other"}
ALIAS: Body = {"type": "alias", "userId": "other", "previousId": "big"}


def at(second: int, body: Body) -> Body:
    moment = datetime.fromtimestamp(NOW / 1_000_000 - 1_000_000 + second, UTC)
    return {**body, "messageId": f"m{second}", "timestamp": moment.isoformat()}


async def returned(template: Template, behind: list[Body], many: Body, event: Body) -> list[int]:
    """Return how many rows one event is given, where there are few of `many` and where there are more."""
    found = []
    for count in (LITTLE, MUCH):
        url = await asyncio.to_thread(template.copy)
        async with opened(url) as database:
            said = [*behind, *(at(1_000 + n, many) for n in range(count))]
            await save_batches(database, [[Delivery(body, NOW) for body in said]])
        async with a_meter(template, url) as meter:
            found.append((await meter.save([event], NOW)).returned)
        await asyncio.to_thread(template.drop, url)
    return found


@pytest.mark.parametrize(
    ("behind", "many", "event"),
    [
        ([at(1, OTHER), at(2, BIG)], SAID, at(LATE, ALIAS)),
        ([at(1, OTHER), at(2, LINK)], SAID_AT_KIOSK, at(LATE, OTHER_LINK)),
        ([at(1, OTHER), at(2, BIG)], SAID_AT_KIOSK, at(LATE, LINK)),
    ],
    ids=["an alias", "a device that somebody has", "a device that nobody has"],
)
async def test_whom_much_is_known_of_is_joined_without_reading_it(
    template: Template, behind: list[Body], many: Body, event: Body
) -> None:
    few, more = await returned(template, behind, many, event)
    assert more == few


@pytest.mark.parametrize(
    ("behind", "many", "event"),
    [
        (
            [at(1, {**OTHER, "traits": {"vip": True}}), at(2, {**BIG, "traits": {"vip": True}})],
            SAID,
            at(LATE, ALIAS),
        ),
        ([at(1, OTHER), at(2, LINK)], SAID_AT_KIOSK, at(EARLY, OTHER_LINK)),
    ],
    ids=["an alias of two with one flag", "a device that was another's before"],
)
async def test_what_only_the_log_can_tell_is_read_no_more_than_needed(
    template: Template, behind: list[Body], many: Body, event: Body
) -> None:
    few, more = await returned(template, behind, many, event)
    # Once: how many there are is counted by the database.
    assert more - few == MUCH - LITTLE


# ------------------------------------------------------------ ahead of transactions

PAGE = 100
BOUND = HeavyLimits(events_max=10, page=PAGE, settled=0, members_max=10)
FEW, MANY = 600, 2_400
MEMBERS_READ = 2


class Watched(Between):
    """A database of which is counted what transactions are given, statement by statement."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.within: list[tuple[str, int]] = []

    async def write(self, work: Work[Any], first: First | None = None) -> Any:
        async def counted(tx: Transaction) -> Any:
            return await work(cast("Transaction", Within(tx, self.within)))

        return await super().write(counted, first)

    @property
    def events_within(self) -> int:
        """Return how many events transactions were given with their bodies."""
        return sum(rows for sql, rows in self.within if "body" in sql)


class Within:
    """A transaction that notes how many rows each statement gives."""

    def __init__(self, tx: Transaction, noted: list[tuple[str, int]]) -> None:
        self._tx = tx
        self._noted = noted

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._tx, name)

        async def noted(*given: Any, **named: Any) -> Any:
            found = await call(*given, **named)
            if isinstance(found, list):
                self._noted.append((f"{name} {given}", len(found)))
            return found

        return noted


def vip(second: int, user: str, *, value: bool) -> Body:
    return at(second, {"type": "identify", "userId": user, "traits": {"vip": value}})


def user_of_many(count: int) -> list[Body]:
    return [at(1, OTHER), vip(2, "other", value=True), *(at(10 + n, SAID) for n in range(count)),
            *(vip(9_000 + n, "big", value=n % 2 == 0) for n in range(6))]  # fmt: skip


def kiosk_of_many(count: int) -> list[Body]:
    return [*(at(10 + n, SAID_AT_KIOSK) for n in range(count)), at(9_000, LINK), at(9_001, OTHER)]


def of_one_moment(count: int) -> list[Body]:
    """Return the same, all at one time: no index tells them apart."""
    now = at(10, SAID)["timestamp"]
    said = [{**at(10 + n, SAID), "timestamp": now} for n in range(count)]
    return [*said, vip(9_000, "big", value=True), vip(9_001, "big", value=False)]


def account_of_many(count: int) -> list[Body]:
    added = {"type": "track", "event": "Account Added User", "groupId": "g"}
    return [
        at(10 + n + (10_000 if n >= count else 0), {**added, "userId": f"u{n % count}"})
        for n in range(2 * count)
    ]


DELETED: Body = {"type": "track", "event": "Account Deleted", "groupId": "g"}
HEAVY = [
    pytest.param(user_of_many, at(LATE, ALIAS), 1, id="an alias of two with one flag"),
    pytest.param(kiosk_of_many, at(EARLY, OTHER_LINK), 1, id="a kiosk that was another's before"),
    pytest.param(of_one_moment, at(8_999, {**BIG, "traits": {"vip": False}}), 1, id="one moment"),
    pytest.param(account_of_many, at(9_999, DELETED), MEMBERS_READ, id="members added again"),
]


async def stored_ahead(template: Template, behind: list[Body], event: Body) -> tuple[Watched, int]:
    """Return what an event made a database read, and the most memory that took."""
    url = await asyncio.to_thread(template.copy)
    async with opened(url) as database:
        for start in range(0, len(behind), 1_000):
            part = [Delivery(body, NOW) for body in behind[start : start + 1_000]]
            await save_batches(database, [part])
        watched = Watched(database)
        request = Request(DEFAULT, [Item(read(Delivery(event, NOW)), asked=True)], 0)

        async def work(tx: Transaction, ready: Ahead | None) -> Answers:
            return await store(tx, [request], ready)

        tracemalloc.start()
        await ahead.write(cast("Database", watched), DEFAULT, work, BOUND.ahead(), asyncio_pause)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    await asyncio.to_thread(template.drop, url)
    return watched, peak


async def asyncio_pause() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize(("behind", "event", "times"), HEAVY)
async def test_what_is_heavy_is_read_once_in_pages_and_not_in_transactions(
    template: Template, behind: Callable[[int], list[Body]], event: Body, times: int
) -> None:
    statements = []
    for count in (FEW, MANY):
        watched, _ = await stored_ahead(template, behind(count), event)
        assert watched.transactions == 2
        # Whatever is behind, a statement gives a page of it; of one time a page may be longer.
        assert max(watched.pages) <= (count if behind is of_one_moment else PAGE)
        assert times * count <= sum(watched.pages) <= times * count + 20
        assert watched.events_within <= 4
        statements.append(len(watched.pages))
    few, many = statements
    assert many <= few * MANY / FEW + 2


@pytest.mark.parametrize(("behind", "event", "times"), HEAVY[:2])
async def test_memory_does_not_grow_with_what_is_behind(
    template: Template, behind: Callable[[int], list[Body]], event: Body, times: int
) -> None:
    assert times == 1
    # What is made once is made for the first.
    await stored_ahead(template, behind(FEW), event)
    (_, few), (_, many) = [
        await stored_ahead(template, behind(count), event) for count in (FEW, MANY)
    ]
    assert many <= few * 1.25


async def test_where_nobody_can_wait_it_is_read_in_pages_too(template: Template) -> None:
    """More than fits into memory at once: in the order of times, and each once."""
    count = EVENTS_MAX + 500
    url = await asyncio.to_thread(template.copy)
    async with opened(url) as database:
        behind = user_of_many(count)
        for start in range(0, len(behind), 1_000):
            part = [Delivery(body, NOW) for body in behind[start : start + 1_000]]
            await save_batches(database, [part])
        watched = Watched(database)
        await save_batches(cast("Database", watched), [[Delivery(at(LATE, ALIAS), NOW)]])
    await asyncio.to_thread(template.drop, url)
    pages = [rows for sql, rows in watched.within if ", at, id LIMIT" in sql]
    assert max(pages) == READ_AT_ONCE
    assert count <= sum(pages) <= count + 20
