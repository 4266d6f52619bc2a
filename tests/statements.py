"""Read the statements that were sent to a database, and find what they leave open."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import sqlglot
from sqlglot import exp

_PLACE = re.compile(r"\?(\d+)?")
# They are asked for the workspace itself: who it is, and whose key this is.
UNBOUND = {"workspaces", "api_keys"}
TABLES = {
    "accounts",
    "aliases",
    "audiences",
    "audit",
    "customers",
    "erased_edges",
    "erasures",
    "events",
    "flags",
    "identities",
    "imports",
    "intervals",
    "kept_indexes",
    "links",
    "memberships",
    "quarantine",
    "trait_values",
    "words",
}


def unbound_accesses(sql: str, dialect: str) -> Iterator[str]:
    """Yield each table of a statement that is read or changed without the bound workspace.

    A predicate by join (`a.workspace_id = b.workspace_id`) does not count: a distributed
    PostgreSQL routes by the value, and a query without it could reach other tenants.
    """
    numbered = _PLACE.sub(lambda place: f":p{place[1] or ''}", sql)
    tree = sqlglot.parse_one(numbered, dialect=dialect)
    for table in tree.find_all(exp.Table):
        if table.name not in TABLES or _is_target(table):
            continue
        scope = table.find_ancestor(exp.Select, exp.Update, exp.Delete)
        if scope is None or not _is_bound(scope, table.alias_or_name):
            yield table.sql()
    for insert in tree.find_all(exp.Insert):
        target = insert.this.sql()
        if "workspace_id" not in target and not target.startswith("workspaces "):
            yield insert.sql()


def _is_target(table: exp.Table) -> bool:
    insert = table.find_ancestor(exp.Insert)
    return insert is not None and insert.this.find(exp.Table) is table


def _is_bound(scope: exp.Expression, alias: str) -> bool:
    for equality in scope.find_all(exp.EQ):
        if equality.find_ancestor(exp.Select, exp.Update, exp.Delete) is not scope:
            continue
        for column, value in ((equality.left, equality.right), (equality.right, equality.left)):
            if (
                isinstance(column, exp.Column)
                and column.name == "workspace_id"
                and column.table in (alias, "")
                and isinstance(_uncast(value), exp.Parameter | exp.Placeholder)
            ):
                return True
    return False


def _uncast(value: Any) -> Any:
    # PostgreSQL is told of a bound value what it is.
    while isinstance(value, exp.Cast):
        value = value.this
    return value
