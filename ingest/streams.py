"""The rows of each table of state, told by keys instead of row numbers, in one order.

Two databases that hold the same events give the same streams, whatever numbers they gave out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NamedTuple

from ingest import pack, typed
from models.database import Row
from models.database_snapshot import Snapshot


class Entry(NamedTuple):
    """A row as a stream tells it, and where it lies: its primary key, without the workspace."""

    row: Row
    place: Row
    # Whether it may be there or not, for it means nothing.
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of row: what tells it apart, and what it says."""

    name: str
    # Column names, with the expression where it is not the column itself.
    key: dict[str, str]
    columns: dict[str, str]
    source: str
    # Makes rows that mean the same the same.
    plain: Callable[[Row], Row] = tuple
    # The table's primary key, without the workspace.
    place: tuple[str, ...] = ("id",)
    # Which values are keys of identities, and of accounts, of whom a wrong row says something.
    people: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()
    # Tells of a row that means nothing.
    idle: str = "0"

    @property
    def table(self) -> str:
        """Return the table whose rows these are."""
        return self.name.partition(" ")[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Return what each value of a row is called."""
        return (*self.key, *self.columns)

    async def entries(self, snapshot: Snapshot, workspace: int) -> AsyncIterator[Entry]:
        """Yield all rows, by key; those that refer to nothing are not among them."""
        width = len(self.names)
        async for row in snapshot.rows(self._sql(), (workspace,)):
            yield Entry(self.plain(row[:width]), row[width:-1], bool(row[-1]))

    def _sql(self) -> str:
        place = [f't."{name}"' for name in self.place]
        selected = ", ".join((*self.key.values(), *self.columns.values(), *place, self.idle))
        order = ", ".join((*self.key.values(), *place))
        return f"SELECT {selected} FROM {self.source} WHERE t.workspace_id = ?1 ORDER BY {order}"


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that holds the number of a row of another table."""

    table: str
    column: str
    target: str
    place: tuple[str, ...] = ("id",)
    # What else must be so for the column to mean that table.
    condition: str = ""
    # Which row it refers to, where that is not the one of this number.
    meant: str = ""

    async def dangling(self, snapshot: Snapshot, workspace: int) -> AsyncIterator[Entry]:
        """Yield the number and the place of each row that refers to a row that is not there."""
        place = ", ".join(f't."{name}"' for name in self.place)
        meant = self.meant or f'r.id = t."{self.column}"'
        sql = (
            f'SELECT t."{self.column}", {place} FROM {self.table} t WHERE t.workspace_id = ?1'
            f' AND t."{self.column}" IS NOT NULL{self.condition} AND NOT EXISTS'
            f" (SELECT 1 FROM {self.target} r WHERE r.workspace_id = ?1 AND {meant}) ORDER BY {place}"
        )
        async for row in snapshot.rows(sql, (workspace,)):
            yield Entry(row[:1], row[1:])


def _own(*names: str) -> dict[str, str]:
    return {name: f't."{name}"' for name in names}


def _settled(row: Row) -> Row:
    """Let the account's last deletion end a membership, as reading it does."""
    customer, account, joined, last_add, registers, _, deletion = row
    try:
        place = pack.unpack_membership(joined, last_add, registers)
    except (ValueError, TypeError):
        # What cannot be read at all is shown as it stands.
        return row
    place.settle(deletion)
    if place.joined == joined:
        return row
    return (customer, account, None, last_add, pack.pack_membership(place), None, deletion)


def _joined(table: str, alias: str, column: str, *, always: bool = True) -> str:
    kind = "JOIN" if always else "LEFT JOIN"
    return f' {kind} {table} {alias} ON {alias}.workspace_id = ?1 AND {alias}.id = t."{column}"'


# The key of an audience stays when the last of its flags was erased, and means nothing then.
_UNUSED = (
    "CASE WHEN EXISTS (SELECT 1 FROM flags f WHERE f.workspace_id = ?1 AND f.audience_id = t.id)"
    " THEN 0 ELSE 1 END"
)
_AUDIENCE = _joined("audiences", "a", "audience_id")


_LINK = ("device", "owner")
_ALIAS = ("previous", "owner")
_MEMBERSHIP = ("customer_id", "account_id")
_FLAG = ("entity", "owner_id", "audience_id")
_INTERVAL = ("audience_id", "owner_id", "entered_at")
_VALUE = ("index_id", "owner_id")
_WORD = ("kind", "word", "owner_id")


def _people(owners: str) -> tuple[str, ...]:
    return () if owners == "accounts" else ("owner",)


def _companies(owners: str) -> tuple[str, ...]:
    return ("owner",) if owners == "accounts" else ()


def _flags(entity: int, owners: str) -> Stream:
    return Stream(
        f"flags of {owners}",
        {"owner": "o.key", "audience": "a.key"},
        _own("member", "since", "origin", "computation_id", "runs"),
        f"flags t{_AUDIENCE} AND t.entity = {entity}{_joined(owners, 'o', 'owner_id')}",
        place=_FLAG,
        people=_people(owners),
        companies=_companies(owners),
    )


def _intervals(entity: int, owners: str) -> Stream:
    return Stream(
        f"intervals of {owners}",
        {"owner": "o.key", "audience": "a.key", **_own("entered_at")},
        _own("left_at"),
        f"intervals t{_AUDIENCE} AND a.entity = {entity}{_joined(owners, 'o', 'owner_id')}",
        place=_INTERVAL,
        people=_people(owners),
        companies=_companies(owners),
    )


def _of_entity(entity: int) -> str:
    return (
        " AND EXISTS (SELECT 1 FROM audiences a WHERE a.workspace_id = ?1"
        f" AND a.id = t.audience_id AND a.entity = {entity})"
    )


def _words(kind: int, owners: str) -> Stream:
    return Stream(
        f"words of {owners}",
        {"owner": "o.key", **_own("word")},
        {},
        f"words t JOIN kept_indexes k ON k.workspace_id = ?1 AND k.kind = 2 AND k.state = 1"
        f" AND t.kind = {kind}{_joined(owners, 'o', 'owner_id')}",
        place=_WORD,
        people=_people(owners),
        companies=_companies(owners),
    )


def _values(entity: int, owners: str) -> Stream:
    return Stream(
        f"trait_values of {owners}",
        {"owner": "o.key", **_own("index_id")},
        _own("key", "place", "folded", "cut"),
        f"trait_values t JOIN kept_indexes k ON k.workspace_id = ?1 AND k.id = t.index_id"
        f" AND k.kind = {entity} AND k.state = 1{_joined(owners, 'o', 'owner_id')}",
        place=_VALUE,
        people=_people(owners),
        companies=_companies(owners),
    )


def _of_index(entity: int) -> str:
    return (
        " AND EXISTS (SELECT 1 FROM kept_indexes k WHERE k.workspace_id = ?1"
        f" AND k.id = t.index_id AND k.kind = {entity})"
    )


STREAMS = (
    Stream(
        "customers",
        _own("key"),
        _own(
            *("user_id", *typed.CUSTOMER_FIELDS, "email_folded", "name_folded", "signed_up_at"),
            *("first_seen_at", "last_seen_at", "traits", "registers"),
        ),
        "customers t",
        people=("key",),
    ),
    Stream(
        "accounts",
        _own("key"),
        _own(
            *("group_id", "group_id_folded", *typed.ACCOUNT_FIELDS, "name_folded", "created_at"),
            *("deleted_at", "last_deletion_at", "first_seen_at", "last_seen_at"),
            *("traits", "registers"),
        ),
        "accounts t",
        companies=("key",),
    ),
    Stream(
        "identities",
        _own("key"),
        {
            **_own("kind", "identifier", "folded", "seen"),
            **_own("link_at", "link_message_id", "link_digest"),
            "customer_id": "c.key",
            "owner": "o.key",
        },
        f"identities t{_joined('customers', 'c', 'customer_id', always=False)}"
        f"{_joined('identities', 'o', 'owner', always=False)}",
        people=("key", "customer_id", "owner"),
    ),
    Stream(
        "links",
        {"device": "d.key", "owner": "o.key"},
        _own("at", "message_id", "digest"),
        f"links t{_joined('identities', 'd', 'device')}{_joined('identities', 'o', 'owner')}",
        place=_LINK,
        people=_LINK,
    ),
    Stream(
        "aliases",
        {"previous": "p.key", "owner": "o.key"},
        _own("first_at", "at", "message_id", "digest"),
        f"aliases t{_joined('identities', 'p', 'previous')}{_joined('identities', 'o', 'owner')}",
        place=_ALIAS,
        people=_ALIAS,
    ),
    Stream(
        "memberships",
        {"customer_id": "c.key", "account_id": "a.key"},
        {**_own("joined_at", "last_add_at", "registers", "role"), "cut": "a.last_deletion_at"},
        f"memberships t{_joined('customers', 'c', 'customer_id')}"
        f"{_joined('accounts', 'a', 'account_id')}",
        _settled,
        place=_MEMBERSHIP,
        people=("customer_id",),
    ),
    Stream("audiences", _own("entity", "key"), _own("folded"), "audiences t", idle=_UNUSED),
    _flags(0, "customers"),
    _flags(1, "accounts"),
    _intervals(0, "customers"),
    _intervals(1, "accounts"),
    # Of those of an index that is complete; one being built is another's business.
    _values(0, "customers"),
    _values(1, "accounts"),
    _words(0, "customers"),
    _words(1, "accounts"),
    _words(2, "identities"),
    Stream(
        "events",
        _own("key"),
        {
            **_own("type", "name", "veil", "written"),
            "whom": "w.key",
            "device": "d.key",
            "account_id": "a.key",
        },
        f"events t{_joined('identities', 'w', 'whom', always=False)}"
        f"{_joined('identities', 'd', 'device', always=False)}"
        f"{_joined('accounts', 'a', 'account_id', always=False)}",
    ),
)

REFERENCES = (
    Reference("identities", "customer_id", "customers"),
    Reference("identities", "owner", "identities"),
    Reference("links", "device", "identities", _LINK),
    Reference("links", "owner", "identities", _LINK),
    Reference("aliases", "previous", "identities", _ALIAS),
    Reference("aliases", "owner", "identities", _ALIAS),
    Reference("memberships", "customer_id", "customers", _MEMBERSHIP),
    Reference("memberships", "account_id", "accounts", _MEMBERSHIP),
    Reference("flags", "audience_id", "audiences", _FLAG),
    Reference("flags", "owner_id", "customers", _FLAG, " AND t.entity = 0"),
    Reference("flags", "owner_id", "accounts", _FLAG, " AND t.entity = 1"),
    Reference(
        *("flags", "entity", "audiences", _FLAG),
        meant="r.id = t.audience_id AND r.entity = t.entity",
    ),
    Reference("intervals", "audience_id", "audiences", _INTERVAL),
    Reference("intervals", "owner_id", "customers", _INTERVAL, _of_entity(0)),
    Reference("intervals", "owner_id", "accounts", _INTERVAL, _of_entity(1)),
    Reference("trait_values", "index_id", "kept_indexes", _VALUE),
    Reference("trait_values", "owner_id", "customers", _VALUE, _of_index(0)),
    Reference("trait_values", "owner_id", "accounts", _VALUE, _of_index(1)),
    Reference("words", "owner_id", "customers", _WORD, " AND t.kind = 0"),
    Reference("words", "owner_id", "accounts", _WORD, " AND t.kind = 1"),
    Reference("words", "owner_id", "identities", _WORD, " AND t.kind = 2"),
    Reference("words", "kind", "kept_indexes", _WORD, meant="r.kind = 2 AND t.kind IN (0, 1, 2)"),
    Reference("events", "whom", "identities"),
    Reference("events", "device", "identities"),
    Reference("events", "account_id", "accounts"),
)
"""Every reference by number, and every kind that says where a number is to be looked up."""
