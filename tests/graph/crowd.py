"""Many customers, put straight into the tables: enough of them for planners to choose with care."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from random import Random
from typing import Any

from ingest import indexing
from ingest.indexes import Kind
from models.database import Database, Row, Transaction
from models.values import Identifier, account_key, identity_key
from models.values import Kind as IdentityKind
from tests.databases import DEFAULT
from tests.graph.world import NOW

PLANS = ["free"] * 12 + ["pro"] * 6 + ["trial"] * 2
FIRST = ["Ada", "Bea", "Cleo", "Dora", "Edda", "Fay", "Gita", "Hana", "Ines", "Judy"]
LAST = ["Abel", "Birk", "Cho", "Dahl", "Eklund", "Falk", "Gomez", "Holm", "Ito", "Jensen"]
_DAY = 86_400_000_000
_PART = 5_000
_EVENTS_EACH = 8

Rows = dict[str, tuple[tuple[str, ...], list[Row]]]


async def fill(database: Database, customers: int, last: str = "ANALYZE") -> None:
    """Put customers in, with accounts, memberships, flags and events; index words and two traits.

    `last` is a statement for the planner's sake.
    """
    random = Random(7)
    for table, (columns, rows) in _tables(random, customers).items():
        for at in range(0, len(rows), _PART):

            async def put(
                tx: Transaction,
                table: str = table,
                columns: tuple[str, ...] = columns,
                part: list[Row] = rows[at : at + _PART],
            ) -> None:
                await tx.insert(table, columns, DEFAULT.id, part)

            await database.write(put)
    for kind, key in ((Kind.WORDS, ""), (Kind.CUSTOMER_TRAIT, "plan"), (Kind.CUSTOMER_TRAIT, "n")):
        await _index(database, kind, key)
    await database.write(lambda tx: tx.fetch(last, ()))


async def _index(database: Database, kind: Kind, key: str) -> None:
    await database.write(lambda tx: indexing.declare(tx, DEFAULT, kind, key, hot=False, now=NOW))
    newest = (await database.write(lambda tx: indexing.listed(tx, DEFAULT)))[-1]
    while await database.write(lambda tx: indexing.build(tx, DEFAULT, newest.id, _PART)):
        pass


def _tables(random: Random, customers: int) -> Rows:
    accounts = customers // 10
    people = list(_people(random, customers))
    identities = [
        (number, person["key"], 0, person["user_id"], person["user_id"], number, 1)
        for number, person in enumerate(people, 1)
    ]
    members = _pairs(random, customers, accounts, customers * 3 // 2)
    flags = _pairs(random, customers, 12, customers * 3)
    return {
        "customers": (
            ("id", *people[0]),
            [(number, *person.values()) for number, person in enumerate(people, 1)],
        ),
        "identities": (
            ("id", "key", "kind", "identifier", "folded", "customer_id", "seen"),
            identities,
        ),
        "accounts": (
            ("id", *_account(random, 1)),
            [(number, *_account(random, number).values()) for number in range(1, accounts + 1)],
        ),
        "memberships": (
            ("customer_id", "account_id", "joined_at", "role", "registers", "last_add_at"),
            [
                (*pair, NOW - 5, random.choice(["admin", "member"]), "[]", NOW - 5)
                for pair in members
            ],
        ),
        "audiences": (
            ("id", "entity", "key", "folded"),
            [(at, 0, f"audience_{at}", f"audience_{at}") for at in range(1, 13)],
        ),
        "flags": (
            ("entity", "owner_id", "audience_id", "member", "since", "origin", "runs"),
            [(0, *pair, int(random.random() < 0.7), NOW - 9, 1, "[]") for pair in flags],
        ),
        "events": (
            (
                *("id", "key", "message_id", "type", "name", "at", "received_at"),
                *("whom", "veil", "written", "body"),
            ),
            _events(random, customers),
        ),
    }


def _pairs(random: Random, left: int, right: int, size: int) -> list[tuple[int, int]]:
    return sorted({(1 + random.randrange(left), 1 + random.randrange(right)) for _ in range(size)})


def _events(random: Random, customers: int) -> list[Row]:
    numbers = count(1)
    return [
        (
            *(next(numbers), key, key.hex(), 0, random.choice(["Report Viewed", "Login", "Paid"])),
            *(NOW - random.randrange(180 * _DAY), NOW, 1 + random.randrange(customers), 0, 0, "{}"),
        )
        for key in (random.randbytes(16) for _ in range(customers * _EVENTS_EACH))
    ]


def _people(random: Random, customers: int) -> Iterator[dict[str, Any]]:
    for number in range(1, customers + 1):
        user, name = f"user-{number}", f"{random.choice(FIRST)} {random.choice(LAST)}{number}"
        traits = {
            "email": f"{user}@example.com",
            "n": number,
            "name": name,
            "plan": random.choice(PLANS),
            **{f"trait {at}": random.randrange(1_000) for at in range(5)},
        }
        seen = NOW - random.randrange(180 * _DAY)
        yield {
            "key": identity_key(DEFAULT.name, Identifier(IdentityKind.USER, user)),
            "user_id": user,
            "email": traits["email"],
            "name": name,
            "email_folded": traits["email"],
            "name_folded": name.lower(),
            "first_seen_at": seen,
            "last_seen_at": seen,
            "traits": json.dumps(traits, sort_keys=True, separators=(",", ":")),
            "registers": json.dumps({"s": [[seen, "m", "0" * 16]], "k": dict.fromkeys(traits, 0)}),
        }


def _account(random: Random, number: int) -> dict[str, Any]:
    seen = NOW - random.randrange(180 * _DAY)
    traits = {"name": f"Company {number}", "plan": random.choice(PLANS)}
    return {
        "key": account_key(DEFAULT.name, f"acct-{number}"),
        "group_id": f"acct-{number}",
        "group_id_folded": f"acct-{number}",
        "name": f"Company {number}",
        "name_folded": f"company {number}",
        "created_at": seen,
        "first_seen_at": seen,
        "last_seen_at": seen,
        "traits": json.dumps(traits, separators=(",", ":")),
        "registers": json.dumps({"s": [[seen, "m", "0" * 16]], "k": dict.fromkeys(traits, 0)}),
    }
