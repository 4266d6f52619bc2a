"""A database to read from: seeded customers and accounts, brought in the way all messages come."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from api import keys
from ingest.accept import Door, Ingest
from models import migrate
from models.database import open_database
from tests.benchmarks import messages
from tests.benchmarks.comparison import Say, Sizes

ACTIVE_EACH = 20
"""One customer of so many is active, and has more events than a page shows."""

_SEED = 7
_TRACKS, _TRACKS_OF_ACTIVE = 6, 40
_SECOND_ACCOUNT_CHANCE = 0.3
_BODY_MESSAGES = 500
_AUDIENCES = [f"audience_{number}" for number in range(12)]
_AUDIENCES_PER_CUSTOMER = 3
_MEMBER_CHANCE = 0.7
_ROLES = ("admin", "member", "viewer")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_STEP = timedelta(seconds=5)
# Later than the last message, and the same in each run: so is the whole database.
_RECEIVED_AT = 1_800_000_000_000_000
Draft = Callable[[random.Random], messages.Message]

_TABLES = ("customers", "accounts", "memberships", "flags", "events")


async def load(database: Path, sizes: Sizes, say: Say) -> None:
    """Make the database and take every message in."""
    url = f"sqlite+aiosqlite:///{database}"
    await migrate.upgrade(url)
    opened = await open_database(url)
    ingest = Ingest(opened)
    ingest.start()
    rng = random.Random(_SEED)
    drafts = _drafts(rng, sizes)
    try:
        tenant, _ = await keys.ensure_workspace(opened, keys.DEFAULT_WORKSPACE, _RECEIVED_AT)
        told = 0
        for first in range(0, len(drafts), _BODY_MESSAGES):
            body = _body(rng, drafts[first : first + _BODY_MESSAGES], first)
            await ingest.deliver(tenant.workspace, body, door=Door.SDK, received_at=_RECEIVED_AT)
            done = 10 * (first + _BODY_MESSAGES) // len(drafts)
            if done > told:
                say(
                    f"taking {len(drafts):,} messages in, to read from: {min(done, 10)} of 10 parts"
                )
                told = done
    finally:
        await ingest.close()
        await opened.close()


def rows(database: Path) -> dict[str, int]:
    """Return how many rows there are to read, table by table."""
    with closing(sqlite3.connect(database)) as connection:
        counts = (f"SELECT count(*) FROM {table}" for table in _TABLES)
        return {
            table: connection.execute(count).fetchone()[0]
            for table, count in zip(_TABLES, counts, strict=True)
        }


def _drafts(rng: random.Random, sizes: Sizes) -> list[Draft]:
    """Return all that is said, in an order that mixes all customers."""
    drafts = [draft for customer in range(sizes.customers) for draft in _of(rng, customer, sizes)]
    rng.shuffle(drafts)
    return drafts


def _body(rng: random.Random, drafts: list[Draft], first: int) -> bytes:
    said = []
    for number, draft in enumerate(drafts, first):
        at = (_START + number * _STEP).isoformat(timespec="milliseconds")[:-6].encode() + b"Z"
        message = msgspec.json.encode(draft(rng))
        said.append(messages.stamp(message, b"ajs-next-%032x" % rng.getrandbits(128), at))
    return b'{"batch":[' + b",".join(said) + b"]}"


def _of(rng: random.Random, customer: int, sizes: Sizes) -> Iterator[Draft]:
    """Yield what is said of one customer."""
    audiences = rng.sample(_AUDIENCES, _AUDIENCES_PER_CUSTOMER)
    flags = {key: rng.random() < _MEMBER_CHANCE for key in audiences}
    yield partial(messages.identify, customer=customer, more=flags)
    count = 2 if rng.random() < _SECOND_ACCOUNT_CHANCE else 1
    for account in rng.sample(range(sizes.accounts), min(count, sizes.accounts)):
        role = rng.choice(_ROLES)
        yield partial(messages.group, customer=customer, account=account)
        yield partial(messages.join, customer=customer, account=account, role=role)
    for _ in range(_TRACKS if customer % ACTIVE_EACH else _TRACKS_OF_ACTIVE):
        yield partial(messages.track, customer=customer)
