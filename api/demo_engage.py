"""The demo's audience builder: says each morning who came into or left an audience, by what was said."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from api.demo_cast import DAY, HOUR, MINUTE, SUNDAY, Account, Cast, Person, Place, weekday
from api.demo_lines import Line, computed
from api.demo_visits import WORK

MONTH = 30 * DAY
POWER_EVENTS_MIN = 20
QUIET_DAYS = 21
QUIET_EVENTS_MIN = 6
EXPIRY_NOTICE_DAYS = 3
EXPANSION_POWER_USERS_MIN = 3
ALSO_AS_EVENTS = frozenset({"power_users", "trial_expiring"})
"""Audiences that are sent as Audience Entered and Exited, too."""


@dataclass
class _Log:
    """When one person did what, oldest first."""

    seen: list[int] = field(default_factory=list)
    worked: list[int] = field(default_factory=list)
    signed_in: list[int] = field(default_factory=list)
    ordered: list[int] = field(default_factory=list)


def engage(cast: Cast, lines: Iterable[Line], start: int, until: int) -> Iterator[Line]:
    """Yield the audience builder's messages about `lines`, which are in order of time."""
    logs = _logs(cast, lines)
    places: dict[str, list[Place]] = defaultdict(list)
    for place in cast.places:
        places[place.person.user_id].append(place)
    told: dict[tuple[str, str], object] = {}
    for day in range(start, until, DAY):
        at = day + 4 * HOUR + 10 * MINUTE
        for user_id, held in places.items():
            at += 37
            if held[0].joined_at < at:
                yield from _person(at, held, logs[user_id], told)
        for account in cast.accounts:
            at += 37
            yield from _account(at, account, cast, told)


def _logs(cast: Cast, lines: Iterable[Line]) -> dict[str, _Log]:
    standing = {
        place.person.earlier_id or place.person.user_id: place.person.user_id
        for place in cast.places
    }
    logs: dict[str, _Log] = defaultdict(_Log)
    for at, message in lines:
        user_id = message.get("userId")
        if message["type"] not in ("track", "page", "screen") or not isinstance(user_id, str):
            continue
        log = logs[standing.get(user_id, user_id)]
        log.seen.append(at)
        if message.get("event") in WORK:
            log.worked.append(at)
        elif message.get("event") == "Signed In":
            log.signed_in.append(at)
        elif message.get("event") == "Order Completed":
            log.ordered.append(at)
    return logs


def _person(
    at: int, held: list[Place], log: _Log, told: dict[tuple[str, str], object]
) -> Iterator[Line]:
    person = held[0].person
    seen = bisect_right(log.seen, at)
    is_quiet = seen >= QUIET_EVENTS_MIN and log.seen[seen - 1] < at - QUIET_DAYS * DAY
    audiences = {
        "power_users": _count(log.worked, at) >= POWER_EVENTS_MIN,
        "at_risk": is_quiet,
        "order_completed_last_30days": _count(log.ordered, at) > 0,
        "trial_expiring": any(_is_expiring(place, at) for place in held),
    }
    for key, member in audiences.items():
        if told.get((person.user_id, key), False) != member:
            told[person.user_id, key] = member
            yield from _membership(at, person, key, member=member)
    step = _onboarding_step(at, held[0], told)
    if step is not None:
        yield computed(
            at + 3,
            "identify",
            ("journey_step", "onboarding_first_week"),
            person,
            traits={"onboarding_first_week": step},
        )
    logins = _count(log.signed_in, at)
    if weekday(at) == SUNDAY and told.get((person.user_id, "logins_30d"), 0) != logins:
        told[person.user_id, "logins_30d"] = logins
        yield computed(
            at + 4, "identify", ("trait", "logins_30d"), person, traits={"logins_30d": logins}
        )


def _membership(at: int, person: Person, key: str, *, member: bool) -> Iterator[Line]:
    yield computed(at + 1, "identify", ("audience", key), person, traits={key: member})
    if key in ALSO_AS_EVENTS:
        event = "Audience Entered" if member else "Audience Exited"
        yield computed(
            at + 2,
            "track",
            ("audience", key),
            person,
            event=event,
            properties={"audience_key": key, key: member},
        )


def _onboarding_step(at: int, place: Place, told: dict[tuple[str, str], object]) -> str | None:
    """Owners and admins walk through a journey in their first week; journeys say true and false as text."""
    key = (place.person.user_id, "onboarding_first_week")
    step = "true" if at < place.joined_at + 7 * DAY else "false"
    if place.role not in ("owner", "admin") or told.get(key) == step:
        return None
    told[key] = step
    return step


def _account(
    at: int, account: Account, cast: Cast, told: dict[tuple[str, str], object]
) -> Iterator[Line]:
    """Accounts with several power users are worth a call about a larger plan."""
    key = "expansion_ready"
    powers = sum(
        told.get((place.person.user_id, "power_users")) is True
        for place in cast.places
        if place.account is account and place.is_held(at)
    )
    member = powers >= EXPANSION_POWER_USERS_MIN
    if told.get((account.group_id, key), False) != member:
        told[account.group_id, key] = member
        yield computed(at, "group", ("audience", key), account, traits={key: member})


def _is_expiring(place: Place, at: int) -> bool:
    ends_at = place.account.trial_ends_at
    return (
        place.role in ("owner", "admin")
        and place.is_held(at)
        and ends_at - EXPIRY_NOTICE_DAYS * DAY <= at < ends_at
    )


def _count(times: list[int], at: int) -> int:
    return bisect_right(times, at) - bisect_right(times, at - MONTH)
