"""Tell the state of a workspace piece by piece, keyed by identifiers, in one canonical order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import groupby
from typing import Any

from ingest import canonical, log, pack
from ingest.fold import Account, Customer, Profile, intervals, is_set
from ingest.meaning import Meaning, Place, meaning
from models.database import Row
from models.database_snapshot import Snapshot
from models.values import Entity, Held, Kind, Outcome, Stamp, Veil, Workspace

Piece = dict[str, Any]
Standing = tuple[str, int | None, int, Outcome, str | None]
"""messageId, at, receivedAt, outcome and reason of one receipt."""

_HEAD = "JOIN identities h ON h.workspace_id = ?1 AND h.key = c.key"
_BY_NAME = "ORDER BY h.kind DESC, h.identifier"
_CUSTOMERS = (
    "SELECT h.kind, h.identifier, c.user_id, c.email, c.name, c.first_name, c.last_name, c.phone,"
    " c.title, c.avatar, c.signed_up_at, c.first_seen_at, c.last_seen_at, c.traits, c.registers"
    f" FROM customers c {_HEAD} WHERE c.workspace_id = ?1 {_BY_NAME}"
)
_IDENTITIES = (
    "SELECT h.kind, h.identifier, i.kind, i.identifier, i.seen FROM identities i JOIN customers c"
    f" ON c.workspace_id = ?1 AND c.id = i.customer_id {_HEAD} WHERE i.workspace_id = ?1"
    f" {_BY_NAME}, i.identifier"
)
_PLACES = (
    "SELECT h.kind, h.identifier, a.group_id, m.joined_at, m.role, a.last_deletion_at, a.deleted_at"
    " FROM memberships m JOIN accounts a ON a.workspace_id = ?1 AND a.id = m.account_id"
    f" JOIN customers c ON c.workspace_id = ?1 AND c.id = m.customer_id {_HEAD}"
    f" WHERE m.workspace_id = ?1 {_BY_NAME}, a.group_id"
)
_ACCOUNTS = (
    "SELECT o.group_id, o.name, o.website, o.industry, o.employees, o.plan, o.created_at,"
    " o.deleted_at, o.first_seen_at, o.last_seen_at, o.last_deletion_at, o.traits, o.registers"
    " FROM accounts o WHERE o.workspace_id = ?1 ORDER BY o.group_id"
)
_OWNED = {
    Entity.CUSTOMER: (
        "h.kind, h.identifier",
        f"JOIN customers c ON c.workspace_id = ?1 AND c.id = t.owner_id {_HEAD}",
        _BY_NAME,
    ),
    Entity.ACCOUNT: (
        "o.group_id",
        "JOIN accounts o ON o.workspace_id = ?1 AND o.id = t.owner_id",
        "ORDER BY o.group_id",
    ),
}
_TYPED = ("email", "name", "firstName", "lastName", "phone", "title", "avatar")
_ACCOUNT_TYPED = (
    *("name", "website", "industry", "employees", "plan"),
    *("createdAt", "deletedAt", "firstSeenAt", "lastSeenAt"),
)
_EVENTS = (
    "SELECT e.message_id, e.at, e.received_at, e.veil, e.written, e.key, e.body,"
    " c.id, c.traits, c.registers, a.id, a.traits, a.registers, m.registers FROM events e"
    " LEFT JOIN identities i ON i.workspace_id = ?1 AND i.id = e.whom"
    " LEFT JOIN customers c ON c.workspace_id = ?1 AND c.id = i.customer_id"
    " LEFT JOIN accounts a ON a.workspace_id = ?1 AND a.id = e.account_id"
    " LEFT JOIN memberships m ON m.workspace_id = ?1 AND m.customer_id = c.id AND m.account_id = a.id"
    " WHERE e.workspace_id = ?1 ORDER BY e.whom"
)


async def customers(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[tuple[str, Piece]]:
    """Yield what each customer is called here, and all that is known of them."""
    identities = _Beside(snapshot.rows(_IDENTITIES, (workspace.id,)), 2)
    places = _Beside(snapshot.rows(_PLACES, (workspace.id,)), 2)
    flags = _flags(snapshot, workspace, Entity.CUSTOMER)
    spans = _spans(snapshot, workspace, Entity.CUSTOMER)
    async for row in snapshot.rows(_CUSTOMERS, (workspace.id,)):
        kind, text, user_id, *fields, signed_up, first_seen, last_seen, traits, packed = row
        head = (kind, text)
        mine = await identities.of(head)
        fold = pack.unpack_customer(traits, packed, first_seen, signed_up)
        users = [name for kind, name, _ in mine if kind == Kind.USER and name != user_id]
        yield (
            f"anonymous:{text}" if user_id is None else f"user:{user_id}",
            {
                **dict(zip(_TYPED, fields, strict=True)),
                "userId": user_id,
                "anonymousIds": [name for kind, name, seen in mine if kind == Kind.DEVICE and seen],
                "aliases": users,
                "signedUpAt": signed_up,
                "firstSeenAt": first_seen,
                "lastSeenAt": last_seen,
                "traits": _traits(fold),
                "audiences": _audiences(await flags.of(head), await spans.of(head)),
                "accounts": dict(_live(await places.of(head))),
            },
        )


async def accounts(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[tuple[str, Piece]]:
    """Yield each groupId and all that is known of the account."""
    flags = _flags(snapshot, workspace, Entity.ACCOUNT)
    spans = _spans(snapshot, workspace, Entity.ACCOUNT)
    async for group, *fields, deletion, traits, packed in snapshot.rows(_ACCOUNTS, (workspace.id,)):
        said = dict(zip(_ACCOUNT_TYPED, fields, strict=True))
        fold = pack.unpack_account(traits, packed, said["firstSeenAt"], deletion)
        shown = _audiences(await flags.of((group,)), await spans.of((group,)))
        yield group, {**said, "traits": _traits(fold), "audiences": shown}


async def erasures(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[Piece]:
    """Yield each delete that is stored."""
    sql = (
        f"SELECT message_id, at FROM events WHERE workspace_id = ?1 AND veil = {int(Veil.DELETE)}"
        " ORDER BY message_id, at"
    )
    async for message_id, at in snapshot.rows(sql, (workspace.id,)):
        yield {"messageId": message_id, "at": at}


async def quarantine(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[Piece]:
    """Yield each entry that waits."""
    sql = (
        "SELECT message_id, reason, received_at FROM quarantine WHERE workspace_id = ?1"
        f" AND erased = {int(Held.WAITS)} ORDER BY message_id, reason, received_at"
    )
    async for message_id, reason, received in snapshot.rows(sql, (workspace.id,)):
        yield {"messageId": message_id, "reason": reason, "receivedAt": received}


async def held(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[Standing]:
    """Yield what became of each message that was quarantined, in no order."""
    sql = (
        "SELECT message_id, reason, received_at, erased FROM quarantine"
        f" WHERE workspace_id = ?1 AND erased <> {int(Held.RETRIED)}"
    )
    async for message_id, reason, received, erased in snapshot.rows(sql, (workspace.id,)):
        outcome = Outcome.ERASED if erased == Held.ERASED else Outcome.QUARANTINED
        yield message_id, None, received, outcome, reason


async def standings(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[Standing]:
    """Yield what became of each event, in no order; of conflicts they know nothing yet."""
    known = _Folds()
    async for row in snapshot.rows(_EVENTS, (workspace.id,)):
        message_id, at, received_at, veil, written, key, body, *folds = row
        outcome = Outcome.ERASED if veil == Veil.ERASED else Outcome.APPLIED
        if written and veil == Veil.NONE:
            event = log.restore((key, message_id, at, received_at, veil, body))
            newest = list(known.newest(meaning(event), tuple(folds)))
            if newest and all(stamp != event.stamp for stamp in newest):
                outcome = Outcome.SUPERSEDED
        yield message_id, at, received_at, outcome, None


def receipts(sorted_standings: Iterator[Standing]) -> Iterator[Piece]:
    """Yield the receipts; messageIds of several events are conflicts, unless these are erased."""
    names = ("messageId", "at", "receivedAt", "outcome", "reason")
    for _, same in groupby(sorted_standings, key=lambda one: one[0]):
        alike = list(same)
        if sum(at is not None for _, at, *_ in alike) > 1:
            alike = [_in_conflict(one) for one in alike]
        for one in sorted(alike, key=order):
            yield dict(zip(names, one, strict=True))


def order(one: Standing) -> tuple[str, int, int, str, str]:
    """Return by what receipts are sorted."""
    message_id, at, received_at, outcome, reason = one
    return message_id, at or 0, received_at, outcome, reason or ""


def _in_conflict(one: Standing) -> Standing:
    message_id, at, received_at, outcome, reason = one
    if at is None or outcome is Outcome.ERASED:
        return one
    return message_id, at, received_at, Outcome.CONFLICT, reason


class _Folds:
    """The folds that events are held against; those of one customer come together."""

    def __init__(self) -> None:
        self._customer: tuple[int, Customer] | None = None
        self._accounts: dict[int, Account] = {}

    def newest(self, said: Meaning, folds: Row) -> Iterator[Stamp | None]:
        """Yield the newest write of each key that a message wrote."""
        person, traits, registers, company, its_traits, its_registers, place = folds
        if said.subject is not None and not said.erases:
            if said.traits:
                known = self._of_customer(person, traits, registers).traits
                yield from (known[key].stamp for key in said.traits)
            if said.place is not Place.NONE:
                yield pack.unpack_membership(None, None, place).last_word
        if said.group_id is not None and (said.account_traits or said.alive or said.deleted):
            account = self._of_account(company, its_traits, its_registers)
            yield from (account.traits[key].stamp for key in said.account_traits)
            if said.alive or said.deleted:
                yield account.last_word

    def _of_customer(self, number: int, traits: str, registers: str) -> Customer:
        if self._customer is None or self._customer[0] != number:
            self._customer = number, pack.unpack_customer(traits, registers, 0, None)
        return self._customer[1]

    def _of_account(self, number: int, traits: str, registers: str) -> Account:
        if number not in self._accounts:
            if len(self._accounts) >= _ACCOUNTS_MAX:
                self._accounts.pop(next(iter(self._accounts)))
            self._accounts[number] = pack.unpack_account(traits, registers, 0, None)
        return self._accounts[number]


_ACCOUNTS_MAX = 1_000
"""Accounts at hand: many events in a row are often of few accounts."""


class _Beside:
    """Rows in the order of owners, taken owner by owner."""

    def __init__(self, rows: AsyncIterator[Row], width: int) -> None:
        self._rows = rows
        self._width = width
        self._next: Row | None = None
        self._begun = False

    async def of(self, owner: Row) -> list[Row]:
        """Return the rows of the next owner, without what names it."""
        if not self._begun:
            self._begun, self._next = True, await anext(self._rows, None)
        found = []
        while self._next is not None and self._next[: self._width] == owner:
            found.append(self._next[self._width :])
            self._next = await anext(self._rows, None)
        return found


def _flags(snapshot: Snapshot, workspace: Workspace, entity: Entity) -> _Beside:
    named, joined, by_owner = _OWNED[entity]
    sql = (
        f"SELECT {named}, a.key, t.member, t.since, t.origin, t.computation_id, t.runs FROM flags t"
        f" JOIN audiences a ON a.workspace_id = ?1 AND a.id = t.audience_id {joined}"
        f" WHERE t.workspace_id = ?1 AND t.entity = {int(entity)} {by_owner}, a.key"
    )
    return _Beside(snapshot.rows(sql, (workspace.id,)), named.count(",") + 1)


def _spans(snapshot: Snapshot, workspace: Workspace, entity: Entity) -> _Beside:
    named, joined, by_owner = _OWNED[entity]
    sql = (
        f"SELECT {named}, a.key, t.entered_at, t.left_at FROM intervals t"
        f" JOIN audiences a ON a.workspace_id = ?1 AND a.id = t.audience_id {joined}"
        f" WHERE t.workspace_id = ?1 AND a.entity = {int(entity)} {by_owner}, a.key, t.entered_at"
    )
    return _Beside(snapshot.rows(sql, (workspace.id,)), named.count(",") + 1)


def _audiences(flags: list[Row], spans: list[Row]) -> Piece:
    shown: Piece = {}
    for key, member, since, origin, computation, runs in flags:
        stored = [[start, end] for name, start, end in spans if name == key]
        if stored != [list(span) for span in intervals(pack.unpack_runs(runs))]:
            raise ValueError(f"the intervals of {key!r} are not those of its runs")
        if member is not None:
            shown[key] = {
                "member": bool(member),
                "since": since,
                "origin": "ENGAGE" if origin else "TRAIT",
                "computationId": computation,
                "intervals": stored,
            }
    return shown


def _live(places: list[Row]) -> Iterator[tuple[str, Piece]]:
    for group, joined, role, cut, deleted in places:
        if joined is not None and (cut is None or joined > cut) and deleted is None:
            yield group, {"role": role, "joinedAt": joined}


def _traits(profile: Profile) -> Piece:
    return {
        key: {
            "value": canonical.read(register.value.encode()),
            "setAt": register.stamp.at,
            "messageId": register.stamp.message_id,
            "origin": "TRAIT" if register.marked is None else "ENGAGE",
        }
        for key, register in profile.traits.items()
        if is_set(register)
    }
