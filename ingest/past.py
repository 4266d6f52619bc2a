"""What a customer or an account was at a moment: its events up to then, folded anew by the one store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from ingest import log, store
from ingest.log import Fresh
from models.database import Row, Transaction
from models.database_memory import Memory
from models.values import Entity, Micros, Workspace

_BATCH = 500
_COLUMNS = ("id", "key", "message_id", "at", "received_at", "veil", "body")


class Source(Protocol):
    """What the log is read from."""

    async def read(self, sql: str, args: Sequence[Any] = (), timeout_s: float = ...) -> list[Row]:
        """Return the rows of one statement."""
        ...


class Hop(Enum):
    """A step from customers to accounts, from accounts to customers, or to others of the kind."""

    ACCOUNTS = "the accounts that customers were ever members of"
    MEMBERS = "the customers who were ever members of accounts"
    EVENT_ACCOUNTS = "the accounts in which customers did anything"
    EVENT_CUSTOMERS = "the customers who did anything in accounts"
    PEERS = "those who were ever in one of the same audiences"


_LEADS = {
    Hop.ACCOUNTS: Entity.ACCOUNT,
    Hop.MEMBERS: Entity.CUSTOMER,
    Hop.EVENT_ACCOUNTS: Entity.ACCOUNT,
    Hop.EVENT_CUSTOMERS: Entity.CUSTOMER,
}


@dataclass(slots=True)
class Reach:
    """How far from one customer or account is looked: each step, and the steps behind it."""

    hops: dict[Hop, Reach] = field(default_factory=dict)

    def to(self, hop: Hop) -> Reach:
        """Return what is reached by a step, which is taken from now on."""
        return self.hops.setdefault(hop, Reach())


@dataclass(frozen=True, slots=True)
class Sought:
    """Whose past is asked for, up to when, and how far around."""

    entity: Entity
    key: bytes
    until: Micros
    reach: Reach


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of the log may be folded for one question."""

    events_max: int
    characters_max: int


class TooLong(Exception):
    """A past of more events, or longer ones, than may be folded; the message has the numbers."""


async def read(
    source: Source, workspace: Workspace, sought: Sought, bounds: Bounds, seconds: float
) -> list[Row]:
    """Return the events that can matter, in one statement; raise TooLong where they are too many."""
    args = (workspace.id, sought.key, sought.until, bounds.events_max, bounds.characters_max)
    rows = await source.read(statement(sought.entity, sought.reach), args, seconds)
    events, characters = rows[0][:2]
    if events > bounds.events_max:
        raise TooLong(
            f"what is asked for was made by {events} events, and {bounds.events_max} may be folded"
            " for one answer: ask for an earlier moment, or for less around it"
        )
    if characters > bounds.characters_max:
        raise TooLong(
            f"what is asked for was made by events of {characters} characters, and"
            f" {bounds.characters_max} may be folded for one answer: ask for an earlier moment,"
            " or for less around it"
        )
    return [row[2:] for row in rows if row[2] is not None]


def answer(
    workspace: Workspace, events: Sequence[Row], sql: str, args: Sequence[Any], seconds: float
) -> Any:
    """Fold events into a database in memory and return the one value of a statement on it."""
    memory = Memory(seconds)
    try:
        memory.write(lambda tx: _begin(tx, workspace))
        for start in range(0, len(events), _BATCH):
            part = events[start : start + _BATCH]
            batch = [Fresh(bytes(row[1]), log.restore(row[1:])) for row in part]

            async def fold(tx: Transaction, batch: list[Fresh] = batch) -> None:
                await store.replay(tx, workspace, batch)

            memory.write(fold, (row[0] for row in part))
        return memory.read(sql, args)[0][0]
    finally:
        memory.close()


def statement(entity: Entity, reach: Reach) -> str:
    """Return the statement that reads the events, of which one moment is seen.

    The identities of a customer at any moment are among those it has now, and so is every account
    it was a member of. Of a device that is another's, the event is read that says so.
    """
    sets = list(_sets(entity, reach))
    people = [name for name, kind, _ in sets if kind is Entity.CUSTOMER]
    firms = [name for name, kind, _ in sets if kind is Entity.ACCOUNT]
    named = [f"{name} AS ({sql})" for name, _, sql in sets]
    picked = [
        f"SELECT e.id AS id FROM events AS e WHERE e.workspace_id = ?1 AND e.at <= ?3 AND {which}"
        for which in (
            *(f"e.whom IN (SELECT id FROM {name})" for name in people),
            *(f"e.account_id IN (SELECT id FROM {name})" for name in firms),
        )
    ]
    picked += [_LINKED.format(name=name) for name in people]
    named.append(f"picked AS ({' UNION '.join(picked)})")
    named.append(_SIZE)
    columns = ", ".join(f"e.{name}" for name in _COLUMNS)
    return (
        f"WITH {', '.join(named)} SELECT size.events, size.characters, {columns} FROM size"
        " LEFT JOIN events AS e ON e.workspace_id = ?1 AND e.id IN (SELECT id FROM picked)"
        " AND size.events <= ?4 AND size.characters <= ?5 ORDER BY e.at, e.id"
    )


