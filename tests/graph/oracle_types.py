"""Each type of the schema, made of rows by plain resolvers."""
# ruff: noqa: FBT001, N802, N803, SLF001 (fields and arguments have their names in the schema)

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from models import tables
from models.values import EventType
from tests.graph import oracle_buckets
from tests.graph.judge import Judge, ordered, trait_rank
from tests.graph.rows import Rows

COLUMNS = {
    "LAST_SEEN_AT": "last_seen_at",
    "FIRST_SEEN_AT": "first_seen_at",
    "SIGNED_UP_AT": "signed_up_at",
    "CREATED_AT": "created_at",
    "NAME": "name",
    "EMAIL": "email",
    "USER_ID": "user_id",
    "GROUP_ID": "group_id",
}
PLACE_COLUMNS = {"JOINED_AT": "joined_at", "ROLE": "role"}


def moment(at: int | None) -> str | None:
    """Return microseconds as a DateTime is printed."""
    if at is None:
        return None
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Connection:
    """A page of a list: its first or last rows."""

    def __init__(
        self,
        rows: Sequence[Any],
        wrap: Callable[[Any], Any],
        edge: Callable[[Any], Mapping[str, Any]] = lambda _: {},
        first: int | None = None,
        last: int | None = None,
    ) -> None:
        size = 50 if first is None and last is None else first if last is None else last
        assert size is not None
        page = (
            rows[len(rows) - size if len(rows) > size else 0 :] if last is not None else rows[:size]
        )
        more = len(page) < len(rows)
        self.totalCount = len(rows)
        self.nodes = [wrap(row) for row in page]
        self.edges = [{"node": wrap(row), **edge(row)} for row in page]
        self.pageInfo = {
            "hasNextPage": more and last is None,
            "hasPreviousPage": more and last is not None,
        }


class Profile:
    """What customers and accounts share."""

    entity = 0

    def __init__(self, rows: Rows, row: Any) -> None:
        self._rows, self._row, self._judge = rows, row, Judge(rows)
        self.name = row.name
        self.firstSeenAt, self.lastSeenAt = moment(row.first_seen_at), moment(row.last_seen_at)

    def traits(self, keys: Sequence[str] | None = None) -> Any:
        values = msgspec.json.decode(self._row.traits)
        return {key: value for key, value in values.items() if keys is None or key in keys}

    def traitEntries(self, keys: Sequence[str] | None = None) -> list[Trait]:
        names = sorted(self.traits(keys), key=lambda key: key.encode())
        return [Trait(self, key) for key in names]

    def trait(self, key: str) -> Trait | None:
        return Trait(self, key) if key in self.traits() else None

    def audiences(
        self,
        keys: Sequence[str] | None = None,
        member: bool | None = None,
        origin: str | None = None,
    ) -> list[AudienceFlag]:
        flags = [
            AudienceFlag(self._rows, flag)
            for flag in self._rows.flags_of[self.entity, self._row.id]
            if flag.member is not None
        ]
        kept = [
            flag
            for flag in flags
            if (keys is None or flag.key in keys)
            and (member is None or flag.member == member)
            and (origin is None or flag.origin == origin)
        ]
        return sorted(kept, key=lambda flag: flag.key.encode())

    def inAudience(self, key: str) -> bool:
        return any(flag.key == key and flag.member for flag in self.audiences())

    def _events(self) -> Sequence[tables.Event]:
        timeline: Sequence[tables.Event] = self._rows.timeline_of[self._row.id]
        return timeline

    def events(self, where: Any = None, **page: Any) -> Connection:
        kept = [row for row in self._events() if self._judge.event(row, where)]
        return Connection(kept, lambda row: Event(self._rows, row), **page)


class Customer(Profile):
    """A customer."""

    def __init__(self, rows: Rows, row: tables.Customer) -> None:
        super().__init__(rows, row)
        self.id, self.userId, self.email = f"cus_{row.key.hex()}", row.user_id, row.email
        self.firstName, self.lastName, self.phone = row.first_name, row.last_name, row.phone
        self.title, self.avatar = row.title, row.avatar
        self.signedUpAt = moment(row.signed_up_at)
        known = rows.identities_of[row.id]
        self.anonymousIds = sorted(
            each.identifier for each in known if each.kind == 1 and each.seen
        )
        named = [each.identifier for each in known if each.kind == 0]
        self.aliases = sorted(each for each in named if each != row.user_id)

    def accounts(self, where: Any = None, role: Any = None, **page: Any) -> Connection:
        account = self._rows.account
        places = [
            place
            for place in self._rows.accounts_of[self._row.id]
            if self._judge.role(place, role)
            and self._judge.account(account[place.account_id], where)
        ]
        newest = sorted(
            places, key=lambda m: (m.joined_at, account[m.account_id].key), reverse=True
        )
        return Connection(
            newest, lambda m: Account(self._rows, account[m.account_id]), place, **page
        )


