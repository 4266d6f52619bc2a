"""The same schema answered by plain resolvers over rows: slow, obvious, and none of our compiler."""
# ruff: noqa: A002, N803 (arguments have their names in the schema)

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from graphql import ExecutionResult, GraphQLResolveInfo, build_schema, execute, parse

from api.graph.schema import print_schema
from models.values import Identifier, Kind, account_key, identity_key
from tests.graph import oracle_buckets
from tests.graph.judge import Judge
from tests.graph.oracle_types import (
    Account,
    ApiKey,
    Audience,
    Connection,
    Customer,
    Event,
    moment,
    sorted_by,
)
from tests.graph.rows import Rows

_SCHEMA = build_schema(print_schema())


def answer(rows: Rows, query: str, variables: Mapping[str, Any] | None = None) -> Any:
    """Return what a query means on these rows, cursors left out."""
    found = execute(
        _SCHEMA,
        parse(query),
        root_value=Query(rows),
        variable_values=dict(variables or {}),
        field_resolver=_resolve,
        type_resolver=lambda value, *_: type(value).__name__,
    )
    assert isinstance(found, ExecutionResult)
    assert not found.errors, found.errors
    return found.data


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    value = (
        source[info.field_name] if isinstance(source, dict) else getattr(source, info.field_name)
    )
    return value(**arguments) if callable(value) else value


class Query:
    """The root."""

    def __init__(self, rows: Rows) -> None:
        self._rows, self._judge = rows, Judge(rows)

    def customer(
        self,
        id: str | None = None,
        userId: str | None = None,
        anonymousId: str | None = None,
    ) -> Customer | None:
        name = self._rows.workspace.name
        if id is not None:
            key = bytes.fromhex(id.removeprefix("cus_"))
        elif userId is not None:
            key = identity_key(name, Identifier(Kind.USER, userId))
        else:
            key = identity_key(name, Identifier(Kind.DEVICE, anonymousId or ""))
        for identity in self._rows.identities:
            if identity.key == key:
                return Customer(self._rows, self._rows.customer[identity.customer_id])
        return None

    def account(self, id: str | None = None, groupId: str | None = None) -> Account | None:
        key = (
            bytes.fromhex(id.removeprefix("acc_")) if id else account_key("default", groupId or "")
        )
        return next(
            (Account(self._rows, row) for row in self._rows.accounts if row.key == key), None
        )

    def customers(
        self,
        where: Any = None,
        search: Any = None,
        orderBy: Any = None,
        **page: Any,
    ) -> Connection:
        judge = self._judge
        kept = [
            row
            for row in self._rows.customers
            if judge.customer(row, where) and judge.found_customer(row, search)
        ]
        return Connection(sorted_by(kept, orderBy), lambda row: Customer(self._rows, row), **page)

    def accounts(
        self,
        where: Any = None,
        search: Any = None,
        orderBy: Any = None,
        **page: Any,
    ) -> Connection:
        judge = self._judge
        kept = [
            row
            for row in self._rows.accounts
            if judge.listed_account(row, where) and judge.found_account(row, search)
        ]
        return Connection(sorted_by(kept, orderBy), lambda row: Account(self._rows, row), **page)

    def events(self, where: Any = None, **page: Any) -> Connection:
        kept = [row for row in self._rows.shown if self._judge.event(row, where)]
        return Connection(kept, lambda row: Event(self._rows, row), **page)

    def audience(self, key: str, entity: str) -> Audience | None:
        found = [each for each in self._catalog() if (each.key, each.entity) == (key, entity)]
        return found[0] if found else None

    def audiences(
        self, entity: Any = None, origin: Any = None, search: Any = None, **page: Any
    ) -> Connection:
        kept = [
            each
            for each in self._catalog()
            if (entity is None or each.entity == entity)
            and (origin is None or each.origin == origin)
            and (search is None or search.lower() in each.key.lower())
        ]
        return Connection(kept, lambda each: each, **page)

    def _catalog(self) -> list[Audience]:
        used = [row for row in self._rows.audiences if self._rows.flags_in[row.id]]
        by_key = sorted(used, key=lambda row: (row.key.encode(), row.entity))
        return [Audience(self._rows, row) for row in by_key]

    def node(self, id: str) -> Any:
        things: Iterable[Any] = [
            *(Account(self._rows, row) for row in self._rows.accounts),
            *(Event(self._rows, row) for row in self._rows.shown),
            *self._catalog(),
        ]
        found = next((thing for thing in things if thing.id == id), None)
        return self.customer(id=id) if id.startswith("cus_") else found

    def nodes(self, ids: Sequence[str]) -> list[Any]:
        return [self.node(each) for each in ids]

    def stats(self, **given: Any) -> list[dict[str, Any]]:
        return oracle_buckets.stats(self._rows, **given)

    def viewer(self) -> dict[str, Any]:
        key = ApiKey(self._rows.api_keys[0])
        workspace = self._rows.workspace
        digest = sha256(workspace.name.encode()).hexdigest()[:32]
        return {
            "key": key,
            "scopes": key.scopes,
            "workspace": {
                "id": f"wsp_{digest}",
                "name": workspace.name,
                "createdAt": moment(workspace.created_at),
            },
            "limits": {
                "pageSizeDefault": 50,
                "pageSizeMax": 100,
                "costMax": 10_000,
                "depthMax": 15,
            },
        }
