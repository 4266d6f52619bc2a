"""A small world of customers, accounts and audiences, said in Segment messages."""

from __future__ import annotations

from random import Random
from typing import Any

DAY = 86_400 * 1_000_000
START = 1_767_225_600_000_000
"""1 January 2026."""
NOW = START + 200 * DAY

USERS = [f"u{number}" for number in range(24)]
DEVICES = [f"d{number}" for number in range(8)]
GROUPS = [f"a{number}" for number in range(7)]
NAMES = [
    "Ada Lovelace",
    "ada byron",
    "Ádám Ő",
    "İpek",
    "ΣΊΣΥΦΟΣ ΟΔΟΣ",
    "O'Neil",
    "x_y z-1",
    "%_*?[a",
]
KEYS = [
    "plan",
    "total billed",
    "a.b",
    'a"b',
    "it's",
    "$",
    "ключ",
    "back\\slash",
    "new\nline",
    "",
    "$.plan",
    "deep",
]
VALUES: list[Any] = [
    "pro",
    "Pro",
    "free",
    "",
    "12",
    "É",
    "true",
    0,
    12,
    -3,
    12.5,
    0.1,
    0.30000000000000004,
    1e21,
    2**53 + 1,
    2**64 + 1,
    True,
    False,
    [1, 2.5, "é"],
    [],
    {"x": {"y": None}},
    None,
]
EVENTS = ["Report Viewed", "report viewed", "Invoice Paid", "Ünïcode", "Signed In"]
ROLES = ["admin", "Admin", "member", None]


def messages(seed: int = 7, *, count: int = 420) -> list[dict[str, Any]]:
    """Return the history of the world, the same for the same seed."""
    random = Random(seed)
    said = [_one(random) for _ in range(count)]
    said += [dict(message) for message in _FIXED]
    for number, message in enumerate(said):
        at = START + random.randrange(180) * DAY + random.randrange(5) * 1_000_001
        message.setdefault("timestamp", at / 1_000_000 if number % 3 else at // 1_000)
        if number % 4:
            message["messageId"] = f"m{number:04}"
    return said


def _one(random: Random) -> dict[str, Any]:
    return random.choice(
        [_identify, _identify, _track, _track, _group, _member, _engage, _account]
    )(random)


def _identify(random: Random) -> dict[str, Any]:
    traits = {random.choice(KEYS): random.choice(VALUES) for _ in range(random.randrange(4))}
    user = random.choice(USERS)
    if random.random() < 0.5:
        traits["email"] = random.choice(
            [f"{user}@Example.com", f"{user}@mail.test", "same@example.com"]
        )
    if random.random() < 0.5:
        traits["name"] = random.choice(NAMES)
    if random.random() < 0.4:
        traits[random.choice(["beta", "vip"])] = random.choice([True, False])
    message: dict[str, Any] = {"type": "identify", "traits": traits, **_who(random, user)}
    return message


def _who(random: Random, user: str) -> dict[str, Any]:
    chance = random.random()
    if chance < 0.15:
        return {"anonymousId": random.choice(DEVICES)}
    if chance < 0.3:
        return {"userId": user, "anonymousId": random.choice(DEVICES)}
    return {"userId": user}


def _track(random: Random) -> dict[str, Any]:
    kind = random.choice(["track", "track", "page", "screen"])
    name = "event" if kind == "track" else "name"
    message = {"type": kind, name: random.choice(EVENTS), **_who(random, random.choice(USERS))}
    if random.random() < 0.5:
        message["properties"] = {random.choice(KEYS): random.choice(VALUES)}
    if random.random() < 0.3:
        message["context"] = {"groupId": random.choice(GROUPS)}
    return message


def _group(random: Random) -> dict[str, Any]:
    traits = {random.choice(KEYS): random.choice(VALUES) for _ in range(random.randrange(4))}
    traits.update(name=random.choice(NAMES), employees=random.choice([1, 50, "70", 2**40]))
    message = {"type": "group", "groupId": random.choice(GROUPS), "traits": traits}
    if random.random() < 0.3:
        message["userId"] = random.choice(USERS)
    return message


def _member(random: Random) -> dict[str, Any]:
    event = random.choice(["Account Added User"] * 4 + ["Account Removed User"])
    role = random.choice(ROLES)
    return {
        "type": "track",
        "event": event,
        "userId": random.choice(USERS),
        "context": {"groupId": random.choice(GROUPS)},
        "properties": {} if role is None else {"role": role},
    }


def _engage(random: Random) -> dict[str, Any]:
    key = random.choice(["vip", "order_completed_last_30days"])
    personas = {
        "computation_class": "audience",
        "computation_key": key,
        "computation_id": f"c_{key}",
    }
    traits = {key: random.choice([True, False])}
    if random.random() < 0.3:
        group = random.choice(GROUPS)
        return {
            "type": "group",
            "groupId": group,
            "traits": traits,
            "context": {"personas": personas},
        }
    user = random.choice(USERS)
    return {"type": "identify", "userId": user, "traits": traits, "context": {"personas": personas}}


def _account(random: Random) -> dict[str, Any]:
    group = random.choice(GROUPS)
    event = random.choice(["Account Created", "Account Created", "Account Deleted"])
    message = {"type": "track", "event": event, "context": {"groupId": group}}
    if event == "Account Created":
        message["properties"] = {"account_name": random.choice(NAMES)}
        message["userId"] = random.choice(USERS)
    return message


_FIXED: list[dict[str, Any]] = [
    {"type": "alias", "userId": "u1", "previousId": "u2"},
    {"type": "alias", "userId": "u3", "previousId": "old-u3"},
    {"type": "alias", "userId": "u4", "previousId": 42},
    {"type": "track", "event": "Signed Up", "userId": "u5", "context": {"groupId": "a1"}},
    {"type": "track", "event": "Signed Up", "userId": "u6", "properties": {"plan": "free"}},
    # Erased, and then somebody new under the old id.
    {"type": "delete", "userId": "u9", "timestamp": "2026-07-17T00:00:00Z"},
    {"type": "delete", "userId": "u10", "timestamp": "2026-07-17T00:00:00Z"},
    {
        "type": "identify",
        "userId": "u10",
        "traits": {"plan": "new"},
        "timestamp": "2026-07-18T00:00:00Z",
    },
    {"type": "identify", "anonymousId": "stranger", "traits": {"email": "who@example.com"}},
    # Alive and deleted accounts whatever chance did above.
    {
        "type": "group",
        "groupId": "a0",
        "traits": {"plan": "trial"},
        "timestamp": "2026-07-18T00:00:00Z",
    },
    {
        "type": "track",
        "event": "Account Deleted",
        "context": {"groupId": "a6"},
        "timestamp": "2026-07-18T00:00:01Z",
    },
    {
        "type": "track",
        "event": "Account Added User",
        "userId": "u7",
        "properties": {"role": "admin"},
        "context": {"groupId": "a0"},
        "timestamp": "2026-07-18T00:00:02Z",
    },
    {
        "type": "identify",
        "userId": "u7",
        "traits": {"vip": True, "total billed": 500},
        "timestamp": "2026-07-18T00:00:03Z",
    },
    # Who joins a deleted account is seen there once it is alive again.
    {
        "type": "track",
        "event": "Account Added User",
        "userId": "u8",
        "context": {"groupId": "a6"},
        "timestamp": "2026-07-18T00:00:04Z",
    },
]