class Account(Profile):
    """An account."""

    entity = 1

    def __init__(self, rows: Rows, row: tables.Account) -> None:
        super().__init__(rows, row)
        self.id, self.groupId, self.website = f"acc_{row.key.hex()}", row.group_id, row.website
        self.industry, self.employees, self.plan = row.industry, row.employees, row.plan
        self.createdAt, self.deletedAt = moment(row.created_at), moment(row.deleted_at)

    def _events(self) -> Sequence[tables.Event]:
        timeline: Sequence[tables.Event] = self._rows.account_events_of[self._row.id]
        return timeline

    def members(
        self,
        where: Any = None,
        role: Any = None,
        search: Any = None,
        orderBy: Any = None,
        **page: Any,
    ) -> Connection:
        customer, judge = self._rows.customer, self._judge
        places = [
            place
            for place in self._rows.members_of[self._row.id]
            if judge.role(place, role)
            and judge.customer(customer[place.customer_id], where)
            and judge.found_customer(customer[place.customer_id], search)
        ]

        def value(term: Mapping[str, Any]) -> Callable[[Any], Any]:
            if term.get("field") in PLACE_COLUMNS:
                return lambda m: as_bytes(getattr(m, PLACE_COLUMNS[term["field"]]))
            return lambda m: value_of(term)(customer[m.customer_id])

        terms = [(value(term), term["direction"] == "DESC") for term in orderBy or []]
        terms = terms or [(lambda m: m.joined_at, True)]
        terms.append((lambda m: customer[m.customer_id].key, terms[-1][1]))
        return Connection(
            ordered(places, terms),
            lambda m: Customer(self._rows, customer[m.customer_id]),
            place,
            **page,
        )


class Trait:
    """One trait, read from the registers."""

    def __init__(self, owner: Profile, key: str) -> None:
        row, self._owner = owner._row, owner
        registers = msgspec.json.decode(row.registers)
        place = registers["k"][key]
        newest = place if isinstance(place, int) else place[0]
        at, message_id, digest = registers["s"][newest]
        self.key, self.value = key, owner.traits()[key]
        self.setAt, self.messageId = moment(at), message_id
        marked = not isinstance(place, int) and place[2] is not None
        self.origin = "ENGAGE" if marked else "TRAIT"
        self._stamp = (at, message_id, digest)

    def setBy(self) -> Event | None:
        for row in self._owner._events():
            if (row.at, row.message_id, row.key[8:].hex()) == self._stamp:
                return Event(self._owner._rows, row)
        return None


class AudienceFlag:
    """One flag."""

    def __init__(self, rows: Rows, row: tables.Flag) -> None:
        self._rows, self._row = rows, row
        self.key, self.member = rows.audience[row.audience_id].key, row.member == 1
        self.since, self.computationId = moment(row.since), row.computation_id
        self.origin = "ENGAGE" if row.origin else "TRAIT"

    def intervals(self, last: int) -> list[dict[str, Any]]:
        mine = [
            each
            for each in self._rows.intervals_in[self._row.audience_id]
            if each.owner_id == self._row.owner_id
        ]
        latest = sorted(mine, key=lambda each: each.entered_at)[-last:] if last else []
        return [
            {"enteredAt": moment(each.entered_at), "leftAt": moment(each.left_at)}
            for each in latest
        ]

    def audience(self) -> Audience:
        return Audience(self._rows, self._rows.audience[self._row.audience_id])


