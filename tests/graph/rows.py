"""The rows of a workspace, read table by table, as plain objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from sqlmodel import SQLModel

from models import tables

Table = TypeVar("Table", bound=SQLModel)


class Reads(Protocol):
    """What reading rows needs of a database."""

    async def read(self, sql: str, args: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one statement."""
        ...


@dataclass(repr=False)
class Rows:
    """All rows of one workspace, and the few ways in which they hang together."""

    workspace: tables.Workspace
    api_keys: list[tables.ApiKey]
    customers: list[tables.Customer]
    accounts: list[tables.Account]
    identities: list[tables.Identity]
    memberships: list[tables.Membership]
    events: list[tables.Event]
    audiences: list[tables.Audience]
    flags: list[tables.Flag]
    intervals: list[tables.Interval]

    def __post_init__(self) -> None:
        self.customer = {row.id: row for row in self.customers}
        self.account = {row.id: row for row in self.accounts}
        self.identity = {row.id: row for row in self.identities}
        self.audience = {row.id: row for row in self.audiences}
        self.identities_of = _grouped(self.identities, lambda row: row.customer_id)
        live = [row for row in self.memberships if self._is_live(row)]
        self.accounts_of = _grouped(live, lambda row: row.customer_id)
        self.members_of = _grouped(live, lambda row: row.account_id)
        shown = [row for row in self.events if row.veil == 0]
        self.shown = sorted(shown, key=lambda row: (row.at, row.message_id, row.key), reverse=True)
        self.timeline_of = _grouped(
            (row for row in self.shown if row.whom is not None),
            lambda row: self.identity[row.whom or 0].customer_id,
        )
        self.account_events_of = _grouped(
            (row for row in self.shown if row.account_id is not None), lambda row: row.account_id
        )
        self.flags_of = _grouped(self.flags, lambda row: (row.entity, row.owner_id))
        self.flags_in = _grouped(self.flags, lambda row: row.audience_id)
        self.intervals_in = _grouped(self.intervals, lambda row: row.audience_id)

    def _is_live(self, row: tables.Membership) -> bool:
        account = self.account[row.account_id]
        if row.joined_at is None or account.deleted_at is not None:
            return False
        return account.last_deletion_at is None or row.joined_at > account.last_deletion_at


async def read_rows(database: Reads, workspace: int) -> Rows:
    """Return everything of a workspace."""

    async def read(table: type[Table]) -> list[Table]:
        columns = [
            column.name for column in SQLModel.metadata.tables[str(table.__tablename__)].columns
        ]
        tenant = "id" if table is tables.Workspace else "workspace_id"
        names = ", ".join(f'"{name}"' for name in columns)
        sql = f'SELECT {names} FROM "{table.__tablename__}" WHERE {tenant} = ?1'
        return [
            table(**dict(zip(columns, row, strict=True)))
            for row in await database.read(sql, [workspace])
        ]

    return Rows(
        (await read(tables.Workspace))[0],
        await read(tables.ApiKey),
        await read(tables.Customer),
        await read(tables.Account),
        await read(tables.Identity),
        await read(tables.Membership),
        await read(tables.Event),
        await read(tables.Audience),
        await read(tables.Flag),
        await read(tables.Interval),
    )


def _grouped(rows: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
