"""What happens to the demo's accounts: founding, trial, arrivals, bills, the Monday job, farewells."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from api import demo_words as words
from api.demo_cast import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    SECOND,
    Account,
    Cast,
    Person,
    Place,
    happens,
    office_moment,
    uuid_text,
    weekday,
)
from api.demo_lines import SERVER, WEB, Line, Message, iso, said, seen_by_device, track


def story(chance: Random, account: Account, cast: Cast, until: int) -> Iterator[Line]:
    """Yield what happens around one account up to `until`, in no order."""
    places = cast.places_in(account)
    owner = places[0]
    yield from _founding(chance, owner)
    yield from _trial(chance, owner)
    for place in places[1:]:
        yield from _arrival(chance, place, places)
        yield from _changes(chance, place, until)
    bills = list(_bills(chance, owner, places, until))
    yield from bills
    yield from _monday_job(chance, account, places, bills, until)
    yield from _farewell(owner)


def _founding(chance: Random, owner: Place) -> Iterator[Line]:
    account, person, at = owner.account, owner.person, owner.joined_at
    yield from _looking_around(chance, person, at, days=9)
    yield from _sign_up(chance, owner, None)
    yield track(
        at + 40 * SECOND, "Account Created", WEB, person, account, account_name=account.name
    )
    traits: Message = {
        "name": account.name,
        "industry": account.industry,
        "employees": account.employees,
        "website": f"https://www.{account.domain}",
        "plan": "trial",
        "address": {"city": account.city, "country": account.country},
        "createdAt": iso(at),
        "success_contact": chance.choice(words.SUCCESS_CONTACTS),
        "sso_enabled": False,
    }
    yield said(at + 41 * SECOND, "group", WEB, person, account, traits=traits)
    yield track(at + 42 * SECOND, "Account Added User", SERVER, person, account, role="owner")


def _trial(chance: Random, owner: Place) -> Iterator[Line]:
    """Start the trial at once and end it; before it ends, those who will pay have ordered."""
    account, person = owner.account, owner.person
    trial: dict[str, object] = {
        "trial_start_date": iso(account.founded_at)[:10],
        "trial_end_date": iso(account.trial_ends_at)[:10],
        "trial_plan_name": "enterprise" if account.plan == "enterprise" else "team",
    }
    yield track(account.founded_at + 43 * SECOND, "Trial Started", SERVER, person, account, **trial)
    yield track(account.trial_ends_at, "Trial Ended", SERVER, person, account, **trial)
    after: Message = {"plan": account.plan, "trial_plan_name": None, "success_contact": None}
    if account.plan in words.SEAT_CENTS:
        ordered_at = office_moment(chance, account.trial_ends_at - 4 * DAY, account)
        yield _order(
            chance,
            ordered_at,
            owner,
            f"Planline {account.plan}",
            words.SEAT_CENTS[account.plan] * account.seats,
        )
        del after["success_contact"]
        after["sso_enabled"] = account.plan == "enterprise"
    yield said(account.trial_ends_at + 2 * SECOND, "group", SERVER, None, account, traits=after)


def _order(chance: Random, at: int, buyer: Place, product: str, cents: int) -> Line:
    order: dict[str, object] = {
        "order_id": f"ord_{chance.randrange(16**8):08x}",
        "total": cents / 100,
        "currency": "EUR",
        "products": [{"name": product, "quantity": 1, "price": cents / 100}],
    }
    return track(at, "Order Completed", WEB, buyer.person, buyer.account, **order)


def _looking_around(chance: Random, person: Person, until: int, days: int) -> Iterator[Line]:
    """Yield views of the public site before a sign-up, the last of them the sign-up page."""
    source, medium = chance.choice(words.CAMPAIGNS)[1:]
    campaign: Message = {
        "campaign": {"name": chance.choice(words.CAMPAIGNS)[0], "source": source, "medium": medium}
    }
    for _ in range(chance.randint(0, 3)):
        name, path = chance.choice(words.SITE_PAGES[:-1])
        yield seen_by_device(
            until - chance.randint(2 * HOUR, days * DAY), person.device, name, path, campaign
        )
    yield seen_by_device(
        until - chance.randint(20, 200) * SECOND, person.device, *words.SITE_PAGES[-1]
    )


def _sign_up(chance: Random, place: Place, account: Account | None) -> Iterator[Line]:
    """Yield Signed Up and the identify that follows it; with an account when they were invited to one."""
    person, at = place.person, place.joined_at
    names: dict[str, object] = {
        "first_name": person.first,
        "last_name": person.last,
        "email": person.email,
    }
    yield track(
        at, "Signed Up", WEB, person, account, type="invited" if account else "organic", **names
    )
    traits: Message = {
        "firstName": person.first,
        "lastName": person.last,
        "email": person.email,
        "title": person.title,
        "phone": person.phone,
        "avatar": f"https://avatars.example/{person.user_id}.png",
        "createdAt": iso(at),
        "company": {
            "id": place.account.group_id,
            "name": place.account.name,
            "industry": place.account.industry,
        },
        "departments": sorted(chance.sample(words.DEPARTMENTS, chance.randint(1, 2))),
        "newsletter_opt_in": happens(chance, 0.6),
    }
    if happens(chance, 0.5):
        street = f"{chance.choice(words.STREETS)} {chance.randint(1, 180)}"
        traits["address"] = {
            "street": street,
            "city": place.account.city,
            "country": place.account.country,
        }
    yield said(at + 2 * SECOND, "identify", WEB, person, traits=traits)


def _arrival(chance: Random, place: Place, places: list[Place]) -> Iterator[Line]:
    """Yield an invitation, a sign-up where they are new to us, the membership with its role."""
    person, account, at = place.person, place.account, place.joined_at
    invited_at = max(at - chance.randint(HOUR, 40 * HOUR), account.founded_at + 10 * MINUTE)
    hosts = [
        other.person
        for other in places
        if other.role in ("owner", "admin") and other.is_held(invited_at)
    ]
    if place.signs_up:
        host = chance.choice(hosts)
        invitee: dict[str, object] = {
            "invitee_email": person.email,
            "invitee_first_name": person.first,
            "invitee_last_name": person.last,
            "invitee_role": place.role,
        }
        yield track(invited_at, "Invite Sent", WEB, host, account, **invitee)
        yield from _looking_around(chance, person, at, days=1)
        yield from _sign_up(chance, place, account)
    yield said(at + 5 * SECOND, "group", WEB, person, account, traits={})
    yield track(at + 6 * SECOND, "Account Added User", SERVER, person, account, role=place.role)
    if person.earlier_id is not None:
        yield from _earlier_life(chance, place, person.earlier_id)


def _earlier_life(chance: Random, place: Place, earlier_id: str) -> Iterator[Line]:
    """Tell how they had tried the product alone under another userId; support joined the two."""
    person, joined_at = place.person, place.joined_at
    email = f"{person.email.split('@')[0]}@mail.example"
    for number in range(6):
        at, message = track(
            joined_at - (30 - 4 * number) * DAY,
            "Task Completed",
            SERVER,
            person,
            project="Home Renovation",
        )
        yield at, {**message, "userId": earlier_id}
    at, message = said(
        joined_at - 31 * DAY,
        "identify",
        SERVER,
        person,
        traits={"email": email, "firstName": person.first},
    )
    yield at, {**message, "userId": earlier_id}
    yield said(
        joined_at + chance.randint(2, 5) * DAY, "alias", SERVER, person, previousId=earlier_id
    )


def _changes(chance: Random, place: Place, until: int) -> Iterator[Line]:
    """Yield promotions, removals, new titles, phones taken back, survey answers of whatever type."""
    person, account, at = place.person, place.account, place.joined_at
    gone_at = account.deleted_at
    ends = [place.left_at or until, gone_at if gone_at is not None and gone_at > at else until]
    end = min(*ends, until)
    if end - at < 3 * DAY:
        return

    def later() -> int:
        return chance.randint(at + DAY, end - HOUR)

    if place.role == "member" and happens(chance, 0.06):
        yield track(later(), "Account Added User", SERVER, person, account, role="admin")
    if happens(chance, 0.12):
        yield said(later(), "identify", WEB, person, traits={"title": f"Senior {person.title}"})
    if happens(chance, 0.10):
        yield said(later(), "identify", WEB, person, traits={"phone": None})
    if happens(chance, 0.35):
        score = chance.choice((10, 9, 9, 8, 8, 7, 6, 3))
        answer = chance.choices((score, str(score), "no answer"), (75, 18, 7))[0]
        yield said(later(), "identify", SERVER, person, traits={"nps": answer})
    if place.left_at is not None:
        yield track(place.left_at, "Account Removed User", SERVER, person, account)


def _bills(chance: Random, owner: Place, places: list[Place], until: int) -> Iterator[Line]:
    """Yield a bill every thirty days for the seats then held, now and then an order for more."""
    account, person = owner.account, owner.person
    if account.plan not in words.SEAT_CENTS:
        return
    at = account.trial_ends_at + 8 * HOUR
    while at < min(until, account.deleted_at or until):
        seats = sum(place.is_held(at) for place in places)
        bill: dict[str, object] = {
            "invoice_id": f"inv_{chance.randrange(16**8):08x}",
            "amount": seats * words.SEAT_CENTS[account.plan] / 100,
            "currency": "EUR",
            "plan": account.plan,
            "seats": seats,
        }
        if happens(chance, 0.08):
            yield track(at - 22 * HOUR, "Payment Failed", SERVER, person, account, **bill)
        yield track(at, "Invoice Paid", SERVER, person, account, **bill)
        if happens(chance, 0.25):
            ordered_at = office_moment(chance, at + chance.randint(3, 24) * DAY, account)
            if account.deleted_at is None or ordered_at < account.deleted_at:
                yield _order(chance, ordered_at, owner, "Extra storage", 4900)
        at += 30 * DAY


def _monday_job(
    chance: Random, account: Account, places: list[Place], bills: list[Line], until: int
) -> Iterator[Line]:
    """Yield what the billing system says on Monday nights, in group calls that name no user."""
    tomorrow = account.founded_at - account.founded_at % DAY + DAY
    for day in range(tomorrow, until, DAY):
        at = day + 2 * HOUR + 15 * MINUTE + chance.randrange(9 * MINUTE)
        is_gone = account.deleted_at is not None and account.deleted_at <= at < (
            account.revived_at or until
        )
        if is_gone or weekday(day) != MONDAY:
            continue
        traits: Message = {
            "total billed": _billed(bills, at),
            "seats": sum(place.is_held(at) for place in places),
        }
        yield said(at, "group", SERVER, None, account, traits=traits)


def _billed(bills: list[Line], until: int) -> float:
    total = 0.0
    for at, message in bills:
        bill = message["properties"]
        if at < until and message["event"] == "Invoice Paid" and isinstance(bill, dict):
            total += bill["amount"]
    return round(total, 2)


def _farewell(owner: Place) -> Iterator[Line]:
    """Delete the account if that is its fate; one thinks better of it and starts again on the free plan."""
    account, person = owner.account, owner.person
    if account.deleted_at is not None:
        yield track(
            account.deleted_at, "Account Deleted", WEB, person, account, account_name=account.name
        )
    if account.revived_at is not None:
        traits: Message = {"plan": "free", "name": account.name, "came_back": True}
        yield said(account.revived_at, "group", WEB, person, account, traits=traits)


def visitors(chance: Random, start: int, until: int) -> Iterator[Line]:
    """Yield what people did on the public site who never signed up; some left an email for the newsletter."""
    for number in range(60):
        device = uuid_text(chance)
        name, source, medium = chance.choice(words.CAMPAIGNS)
        campaign: Message = {"campaign": {"name": name, "source": source, "medium": medium}}
        at = start + int((until - start) * chance.uniform(0.02, 0.999) ** 0.7)
        for page, path in chance.choices(words.SITE_PAGES[:-1], k=chance.randint(1, 5)):
            yield seen_by_device(at, device, page, path, campaign)
            at += chance.randint(8 * SECOND, 6 * MINUTE)
        if number % 9 == 0:
            traits: Message = {"email": f"reader{number}@mail.example", "newsletter_opt_in": True}
            _, message = seen_by_device(at, device, *words.SITE_PAGES[0])
            yield at, {**message, "type": "identify", "traits": traits}
