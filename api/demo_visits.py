"""What the demo's people do all week: signing in, looking at pages and screens, working, signing out."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from api import demo_words as words
from api.demo_cast import (
    DAY,
    HOUR,
    MINUTE,
    SATURDAY,
    SECOND,
    Place,
    happens,
    office_moment,
    weekday,
)
from api.demo_lines import MOBILE, WEB, Line, Message, Source, said, seen_by_device, track

# How often owners and admins, members, and viewers do each.
WORK: dict[str, tuple[int, int, int]] = {
    "Task Completed": (30, 45, 2),
    "Task Created": (22, 26, 0),
    "Comment Added": (14, 20, 18),
    "Report Viewed": (18, 6, 60),
    "Search Performed": (5, 8, 16),
    "Project Created": (7, 3, 0),
    "File Uploaded": (4, 7, 0),
    "Report Exported": (4, 1, 3),
    "Integration Connected": (1, 0, 0),
}
"""The product's feature events; use of it is counted in these."""


def visits(chance: Random, place: Place, until: int) -> Iterator[Line]:
    """Yield all that one person does in one account up to `until`."""
    midnight = place.joined_at - place.joined_at % DAY
    yield from _visit(chance, place, place.joined_at + chance.randint(1, 20) * MINUTE)
    for day in range(midnight + DAY, until, DAY):
        if chance.random() >= _odds(place, day):
            continue
        at = _moment(chance, place, day)
        if place.is_held(at) and not (place.pause and place.pause[0] <= at < place.pause[1]):
            yield from _visit(chance, place, at)


def _odds(place: Place, day: int) -> float:
    """Few work at the weekend; whoever came through an invitation to a second account comes there less."""
    odds = place.person.pace / 5 if weekday(day) < SATURDAY else place.person.pace / 45
    return odds if place.signs_up else odds / 3


def _moment(chance: Random, place: Place, day: int) -> int:
    if weekday(day) < SATURDAY:
        return office_moment(chance, day, place.account)
    return day + chance.randint(9 * HOUR, 20 * HOUR)


def _visit(chance: Random, place: Place, at: int) -> Iterator[Line]:
    """Yield a sign-in unless yesterday's still holds, some looking and working, at times a sign-out."""
    person, account = place.person, place.account
    source = MOBILE if person.mobile and happens(chance, 0.5) else WEB
    if source is WEB and happens(chance, 0.06):
        yield seen_by_device(at - 30 * SECOND, person.device, *words.SITE_PAGES[0])
    if happens(chance, 0.55):
        yield track(at, "Signed In", source, person, account, username=person.email)
    if source is MOBILE and happens(chance, 0.2):
        # The mobile app has its own spelling of the same traits.
        traits: Message = {
            "first_name": person.first,
            "last_name": person.last,
            "push_enabled": happens(chance, 0.7),
        }
        yield said(at + SECOND, "identify", source, person, traits=traits)
    steps = chance.randint(1, 2) + round(chance.random() * place.person.pace / 2)
    for _ in range(steps):
        at += int(chance.expovariate(1 / (4 * MINUTE))) + 2 * SECOND
        yield _step(chance, place, at, source)
    if happens(chance, 0.15):
        yield track(at + MINUTE, "Signed Out", source, person, account, username=person.email)


def _step(chance: Random, place: Place, at: int, source: Source) -> Line:
    person, account = place.person, place.account
    if happens(chance, 0.68):
        column = {"owner": 0, "admin": 0, "member": 1}.get(place.role, 2)
        event = chance.choices(list(WORK), [often[column] for often in WORK.values()])[0]
        return track(at, event, source, person, account, **_told(chance, event))
    if source is MOBILE:
        return said(
            at,
            "screen",
            source,
            person,
            account,
            name=chance.choice(words.SCREENS),
            properties={"tab": "main"},
        )
    name, path = chance.choice(words.APP_PAGES)
    page: Message = {
        "name": name,
        "path": path,
        "url": f"https://app.planline.example{path}",
        "title": f"{name} · Planline",
    }
    return said(at, "page", source, person, account, name=name, properties=page)


def _told(chance: Random, event: str) -> Message:
    """Return the properties of one feature event."""
    project: Message = {"project": chance.choice(words.PROJECTS)}
    report: Message = {"report": chance.choice(words.REPORTS)}
    by_event: dict[str, Message] = {
        "Report Viewed": {**report, "days": chance.choice((7, 30, 90))},
        "Report Exported": {**report, "format": chance.choice(("pdf", "csv"))},
        "Search Performed": {
            "query": chance.choice(words.SEARCHES),
            "results": chance.randint(0, 40),
        },
        "Integration Connected": {"integration": chance.choice(words.INTEGRATIONS)},
        "File Uploaded": {**project, "bytes": chance.randint(2_000, 9_000_000)},
        "Task Completed": {**project, "minutes": chance.randint(5, 240)},
    }
    return by_event.get(event, project)
