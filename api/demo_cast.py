"""Who there is in the demo: accounts, people, and who is where from when to when."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from api import demo_words as words

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
"""Times in the demo's files are milliseconds since 1970, UTC: as fine as its senders' clocks."""

MONDAY, SATURDAY, SUNDAY = 0, 5, 6
STORY_DAYS = 182
TRIAL_DAYS = 14
CALM_DAYS = 20
"""Nobody leaves who has been there for less."""
SEATS: dict[str, tuple[int, int]] = {
    "enterprise": (14, 19),
    "team": (5, 10),
    "free": (2, 5),
    "trial": (2, 5),
    "churned": (4, 6),
    "returned": (6, 7),
}
ADMINS_AT_FIRST = 4
"""So many admins of the first account never pause: the example query always finds someone."""

_SPELLINGS = {
    ord(letter): plain
    for letter, plain in zip("øØłŁß'&", ("o", "O", "l", "L", "ss", "", ""), strict=True)
}


@dataclass(frozen=True)
class Account:
    """A company that tried the product, and what became of it."""

    group_id: str
    name: str
    domain: str
    industry: str
    employees: object
    city: str
    country: str
    hours_east: int
    fate: str
    seats: int
    founded_at: int
    deleted_at: int | None = None
    revived_at: int | None = None

    @property
    def plan(self) -> str:
        """The plan it is on once its trial is over."""
        return {"churned": "team", "returned": "team"}.get(self.fate, self.fate)

    @property
    def trial_ends_at(self) -> int:
        """When its trial runs out."""
        return self.founded_at + TRIAL_DAYS * DAY


@dataclass(frozen=True)
class Person:
    """Someone who signs up; `earlier_id` is a userId of theirs from before, joined by alias."""

    user_id: str
    device: str
    first: str
    last: str
    email: str
    title: str
    phone: str
    pace: float
    mobile: bool
    earlier_id: str | None = None


@dataclass(frozen=True)
class Place:
    """A person's place in an account; away from `pause[0]` to `pause[1]` they are not seen."""

    person: Person
    account: Account
    role: str
    joined_at: int
    left_at: int | None = None
    pause: tuple[int, int] | None = None
    signs_up: bool = True

    def is_held(self, at: int) -> bool:
        """Whether the person is in the account at `at`."""
        gone = self.account.deleted_at
        until = gone if gone is not None and gone > self.joined_at else None
        ends = [end for end in (self.left_at, until) if end is not None]
        return self.joined_at <= at and all(at < end for end in ends)


@dataclass(frozen=True)
class Cast:
    """Everyone in the story."""

    accounts: tuple[Account, ...]
    places: tuple[Place, ...]

    def places_in(self, account: Account) -> list[Place]:
        """Return the places in one account, the first to join first."""
        return [place for place in self.places if place.account is account]


def cast(chance: Random, today: int) -> Cast:
    """Return everyone in the half year up to `today`, which is midnight UTC."""
    accounts = _accounts(chance, today)
    names = _names(chance)
    places: list[Place] = []
    for account in accounts:
        people = [
            _person(chance, account, next(names), len(places) + n) for n in range(account.seats)
        ]
        places += _places(chance, account, people, today)
    return Cast(accounts, tuple(_entwine(places, accounts, today)))