_LINKED = (
    "SELECT e.id AS id FROM links AS l, identities AS d, events AS e WHERE l.workspace_id = ?1"
    " AND d.workspace_id = ?1 AND e.workspace_id = ?1 AND l.owner IN (SELECT id FROM {name})"
    " AND l.at <= ?3 AND d.id = l.device AND e.whom = d.owner AND e.at = d.link_at"
    " AND e.message_id = d.link_message_id"
)
_SIZE = (
    "size AS (SELECT count(*) AS events, coalesce(sum(length(e.body)), 0) AS characters"
    " FROM events AS e WHERE e.workspace_id = ?1 AND e.id IN (SELECT id FROM picked))"
)

Named = tuple[str, Entity, str]
"""A set of identities or of accounts: its name, its kind, and the statement that finds it."""


def _sets(entity: Entity, reach: Reach) -> Iterator[Named]:
    if entity is Entity.CUSTOMER:
        found = "SELECT k.customer_id FROM identities AS k WHERE k.workspace_id = ?1 AND k.key = ?2"
        yield "s", entity, _identities(found)
    else:
        yield (
            "s",
            entity,
            "SELECT a.id AS id FROM accounts AS a WHERE a.workspace_id = ?1 AND a.key = ?2",
        )
    yield from _behind("s", entity, reach.hops)


def _behind(name: str, entity: Entity, hops: Mapping[Hop, Reach]) -> Iterator[Named]:
    for at, (hop, reach) in enumerate(hops.items()):
        reached, kind = f"{name}_{at}", _LEADS.get(hop, entity)
        yield reached, kind, _step(hop, name, entity)
        yield from _behind(reached, kind, reach.hops)


def _identities(customers: str) -> str:
    return (
        "SELECT i.id AS id, i.customer_id AS owner_id FROM identities AS i"
        f" WHERE i.workspace_id = ?1 AND i.customer_id IN ({customers})"
    )


def _step(hop: Hop, name: str, entity: Entity) -> str:
    match hop:
        case Hop.ACCOUNTS:
            return (
                "SELECT DISTINCT m.account_id AS id FROM memberships AS m WHERE m.workspace_id = ?1"
                f" AND m.customer_id IN (SELECT owner_id FROM {name})"
            )
        case Hop.MEMBERS:
            return _identities(
                "SELECT m.customer_id FROM memberships AS m WHERE m.workspace_id = ?1"
                f" AND m.account_id IN (SELECT id FROM {name})"
            )
        case Hop.EVENT_ACCOUNTS:
            return (
                "SELECT DISTINCT e.account_id AS id FROM events AS e WHERE e.workspace_id = ?1"
                f" AND e.whom IN (SELECT id FROM {name}) AND e.account_id IS NOT NULL AND e.at <= ?3"
            )
        case Hop.EVENT_CUSTOMERS:
            return _identities(
                "SELECT w.customer_id FROM events AS e, identities AS w WHERE e.workspace_id = ?1"
                f" AND w.workspace_id = ?1 AND e.account_id IN (SELECT id FROM {name})"
                " AND e.at <= ?3 AND w.id = e.whom"
            )
        case Hop.PEERS:
            own = "owner_id" if entity is Entity.CUSTOMER else "id"
            peers = (
                "FROM flags AS f, flags AS g WHERE f.workspace_id = ?1 AND g.workspace_id = ?1"
                f" AND f.entity = {int(entity)} AND f.owner_id IN (SELECT {own} FROM {name})"
                " AND g.entity = f.entity AND g.audience_id = f.audience_id"
            )
            if entity is Entity.CUSTOMER:
                return _identities(f"SELECT g.owner_id {peers}")
            return f"SELECT DISTINCT g.owner_id AS id {peers}"


async def _begin(tx: Transaction, workspace: Workspace) -> None:
    sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (?1, ?2, 0, ?3)"
    await tx.fetch(sql, (workspace.id, workspace.name, b""))
