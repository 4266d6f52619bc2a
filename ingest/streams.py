"""The rows of each table of state, told by keys instead of row numbers, in one order.

Two databases that hold the same events give the same streams, whatever numbers they gave out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from ingest import pack, typed
from models.database import Database, Row

CHUNK_ROWS = 2_000
_TIMEOUT_S = 600.0


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

    @property
    def names(self) -> tuple[str, ...]:
        """Return what each value of a row is called."""
        return (*self.key, *self.columns)

    async def rows(self, database: Database, workspace: int) -> AsyncIterator[Row]:
        """Yield all rows, by key; those that refer to nothing are not among them."""
        after: Row | None = None
        while True:
            args = (workspace, *(after or ()))
            chunk = await database.read(self._sql(behind=after is not None), args, _TIMEOUT_S)
            for row in chunk:
                yield self.plain(row)
            if len(chunk) < CHUNK_ROWS:
                return
            after = chunk[-1][: len(self.key)]

    def _sql(self, *, behind: bool) -> str:
        selected = ", ".join((*self.key.values(), *self.columns.values()))
        order = ", ".join(self.key.values())
        places = ", ".join(f"?{place}" for place in range(2, 2 + len(self.key)))
        condition = f" AND ({order}) > ({places})" if behind else ""
        where = f"WHERE t.workspace_id = ?1{condition}"
        return f"SELECT {selected} FROM {self.source} {where} ORDER BY {order} LIMIT {CHUNK_ROWS}"


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
_USED_AUDIENCES = (
    "(SELECT a.* FROM audiences a WHERE a.workspace_id = ?1 AND EXISTS (SELECT 1 FROM flags f"
    " WHERE f.workspace_id = ?1 AND f.audience_id = a.id)) t"
)
_AUDIENCE = _joined("audiences", "a", "audience_id")


def _flags(entity: int, owners: str) -> Stream:
    return Stream(
        f"flags of {owners}",
        {"owner": "o.key", "audience": "a.key"},
        _own("member", "since", "origin", "computation_id", "runs"),
        f"flags t{_AUDIENCE} AND t.entity = {entity}{_joined(owners, 'o', 'owner_id')}",
    )


def _intervals(entity: int, owners: str) -> Stream:
    return Stream(
        f"intervals of {owners}",
        {"owner": "o.key", "audience": "a.key", **_own("entered_at")},
        _own("left_at"),
        f"intervals t{_AUDIENCE} AND a.entity = {entity}{_joined(owners, 'o', 'owner_id')}",
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
    ),
    Stream(
        "links",
        {"device": "d.key", "owner": "o.key"},
        _own("at", "message_id", "digest"),
        f"links t{_joined('identities', 'd', 'device')}{_joined('identities', 'o', 'owner')}",
    ),
    Stream(
        "aliases",
        {"previous": "p.key", "owner": "o.key"},
        _own("first_at", "at", "message_id", "digest"),
        f"aliases t{_joined('identities', 'p', 'previous')}{_joined('identities', 'o', 'owner')}",
    ),
    Stream(
        "memberships",
        {"customer_id": "c.key", "account_id": "a.key"},
        {**_own("joined_at", "last_add_at", "registers", "role"), "cut": "a.last_deletion_at"},
        f"memberships t{_joined('customers', 'c', 'customer_id')}"
        f"{_joined('accounts', 'a', 'account_id')}",
        _settled,
    ),
    Stream("audiences", _own("entity", "key"), _own("folded"), _USED_AUDIENCES),
    _flags(0, "customers"),
    _flags(1, "accounts"),
    _intervals(0, "customers"),
    _intervals(1, "accounts"),
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