def weekday(at: int) -> int:
    """Return the day of the week in UTC, Monday being 0."""
    return (at // DAY + 3) % 7  # 1970 began on a Thursday.


def happens(chance: Random, odds: float) -> bool:
    """Whether something of these odds comes to pass this time."""
    return chance.random() < odds


def office_moment(chance: Random, day: int, account: Account, *, step: int = 1) -> int:
    """Return a moment in office hours on `day`, or on the next working day in the direction of `step`."""
    day -= day % DAY
    while weekday(day) >= SATURDAY:
        day += step * DAY
    local = chance.triangular(8.0, 18.5, 10.5)
    return day + int((local - account.hours_east) * HOUR)


def plain(text: str) -> str:
    """Return `text` in the letters an address may have."""
    spelled = text.translate(_SPELLINGS)
    return unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode().lower()


def uuid_text(chance: Random) -> str:
    """Return a random UUID (version 4) drawn from `chance`."""
    return str(UUID(int=chance.getrandbits(128), version=4))


def _accounts(chance: Random, today: int) -> tuple[Account, ...]:
    start = today - STORY_DAYS * DAY
    first, *others = words.COMPANIES
    settled = [row for row in others if row[6] in ("enterprise", "team", "free")]
    chance.shuffle(settled)
    founded = {first[0]: start + 10 * DAY}
    for number, row in enumerate(settled, 1):
        # A power below one founds few accounts early and many late: the growth curve.
        founded[row[0]] = start + int((11 + 147 * (number / len(settled)) ** 0.8) * DAY)
    for number, row in enumerate([row for row in others if row[6] == "trial"]):
        founded[row[0]] = today - (2 + 5 * number // 2) * DAY
    for number, row in enumerate([row for row in others if row[6] in ("churned", "returned")]):
        founded[row[0]] = start + (12 + 11 * number) * DAY
    return tuple(_account(chance, row, founded[row[0]]) for row in words.COMPANIES)


def _account(
    chance: Random, row: tuple[str, str, object, str, str, int, str], founded_day: int
) -> Account:
    name, industry, employees, city, country, hours_east, fate = row
    slug = "-".join(plain(name).split())
    account = Account(
        # One customer of ours has kept its number from an older system.
        group_id="40417" if name == "Copperline Rail" else slug,
        name=name,
        domain=f"{slug.replace('-', '')}.{'test' if fate == 'trial' else 'example'}",
        industry=industry,
        employees=employees,
        city=city,
        country=country,
        hours_east=hours_east,
        fate=fate,
        seats=22 if name == words.COMPANIES[0][0] else chance.randint(*SEATS[fate]),
        founded_at=0,
    )
    founded_at = office_moment(chance, founded_day, account, step=-1)
    deleted_at = revived_at = None
    if fate in ("churned", "returned"):
        deleted_at = office_moment(chance, founded_at + chance.randint(55, 85) * DAY, account)
    if fate == "returned" and deleted_at is not None:
        revived_at = office_moment(chance, deleted_at + 24 * DAY, account)
    return replace(account, founded_at=founded_at, deleted_at=deleted_at, revived_at=revived_at)


def _names(chance: Random) -> Iterator[tuple[str, str, str]]:
    """Yield first name, last name and the name part of an email, no two alike."""
    pairs = len(words.FIRST_NAMES) * len(words.LAST_NAMES)
    others = iter(words.NAMES_IN_OTHER_LETTERS)
    for number, pick in enumerate(chance.sample(range(pairs), 400)):
        last, first = divmod(pick, len(words.FIRST_NAMES))
        name = words.FIRST_NAMES[first], words.LAST_NAMES[last]
        usual = (*name, plain(".".join(name)))
        yield usual if number % 31 else next(others, usual)


def _person(chance: Random, account: Account, name: tuple[str, str, str], number: int) -> Person:
    first, last, local_part = name
    return Person(
        user_id=f"usr_{10007 + 13 * number}",
        device=uuid_text(chance),
        first=first,
        last=last,
        email=f"{local_part}@{account.domain}",
        title=chance.choice(words.TITLES),
        phone=f"+1-555-01{chance.randrange(100):02}",
        pace=chance.choices((3.4, 1.2, 0.35), (14, 34, 52))[0],
        mobile=happens(chance, 0.22),
    )


def _places(chance: Random, account: Account, people: list[Person], today: int) -> list[Place]:
    """Let the owner found the account and the others come over its life, many of them early."""
    end = account.deleted_at or today
    life = end - account.founded_at
    comings = sorted(int(life * chance.uniform(0.02, 0.95) ** 1.7) for _ in people[1:])
    places = [
        Place(
            replace(people[0], pace=max(people[0].pace, 1.5)), account, "owner", account.founded_at
        )
    ]
    for number, (person, after) in enumerate(zip(people[1:], comings, strict=True), 1):
        role = (
            "admin"
            if number == 1
            else chance.choices(("admin", "member", "viewer"), (12, 66, 22))[0]
        )
        joined_at = office_moment(chance, account.founded_at + max(after, DAY), account)
        places.append(_with_fate(chance, Place(person, account, role, joined_at), end))
    if account.name == words.COMPANIES[0][0]:
        places[1 : 1 + ADMINS_AT_FIRST] = [
            _steady(place) for place in places[1 : 1 + ADMINS_AT_FIRST]
        ]
    if account.revived_at is not None:
        places += [
            replace(
                place,
                joined_at=account.revived_at + (5 + 90 * n) * MINUTE,
                left_at=None,
                pause=None,
                signs_up=False,
            )
            for n, place in enumerate(places[:3])
        ]
    return places


def _with_fate(chance: Random, place: Place, end: int) -> Place:
    """Remove some, let some stop coming for good and some stay away for a while."""
    rest = end - place.joined_at
    when = place.joined_at + int(rest * chance.uniform(0.3, 0.9))
    away = when + chance.randint(24, 45) * DAY
    fate = chance.choices(("leaves", "fades", "returns", "stays"), (9, 10, 14, 67))[0]
    if rest < CALM_DAYS * DAY or fate == "stays":
        return place
    if fate == "leaves":
        return replace(place, left_at=office_moment(chance, when, place.account))
    return replace(place, pause=(when, away if fate == "returns" else end + DAY))


def _steady(place: Place) -> Place:
    return replace(
        place, person=replace(place.person, pace=4.2), role="admin", left_at=None, pause=None
    )


def _entwine(places: list[Place], accounts: tuple[Account, ...], today: int) -> list[Place]:
    """Add a consultant in several accounts, a shared tablet, people who had signed up before."""
    by_name = {account.name: account for account in accounts}
    in_legal = [n for n, place in enumerate(places) if place.account.name == "Harrow & Pike"]
    tablet = places[in_legal[3]].person
    sharer = places[in_legal[4]]
    places[in_legal[4]] = replace(sharer, person=replace(sharer.person, device=tablet.device))
    twice = [
        n
        for n, place in enumerate(places)
        if place.role == "member" and place.account.plan == "team" and place.signs_up
    ]
    for n, earlier_id in zip(twice[7:32:12], ("usr_3301", "usr_3317"), strict=False):
        places[n] = replace(places[n], person=replace(places[n].person, earlier_id=earlier_id))
    consultant = next(
        place
        for place in places
        if place.account.name == "Saltmarsh Media" and place.role == "admin"
    )
    for name, role in (
        ("Orchard Payments", "member"),
        ("Vantage Point Realty", "viewer"),
        ("Brightwater Foods", "member"),
    ):
        joined_at = max(consultant.joined_at, by_name[name].founded_at) + 6 * DAY + 3 * HOUR
        if joined_at < today:
            places.append(Place(consultant.person, by_name[name], role, joined_at, signs_up=False))
    return places
