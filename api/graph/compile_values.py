"""Conditions on one value: texts, times, numbers and traits. Each is true or false, never null."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from api.graph.failures import bad_input
from api.graph.plan import Group, Leaf, Value
from api.graph.statement import Binder, Draft, Sql
from ingest import canonical

ALWAYS: Sql = "1 = 1"
NEVER: Sql = "1 = 0"

_COMPLEMENTS = {"ne": "eq", "notIn": "in"}
_COMPARISONS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


class Operand(NamedTuple):
    """What a filter looks at: an expression, the same folded for search, and whether it can be null.

    `indexed` text is found by an index.
    """

    sql: Sql
    folded: Sql
    nullable: bool = True
    indexed: bool = False


def every(conditions: list[Sql]) -> Sql:
    """Return that all of these hold; no condition has an OR outside of parentheses."""
    if len(conditions) == 1:
        return conditions[0]
    # Parentheses are rare, because SQLite reads a statement only so deep.
    return f"({' AND '.join(conditions)})" if conditions else ALWAYS


def operators(given: Value, what: str) -> Iterator[tuple[str, Leaf]]:
    """Give the operators of a filter with their values; raise Failure where one is null."""
    if given is None:
        return
    for name, value in _fields(given).items():
        if not isinstance(value, Leaf):
            advice = "ask `exists` for what is missing, or leave it out"
            raise bad_input(f"`{name}` of a {what} must not be null: {advice}")
        yield name, value


def text_condition(draft: Draft, operand: Operand, given: Value) -> Sql:
    """Return what a StringFilter says of a text."""
    return every(
        [
            _text_operator(draft, operand, name, leaf)
            for name, leaf in operators(given, "StringFilter")
        ]
    )


def _text_operator(draft: Draft, operand: Operand, name: str, leaf: Leaf) -> Sql:
    dialect = draft.dialect
    if name == "exists":
        return known(operand.sql, exists=leaf.known())
    if name in _COMPLEMENTS:
        return f"NOT ({_text_operator(draft, operand, _COMPLEMENTS[name], leaf)})"
    if name == "eq":
        bound = draft.bind(text_of(leaf))
        indexed = dialect.found(operand.sql, bound)
        condition = indexed if operand.indexed else f"{operand.sql} = {bound}"
    elif name == "in":
        bound = draft.bind(list_of(leaf))
        indexed = dialect.found_in(operand.sql, bound)
        condition = indexed if operand.indexed else f"{operand.sql} IN {dialect.listed(bound)}"
    else:
        look = dialect.contains if name == "contains" else dialect.starts
        condition = look(operand.folded, draft.bind(folded_of(leaf)))
    return _there(operand, condition)


def time_condition(draft: Draft, sql: Sql, given: Value, *, nullable: bool = True) -> Sql:
    """Return what a DateTimeFilter says of a time."""
    operand = Operand(sql, sql, nullable)
    conditions = []
    for name, leaf in operators(given, "DateTimeFilter"):
        if name == "exists":
            conditions.append(known(sql, exists=leaf.known()))
        elif name == "within":
            conditions.append(_there(operand, within(draft, sql, leaf)))
        else:
            operator = "=" if name == "eq" else _COMPARISONS[name]
            conditions.append(
                _there(operand, f"{sql} {operator} {draft.bind_number(value_of(leaf))}")
            )
    return every(conditions)


def within(draft: Draft, sql: Sql, leaf: Leaf) -> Sql:
    """Return that a time lies in the last so much time, up to now."""
    since = draft.bind_number(lambda asked: asked.now - leaf.read(asked.variables))
    now = draft.bind_number(lambda asked: asked.now)
    return f"{sql} >= {since} AND {sql} <= {now}"


def number_condition(draft: Draft, sql: Sql, given: Value) -> Sql:
    """Return what an IntFilter says of a number that is there."""
    conditions = []
    for name, leaf in operators(given, "IntFilter"):
        if name in {"in", "notIn"}:
            word = "IN" if name == "in" else "NOT IN"
            listed = draft.dialect.listed_numbers(draft.bind(list_of(leaf)))
            conditions.append(f"{sql} {word} {listed}")
        else:
            operator = {"eq": "=", "ne": "<>"}.get(name) or _COMPARISONS[name]
            conditions.append(f"{sql} {operator} {draft.bind_number(value_of(leaf))}")
    return every(conditions)


def trait_condition(draft: Draft, traits: Sql, given: Group) -> Sql:
    """Return what a TraitFilter says of the traits of a row."""
    fields = dict(given.fields)
    key = fields.pop("key")
    if not isinstance(key, Leaf):
        raise bad_input("`key` of a TraitFilter must not be null: say which trait")
    bound = draft.bind(text_of(key))
    alias = draft.alias("j")

    def has(condition: Sql) -> Sql:
        source = draft.dialect.members(traits, alias)
        return f"EXISTS (SELECT 1 FROM {source} WHERE {alias}.key = {bound} AND {condition})"

    conditions, holding = [], []
    for name, leaf in operators(Group(fields), "TraitFilter"):
        if name == "exists":
            conditions.append(has(ALWAYS) if leaf.known() else f"NOT {has(ALWAYS)}")
        elif name in _COMPLEMENTS:
            same = _trait_operator(draft, traits, alias, _COMPLEMENTS[name], leaf)
            conditions.append(f"NOT {has(same)}")
        else:
            holding.append(_trait_operator(draft, traits, alias, name, leaf))
    if holding:
        conditions.append(has(every(holding)))
    return every(conditions)


def _trait_operator(draft: Draft, traits: Sql, alias: str, name: str, leaf: Leaf) -> Sql:
    dialect = draft.dialect
    if name == "eq":
        return dialect.member_equals(traits, alias, draft.bind(json_of(leaf)))
    if name == "in":
        return dialect.member_in(traits, alias, draft.bind(json_of(leaf)))
    if name in _COMPARISONS:
        return dialect.member_compares(alias, _COMPARISONS[name], draft.bind(json_of(leaf)))
    held = dialect.member_text(alias)
    folded, part = dialect.folded(f"({held})"), draft.bind(folded_of(leaf))
    look = dialect.contains if name == "contains" else dialect.starts
    return f"{held} IS NOT NULL AND {look(f'({folded})', part)}"


def known(sql: Sql, *, exists: bool) -> Sql:
    """Return whether there is, or is not, a value."""
    return f"{sql} IS NOT NULL" if exists else f"{sql} IS NULL"


def value_of(leaf: Leaf) -> Binder:
    """Bind a number or time as it is."""
    return lambda asked: leaf.read(asked.variables)


def text_of(leaf: Leaf) -> Binder:
    """Bind a text in the form in which texts are stored."""
    return lambda asked: canonical.clean(leaf.read(asked.variables))


def folded_of(leaf: Leaf) -> Binder:
    """Bind a text in the lower case in which it is searched."""
    return lambda asked: canonical.clean(leaf.read(asked.variables)).lower()


def words_of(leaf: Leaf) -> Callable[[Any], list[str]]:
    """Read the words of a search, in the lower case in which they are searched."""
    return lambda asked: canonical.clean(leaf.read(asked.variables)).lower().split()


def list_of(leaf: Leaf) -> Binder:
    """Bind a list of texts or numbers as one JSON list."""

    def bind(asked: Any) -> str:
        values = leaf.read(asked.variables)
        sound = [canonical.clean(each) if isinstance(each, str) else each for each in values]
        return msgspec.json.encode(sound).decode()

    return bind


def json_of(leaf: Leaf) -> Binder:
    """Bind a JSON value as its canonical text."""

    def bind(asked: Any) -> str:
        value = leaf.read(asked.variables)
        found = canonical.Oddities()
        try:
            canonical.inspect(value, found)
        except RecursionError:
            found.depth = canonical.DEPTH_READ_MAX
        if found.depth > _DEPTH_MAX:
            raise bad_input(f"a value nests deeper than {_DEPTH_MAX} levels, and no trait does")
        return canonical.canonical(value).decode()

    return bind


# Of a message, whose traits are one level down.
_DEPTH_MAX = 32


def _there(operand: Operand, condition: Sql) -> Sql:
    # Under NOT, a comparison with null would be null again and match nobody.
    return f"{operand.sql} IS NOT NULL AND {condition}" if operand.nullable else condition


def _fields(given: Value) -> Mapping[str, Value]:
    if not isinstance(given, Group):
        raise TypeError("a filter is an input object")
    return given.fields
