"""A seeded stream of Segment messages as an application sends them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from enum import Enum
from itertools import accumulate, cycle, islice, repeat
from types import MappingProxyType
from typing import Any

import msgspec

Message = dict[str, Any]

ID_MARK, TIME_MARK = "@id@", "@time@"
"""What stands in a message for its id and its moment until it is sent: each sending is a new event."""

_ID_BYTES, _TIME_BYTES = ID_MARK.encode(), TIME_MARK.encode()
_IDENTIFY_SHARE, _TRACK_SHARE = 0.6, 0.3
_TRAIT_CHANGE_CHANCE = 0.1
_DEVICES_PER_CUSTOMER = 2
_CUSTOMERS_PER_ACCOUNT = 10
_WORDS = ("alpha", "beta", "gamma", "delta", "omega", "sigma")
_EVENTS = ("Feature Used", "Report Viewed", "Page Exported", "Order Completed", "Comment Added")
_PLANS = ("free", "pro", "team", "enterprise")
_COUNTRIES = ("DE", "US", "FR", "PL", "BR")
_AGENT = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)"
    " Chrome/128.0.0.0 Safari/537.36"
)
_CONTEXT = {
    "library": {"name": "analytics.js", "version": "next-1.70.0"},
    "ip": "203.0.113.9",
    "userAgent": _AGENT,
    "locale": "en-US",
    "timezone": "Europe/Berlin",
    "page": {
        "path": "/pricing",
        "referrer": "https://www.example.com/",
        "title": "Pricing",
        "url": "https://app.example.com/pricing",
    },
}


class Whom(Enum):
    """In which order customers come."""

    ZIPF = "by Zipf's law"
    """Some are in every batch."""
    IN_TURN = "in turn"
    EVENLY = "evenly"
    """Any may be next, each as likely."""


def stream(seed: int, customers: int, whom: Whom = Whom.ZIPF) -> Iterator[Message]:
    """Yield messages without end: 60 % identify, 30 % track, 10 % group."""
    rng = random.Random(seed)
    accounts = max(1, customers // _CUSTOMERS_PER_ACCOUNT)
    for customer in _customers(rng, customers, whom):
        share = rng.random()
        if share < _IDENTIFY_SHARE:
            yield identify(rng, customer)
        elif share < _IDENTIFY_SHARE + _TRACK_SHARE:
            yield track(rng, customer)
        else:
            yield group(rng, customer, customer % accounts)


def templates(seed: int, customers: int, count: int, whom: Whom = Whom.ZIPF) -> list[bytes]:
    """Return the first messages of a stream as JSON, their id and moment still to be stamped."""
    drafts = islice(stream(seed, customers, whom), count)
    return [msgspec.json.encode(message) for message in drafts]


def stamp(template: bytes, message_id: bytes, at: bytes) -> bytes:
    """Return a template as a message of its own."""
    return template.replace(_ID_BYTES, message_id).replace(_TIME_BYTES, at)


def identify(
    rng: random.Random, customer: int, more: Mapping[str, object] = MappingProxyType({})
) -> Message:
    """Return an identify call with eight traits, each of which has changed with a chance of 0.1."""
    traits: dict[str, object] = {
        "email": f"user{customer}@example.com",
        "name": f"User {customer}",
        "plan": _PLANS[customer % len(_PLANS)],
        "company": f"Company {customer % 997}",
        "seats": customer % 50,
        "createdAt": "2025-05-01T10:00:00Z",
        "country": _COUNTRIES[customer % len(_COUNTRIES)],
        "is_admin": customer % 7 == 0,
    }
    for key, value in traits.items():
        if rng.random() < _TRAIT_CHANGE_CHANCE:
            traits[key] = _changed(rng, value)
    return {"type": "identify", "traits": {**traits, **more}, **_envelope(rng, customer)}


def track(rng: random.Random, customer: int) -> Message:
    """Return a track call that tells of something the customer did."""
    properties = {
        "feature": rng.choice(_WORDS),
        "value": rng.randrange(1_000),
        "currency": "EUR",
        "source": "web",
    }
    event = rng.choice(_EVENTS)
    return {
        "type": "track",
        "event": event,
        "properties": properties,
        **_envelope(rng, customer),
    }


def group(rng: random.Random, customer: int, account: int) -> Message:
    """Return a group call that makes the customer a member and describes the account."""
    traits = {
        "name": f"Company {account}",
        "industry": "software",
        "employees": account % 500,
        "plan": "free" if rng.random() < _TRAIT_CHANGE_CHANCE else "team",
        "website": f"https://company{account}.example.com",
    }
    return {
        "type": "group",
        "groupId": f"g{account}",
        "traits": traits,
        **_envelope(rng, customer),
    }


def join(rng: random.Random, customer: int, account: int, role: str) -> Message:
    """Return the track call with which a customer joins an account in a role."""
    return {
        "type": "track",
        "event": "Account Added User",
        "groupId": f"g{account}",
        "properties": {"role": role},
        **_envelope(rng, customer),
    }


def _customers(rng: random.Random, customers: int, whom: Whom) -> Iterator[int]:
    match whom:
        case Whom.ZIPF:
            return _by_zipf(rng, customers)
        case Whom.IN_TURN:
            return cycle(range(customers))
        case Whom.EVENLY:
            return (rng.randrange(customers) for _ in repeat(None))


def _by_zipf(rng: random.Random, customers: int) -> Iterator[int]:
    weights = list(accumulate(1 / (rank + 1) for rank in range(customers)))
    while True:
        yield rng.choices(range(customers), cum_weights=weights)[0]


def _changed(rng: random.Random, value: object) -> object:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return rng.randrange(1_000)
    return f"{rng.choice(_WORDS)}-{rng.randrange(1_000)}"


def _envelope(rng: random.Random, customer: int) -> Message:
    device = rng.randrange(_DEVICES_PER_CUSTOMER)
    moments = dict.fromkeys(("timestamp", "originalTimestamp", "sentAt", "receivedAt"), TIME_MARK)
    return {
        "messageId": ID_MARK,
        "userId": f"u{customer}",
        "anonymousId": f"{customer:024x}{device:08x}",
        "context": _CONTEXT,
        "integrations": {},
        "channel": "client",
        "version": 2,
        **moments,
    }
