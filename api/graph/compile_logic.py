"""The fields of a filter combined: all that is given must hold, and `and`, `or`, `not`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.graph.compile_values import (
    ALWAYS,
    NEVER,
    Operand,
    every,
    operators,
    text_condition,
    time_condition,
)
from api.graph.plan import Group, Leaf, Value
from api.graph.statement import Draft, Sql

Condition = Callable[[Draft, str, Any], Sql]
"""Return what one field of a filter says of the row at an alias."""

# Of a filter's fields, those that are no filters themselves: null says nothing there.
_SCALARS = {"deleted", "type"}


def combined(
    draft: Draft, alias: str, given: Value, fields: Mapping[str, Condition], whole: Condition
) -> Sql:
    """Return what a filter says of the row at `alias`; `whole` is the filter itself, which may nest."""
    if given is None:
        return ALWAYS
    if not isinstance(given, Group):
        raise TypeError("a filter is an input object")
    conditions: list[Sql] = []
    for name, value in given.fields.items():
        if value is None and name not in _SCALARS:
            # A filter that is null is as if it were not given.
            continue
        if name in {"and", "or"}:
            parts = [whole(draft, alias, each) for each in value] if isinstance(value, list) else []
            conditions.append(every(parts) if name == "and" else any_of(parts))
        elif name == "not":
            conditions.append(f"NOT ({whole(draft, alias, value)})")
        elif isinstance(value, Leaf) or value is None:
            [(_, leaf)] = operators(Group({name: value}), "filter")
            conditions.append(fields[name](draft, alias, leaf))
        else:
            conditions.append(fields[name](draft, alias, value))
    return every(conditions)


def any_of(parts: list[Sql]) -> Sql:
    """Return that at least one of these holds."""
    if len(parts) == 1:
        return parts[0]
    return f"({' OR '.join(parts)})" if parts else NEVER


def text(
    column: str, folded: str | None = None, *, nullable: bool = True, indexed: bool = False
) -> Condition:
    """Return the condition of a column of text, and of the column that has it folded."""

    def condition(draft: Draft, alias: str, given: Value) -> Sql:
        sql = f"{alias}.{column}"
        fold = f"{alias}.{folded}" if folded else draft.dialect.folded(sql)
        return text_condition(draft, Operand(sql, fold, nullable, indexed), given)

    return condition


def time(column: str, *, nullable: bool = False) -> Condition:
    """Return the condition of a column of times."""
    return lambda draft, alias, given: time_condition(
        draft, f"{alias}.{column}", given, nullable=nullable
    )
