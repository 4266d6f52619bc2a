"""What an event of somebody with much behind them makes the database read: counted, not timed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.databases import Template, opened, save_batches
from tests.laws.model_message import Delivery
from tests.store.growth import a_meter

NOW = 1_767_225_600_000_000
LITTLE, MUCH = 50, 1_000
# First seen at the device, long before or after all that it says.
EARLY, LATE = 0, 900_000
# Where two are folded again, events are counted before they are read.
TIMES_READ = 2

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
    assert MUCH - LITTLE <= more - few <= TIMES_READ * (MUCH - LITTLE)