class Audience:
    """One entry of the catalog."""

    def __init__(self, rows: Rows, row: tables.Audience) -> None:
        self._rows, self._row, flags = rows, row, rows.flags_in[row.id]
        self.id = "aud_" + ("ca"[row.entity] + row.key).encode().hex()
        self.key, self.entity = row.key, ["CUSTOMER", "ACCOUNT"][row.entity]
        self.origin = "ENGAGE" if any(flag.origin for flag in flags) else "TRAIT"
        computed = [(flag.since, flag.computation_id) for flag in flags if flag.computation_id]
        self.computationId = max(computed)[1] if computed else None
        stays, since = rows.intervals_in[row.id], [flag.since for flag in flags]
        entered = [stay.entered_at for stay in stays] or since
        left = [stay.left_at for stay in stays if stay.left_at is not None]
        self.firstChangedAt = moment(min(entered))
        self.lastChangedAt = moment(max([*entered, *left]))
        self.memberCount = len(self._members(row.entity, lambda _: True))

    def _members(self, entity: int, fits: Callable[[Any], bool]) -> list[Any]:
        owners: Mapping[int, Any] = self._rows.account if entity else self._rows.customer
        if entity != self._row.entity:
            return []
        return [
            (flag, owners[flag.owner_id])
            for flag in self._rows.flags_in[self._row.id]
            if flag.member == 1
            and fits(owners[flag.owner_id])
            and getattr(owners[flag.owner_id], "deleted_at", None) is None
        ]

    def _page(self, members: list[Any], wrap: Callable[[Any], Any], page: Any) -> Connection:
        newest = sorted(members, key=lambda pair: (pair[0].since, pair[1].key), reverse=True)
        return Connection(
            newest,
            lambda pair: wrap(pair[1]),
            lambda pair: {"since": moment(pair[0].since)},
            **page,
        )

    def activity(self, **given: Any) -> list[dict[str, Any]]:
        return oracle_buckets.activity(self._rows, self._row, **given)

    def customers(self, where: Any = None, **page: Any) -> Connection:
        judge = Judge(self._rows)
        members = self._members(0, lambda row: judge.customer(row, where))
        return self._page(members, lambda row: Customer(self._rows, row), page)

    def accounts(self, where: Any = None, **page: Any) -> Connection:
        judge = Judge(self._rows)
        members = self._members(1, lambda row: judge.account(row, where))
        return self._page(members, lambda row: Account(self._rows, row), page)


class Event:
    """One event."""

    def __init__(self, rows: Rows, row: tables.Event) -> None:
        self._rows, self._row, judge = rows, row, Judge(rows)
        body = msgspec.json.decode(row.body)
        self.id, self.messageId, self.name = f"evt_{row.key.hex()}", row.message_id, row.name
        self.type, self.position = EventType(row.type).name, str(row.id)
        self.timestamp, self.receivedAt = moment(row.at), moment(row.received_at)
        self.userId, self.anonymousId, self.groupId = (
            judge.sent(row, name) for name in ("userId", "anonymousId", "groupId")
        )
        previous = body.get("previousId")
        self.previousId = None if previous is None else str(previous)
        self.properties, self.traits, self.context = (
            body[name] if isinstance(body.get(name), dict) else {}
            for name in ("properties", "traits", "context")
        )

    def customer(self) -> Customer | None:
        if self._row.whom is None:
            return None
        number = self._rows.identity[self._row.whom].customer_id
        return Customer(self._rows, self._rows.customer[number])

    def account(self) -> Account | None:
        number = self._row.account_id
        return None if number is None else Account(self._rows, self._rows.account[number])


class ApiKey:
    """The one key of the tests."""

    def __init__(self, row: tables.ApiKey) -> None:
        self.id, self.name, self.prefix = f"key_{row.key.hex()}", row.name, row.prefix
        self.scopes = [scope.upper() for scope in row.scopes.split(",")]
        self.createdAt, self.expiresAt = moment(row.created_at), moment(row.expires_at)
        self.revokedAt, self.lastUsedAt = moment(row.revoked_at), moment(row.last_used_at)


def place(row: tables.Membership) -> dict[str, Any]:
    """Return what an edge says of a membership."""
    return {"role": row.role, "joinedAt": moment(row.joined_at)}


def sorted_by(rows: list[Any], order: Any) -> list[Any]:
    """Return rows in the order of an `orderBy`."""
    terms = [(value_of(term), term["direction"] == "DESC") for term in order or []]
    terms = terms or [(lambda row: row.last_seen_at, True)]
    return ordered(rows, [*terms, (lambda row: row.key, terms[-1][1])])


def value_of(term: Mapping[str, Any]) -> Callable[[Any], Any]:
    """Return what one order term compares."""
    trait = term.get("trait")
    if trait is not None:
        return lambda row: trait_rank(row.traits, trait)
    return lambda row: as_bytes(getattr(row, COLUMNS[term["field"]]))


def as_bytes(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
