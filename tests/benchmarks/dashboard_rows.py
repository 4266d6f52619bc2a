"""A database as large as a dashboard's, its rows written as the fold would leave them, without the fold."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any

import msgspec

from api import keys
from ingest import indexing
from ingest.indexes import Kind
from models import migrate, values
from models.database import Database, Transaction, open_database
from models.values import Identifier, Workspace
from tests.benchmarks.comparison import Say

ACCOUNTS_PART, FLAGS, EVENTS = 10, 3, 10
"""One account for so many customers; flags and events of each."""

AUDIENCES = 12
# Those of the filter, as whoever filters by them would have them; the words are indexed by themselves.
_INDEXES = ((Kind.CUSTOMER_TRAIT, "plan"), (Kind.ACCOUNT_TRAIT, "employees"), (Kind.WORDS, ""))
_START, _SPAN = 1_767_225_600_000_000, 180 * 86_400 * 1_000_000
_RECEIVED_AT = 1_800_000_000_000_000
_CHUNK = 20_000
_PLANS = ("free", "pro", "team", "enterprise")
_COUNTRIES = ("DE", "FR", "US", "JP", "BR", "IN", "KE")
_ROLES = ("admin", "member", "viewer")
_SEEN = ("Report Viewed", "Invoice Paid", "Signed In", "Export Made", "Member Invited")
_FIRST = (
    "Ada",
    "Grace",
    "Alan",
    "Edsger",
    "Barbara",
    "Donald",
    "Radia",
    "Leslie",
    "Tony",
    "Frances",
)
_LAST = (
    "Lovelace",
    "Hopper",
    "Turing",
    "Dijkstra",
    "Liskov",
    "Knuth",
    "Perlman",
    "Lamport",
    "Hoare",
)

_SYLLABLES = ("Ma", "Ra", "Ko", "Ni", "Ter", "Sol", "Vin", "Bel", "Dor", "Ash", "Li", "Qu")

Rows = Iterator[tuple[Any, ...]]


@dataclass(frozen=True)
class Size:
    """How many there are of each."""

    customers: int
    events: int = EVENTS

    @property
    def accounts(self) -> int:
        """Return how many accounts there are."""
        return max(1, self.customers // ACCOUNTS_PART)


async def load(url: str, size: Size, say: Say) -> None:
    """Make a database and fill it: the same rows in each run, and on each database."""
    await migrate.upgrade(url)
    database = await open_database(url)
    try:
        tenant, _ = await keys.ensure_workspace(database, keys.DEFAULT_WORKSPACE, _RECEIVED_AT)
        workspace = tenant.workspace
        for table, columns, make in _TABLES:
            say(f"filling {table}")
            rows = make(workspace.name, size)
            while chunk := list(islice(rows, _CHUNK)):
                await _insert(database, table, columns, workspace.id, chunk)
        say("indexing")
        for kind, key in _INDEXES:
            await database.write(partial(_declare, workspace, kind, key))
        for [number] in await database.read("SELECT id FROM kept_indexes"):
            while await database.write(partial(_build, workspace, number)):
                pass
    finally:
        await database.close()


async def _insert(
    database: Database, table: str, columns: tuple[str, ...], workspace: int, rows: list[Any]
) -> None:
    async def work(tx: Any) -> None:
        await tx.insert(table, columns, workspace, rows)

    await database.write(work)


async def _declare(workspace: Workspace, kind: Kind, key: str, tx: Transaction) -> None:
    await indexing.declare(tx, workspace, kind, key, hot=False, now=_RECEIVED_AT)


async def _build(workspace: Workspace, number: int, tx: Transaction) -> bool:
    return await indexing.build(tx, workspace, number, _CHUNK)


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _registers(traits: dict[str, Any], at: int, name: str) -> str:
    stamp = [at, f"said-{name}", sha256(name.encode()).hexdigest()[:16]]
    return _json({"s": [stamp], "k": dict.fromkeys(traits, 0)})


def _customers(workspace: str, size: Size) -> Rows:
    rng = random.Random(1)
    for number in range(1, size.customers + 1):
        user = f"u{number}"
        # Few share a name in full, many a first name.
        name = f"{rng.choice(_FIRST)} {rng.choice(_SYLLABLES)}{rng.choice(_SYLLABLES).lower()}{rng.choice(_LAST).lower()}"
        email = f"{user}@example.com"
        first = _START + rng.randrange(_SPAN)
        traits = {
            "beta": rng.random() < 0.3,
            "country": rng.choice(_COUNTRIES),
            "email": email,
            "name": name,
            "plan": rng.choice(_PLANS),
            "seats": rng.randrange(1, 200),
            "source": f"campaign-{rng.randrange(50)}",
            "total billed": rng.randrange(100_000) + 0.25,
        }
        yield (
            number,
            values.identity_key(workspace, Identifier(values.Kind.USER, user)),
            user,
            email,
            name,
            email,
            name.lower(),
            first,
            first + rng.randrange(_START + _SPAN - first + 1),
            _json(traits),
            _registers(traits, first, user),
        )


def _identities(workspace: str, size: Size) -> Rows:
    for number in range(1, size.customers + 1):
        for kind, text, place in (
            (values.Kind.USER, f"u{number}", 0),
            (values.Kind.DEVICE, f"d{number}", 1),
        ):
            key = values.identity_key(workspace, Identifier(kind, text))
            yield number + place * size.customers, key, kind.value, text, text, number, 1


def _accounts(workspace: str, size: Size) -> Rows:
    rng = random.Random(2)
    for number in range(1, size.accounts + 1):
        group, name = f"a{number}", f"{rng.choice(_LAST)} {rng.choice(_FIRST)} {number}"
        plan, employees = rng.choice(_PLANS), rng.randrange(1, 5_000)
        at = _START + rng.randrange(_SPAN)
        traits = {"employees": employees, "name": name, "plan": plan, "region": f"r{number % 20}"}
        key = values.account_key(workspace, group)
        text, registers = _json(traits), _registers(traits, at, group)
        yield (
            *(number, key, group, name, employees, plan, group, name.lower()),
            *(at, at, at, text, registers),
        )


def _memberships(_: str, size: Size) -> Rows:
    rng = random.Random(3)
    for customer in range(1, size.customers + 1):
        for account in {rng.randrange(1, size.accounts + 1) for _ in range(1 + customer % 2)}:
            at = _START + rng.randrange(_SPAN)
            yield customer, account, at, rng.choice(_ROLES), "{}", at


def _audiences(_: str, __: Size) -> Rows:
    yield from ((n, 0, f"audience_{n}", f"audience_{n}") for n in range(1, AUDIENCES + 1))


def _flags(_: str, size: Size) -> Rows:
    for customer, audience, member, at in _stays(size):
        yield 0, customer, audience, int(member), at, 0, _json([[at, int(member)]])


def _intervals(_: str, size: Size) -> Rows:
    for customer, audience, member, at in _stays(size):
        yield audience, customer, at - 86_400_000_000, None if member else at


def _stays(size: Size) -> Iterator[tuple[int, int, bool, int]]:
    rng = random.Random(4)
    for customer in range(1, size.customers + 1):
        for audience in rng.sample(range(1, AUDIENCES + 1), FLAGS):
            yield customer, audience, rng.random() < 0.7, _START + rng.randrange(_SPAN)


def _events(workspace: str, size: Size) -> Rows:
    rng = random.Random(5)
    # In the order of their times, as they come: neighbours in the log are neighbours in time.
    step = _SPAN // max(1, size.customers * size.events)
    for number in range(1, size.customers * size.events + 1):
        customer = rng.randrange(1, size.customers + 1)
        message, name = f"m-{number:09}", rng.choice(_SEEN)
        digest = sha256(message.encode()).hexdigest()
        properties = {"page": f"/reports/{rng.randrange(500)}", "ms": rng.randrange(2_000)}
        body = {
            "event": name,
            "messageId": message,
            "properties": properties,
            "type": "track",
            "userId": f"u{customer}",
        }
        at = _START + number * step
        key = values.event_key(workspace, message, digest)
        yield number, key, message, 0, name, at, at, customer, None, 0, 0, _json(body)


Make = Callable[[str, Size], Rows]
_TABLES: tuple[tuple[str, tuple[str, ...], Make], ...] = (
    (
        "customers",
        (
            *("id", "key", "user_id", "email", "name", "email_folded", "name_folded"),
            *("first_seen_at", "last_seen_at", "traits", "registers"),
        ),
        _customers,
    ),
    (
        "identities",
        ("id", "key", "kind", "identifier", "folded", "customer_id", "seen"),
        _identities,
    ),
    (
        "accounts",
        (
            *("id", "key", "group_id", "name", "employees", "plan", "group_id_folded"),
            *("name_folded", "created_at", "first_seen_at", "last_seen_at", "traits", "registers"),
        ),
        _accounts,
    ),
    (
        "memberships",
        ("customer_id", "account_id", "joined_at", "role", "registers", "last_add_at"),
        _memberships,
    ),
    ("audiences", ("id", "entity", "key", "folded"), _audiences),
    (
        "flags",
        ("entity", "owner_id", "audience_id", "member", "since", "origin", "runs"),
        _flags,
    ),
    ("intervals", ("audience_id", "owner_id", "entered_at", "left_at"), _intervals),
    (
        "events",
        (
            *("id", "key", "message_id", "type", "name", "at", "received_at", "whom"),
            *("account_id", "veil", "written", "body"),
        ),
        _events,
    ),
)
