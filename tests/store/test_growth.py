"""A message makes no more work in a large database than in a small one; counted, not timed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import reduce
from typing import Any

from tests.databases import Template, opened, save_batches
from tests.laws.model_message import Delivery
from tests.store.growth import Effort, a_meter

SMALL, LARGE = 100, 2_000
EVENTS, ROUNDS = 20, 3
NOW = 1_767_225_600_000_000
BATCH = 500
# SQLite's log has whole pages: each row may be on one of its own, and so may its places in indexes.
# PostgreSQL's has what changed.
BYTES_OF_A_ROW_MAX = {"sqlite": 4 * 4_096, "postgres": 1_024}
GROWTH_MAX = 1.05
LOOKS_AT_A_MEMBER_MAX = 10

Body = dict[str, Any]


def identify(user: int, number: int) -> Body:
    traits = {"plan": f"p{number % 7}", "seats": number, "vip": number % 2 == 0}
    return {"type": "identify", "userId": f"u{user}", "traits": traits}


def track(user: int, number: int) -> Body:
    return {"type": "track", "userId": f"u{user}", "event": "Seen", "properties": {"n": number}}


def group(user: int, number: int) -> Body:
    traits = {"employees": number}
    return {"type": "group", "userId": f"u{user}", "groupId": "everybody", "traits": traits}


def alias(user: int, number: int) -> Body:
    return {"type": "alias", "userId": f"u{user}", "previousId": f"before-{number}"}


def link(user: int, number: int) -> Body:
    return {**track(user, number), "anonymousId": f"device-{number}"}


def close(_user: int, _number: int) -> Body:
    return {"type": "track", "event": "Account Deleted", "groupId": "everybody"}


def dated(body: Body, number: int) -> Body:
    at = datetime.fromtimestamp(NOW / 1_000_000 - 1_000_000 + number, UTC)
    return {**body, "messageId": f"m{number}", "timestamp": at.isoformat()}


async def fill(url: str, customers: int) -> None:
    """Make customers that are all in one account, as its members."""
    bodies = [say(user, user) for say in (identify, group) for user in range(customers)]
    all_of_them = [Delivery(dated(body, n), NOW) for n, body in enumerate(bodies)]
    batches = [all_of_them[n : n + BATCH] for n in range(0, len(all_of_them), BATCH)]
    async with opened(url) as database:
        await save_batches(database, batches)


async def efforts(template: Template, customers: int) -> dict[str, Effort]:
    """Return what batches of each kind come to, the least of some rounds."""
    url = await asyncio.to_thread(template.copy)
    await fill(url, customers)
    number, found = 2 * LARGE, {}
    async with a_meter(template, url) as meter:
        for name, say in SAID.items():
            rounds = []
            for _ in range(ROUNDS):
                bodies = []
                for place in range(EVENTS):
                    number += 1
                    # Evenly over all there are, so that no two are neighbours in a large table.
                    user = (place * (customers // EVENTS) + number) % customers
                    bodies.append(dated(say(user, number), number))
                rounds.append(await meter.save(bodies, NOW))
            found[name] = reduce(Effort.least, rounds)
    await asyncio.to_thread(template.drop, url)
    return found


SAID: dict[str, Callable[[int, int], Body]] = {
    say.__name__: say for say in (identify, track, group, alias, link, close)
}


async def test_an_event_makes_no_more_work_where_there_are_more(template: Template) -> None:
    small, large = [await efforts(template, customers) for customers in (SMALL, LARGE)]
    for name in SAID:
        few, many = small[name], large[name]
        assert many.statements <= few.statements, name
        assert many.returned <= few.returned * GROWTH_MAX, name
        assert many.written <= few.written * GROWTH_MAX, name
        assert many.bytes <= BYTES_OF_A_ROW_MAX[template.words] * many.written, name
        # Who closes an account looks at each of its members, and loads none of them.
        looks = LOOKS_AT_A_MEMBER_MAX * (LARGE - SMALL) if name == close.__name__ else 0
        assert many.read <= few.read * GROWTH_MAX + looks, name
