"""How what is sent as it happens is read: pieces of the log, and customers that changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from api.graph import compile_event_filters as event_filters
from api.graph import compile_filters as filters
from api.graph import compile_reads as reads
from api.graph import ids
from api.graph.compile import Compile
from api.graph.failures import bad_input
from api.graph.plan import Field, Group, Leaf, Value
from api.graph.statement import Asked, Compiled, Draft, Row, Sql
from api.graph.told import Change
from models.dialect_read import Reading
from models.values import Kind

PAGE_EVENTS = 100
"""Events that one statement of a tail reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking(Asked):
    """What a look at the log asks with: a piece of it, the keys looked at, or the changes to tell."""

    after: int = 0
    upto: int = 0
    keys: tuple[bytes, ...] = ()
    changes: tuple[Change, ...] = ()


def looking(asked: Asked, **more: Any) -> Looking:
    """Return the same with what a look needs beside."""
    given = {field.name: getattr(asked, field.name) for field in fields(Asked)}
    return Looking(**given | more)


def events(c: Compile, _: Row, field: Field) -> Sql:
    """Read the events of a piece of the log, each with its number, in order of acceptance."""
    draft, t, x = c.draft, c.draft.alias("t"), c.draft.alias("x")
    after, upto = (draft.bind_number(_of(name)) for name in ("after", "upto"))
    where = [f"{t}.id > {after}", f"{t}.id <= {upto}", f"{t}.veil = 0"]
    where.append(event_filters.event_condition(draft, t, field.given("where")))
    row = Row(x, t, noted={})
    number = c.dialect.printed(row.column("id"), nullable=False)
    text = f"'[' || {number} || ',' || {c.object(row, 'Event', field)} || ']'"
    columns = ", ".join(f"{sql} AS {name}" for name, sql in (row.noted or {}).items())
    stored = draft.stored({t: "events"}, where)
    inner = f"SELECT {columns} {stored} ORDER BY {t}.id LIMIT {PAGE_EVENTS}"
    return f"'[' || (SELECT {c.dialect.joined(text)} FROM ({inner}) AS {x}) || ']'"


def changes(c: Compile, _: Row, field: Field) -> Sql:
    """Read the changes that are to be told, as the customers now stand."""
    draft, dialect, n = c.draft, c.dialect, c.draft.alias("n")
    listed = draft.bind(_of("changes", lambda told: _json([[e.kind, int(e.shown)] for e in told])))
    keys = draft.bind_key(_of("changes", lambda told: b"".join(each.key for each in told)))
    causes = draft.bind_key(_of("changes", lambda told: b"".join(each.event for each in told)))
    kind, shown = (dialect.element(f"{n}.value", str(at)) for at in range(2))
    made = {
        "kind": kind,
        "shown": dialect.number(shown),
        "key": dialect.slice(keys, f"{n}.key", ids.KEY_BYTES),
        "cause": dialect.slice(causes, f"{n}.key", ids.KEY_BYTES),
    }
    text = c.object(Row(n, n, made=made), "CustomerChange", field)
    return f"'[' || (SELECT {dialect.joined(text)} FROM {dialect.unfolded(listed, n)}) || ']'"


def kind(_: Compile, row: Row, __: Field) -> Sql:
    """Read how a customer changed."""
    return f"'\"' || {row.column('kind')} || '\"'"


def customer(c: Compile, row: Row, field: Field) -> Sql:
    """Read the customer that changed, unless it is to be null."""
    found = reads.customer_by_key(c, field, row.column("key"))
    return f"CASE WHEN {row.column('shown')} = 1 THEN {found} ELSE 'null' END"


def event(c: Compile, row: Row, field: Field) -> Sql:
    """Read the event behind a change."""
    return reads.event_by_key(c, field, row.column("cause"))


def look(field: Field, dialect: Reading) -> Compiled:
    """Return the statement that says of keys which customers they find, and whether these match."""
    draft = Draft(dialect)
    n, i, t = (draft.alias(letter) for letter in "nit")
    listed = draft.bind(_of("keys", lambda keys: _json(list(range(len(keys))))))
    key = dialect.slice(draft.bind_key(_of("keys", b"".join)), f"{n}.key", ids.KEY_BYTES)
    matches = filters.customer_condition(draft, t, field.given("where"))
    what = f"'[\"' || {dialect.hex(f'{t}.key')} || '\",' || CASE WHEN {matches} THEN '1' ELSE '0' END || ']'"
    tables = {i: "identities", t: "customers"}
    found = draft.one(what, tables, [f"{i}.key = {key}", f"{t}.id = {i}.customer_id"])
    each = dialect.joined(f"coalesce({found}, 'null')")
    return draft.done(f"'[' || (SELECT {each} FROM {dialect.unfolded(listed, n)}) || ']'")


def matching(field: Field, dialect: Reading, customers_max: int) -> Compiled:
    """Return the statement that gives the keys of all who match, and of one more than may be."""
    draft = Draft(dialect)
    t, x = draft.alias("t"), draft.alias("x")
    matches = filters.customer_condition(draft, t, field.given("where"))
    rows = draft.stored({t: "customers"}, [matches])
    inner = f"SELECT {t}.key AS key {rows} LIMIT {customers_max + 1}"
    hexes = dialect.joined(dialect.hex(f"{x}.key"))
    return draft.done(f"(SELECT {hexes} FROM ({inner}) AS {x})")


def key_of(field: Field) -> Callable[[Asked], bytes]:
    """Return how to find the key that a subscription to one customer names; raise Failure for none or several."""
    name, leaf = reads.one_of(field, ("id", "userId", "anonymousId"))
    if name == "id":
        found: Callable[[Asked], bytes] = reads.key_in_id(leaf, ids.CUSTOMER)
        return found
    return event_filters.key_of(leaf, Kind.USER if name == "userId" else Kind.DEVICE)


def position(field: Field, asked: Asked) -> int | None:
    """Return behind which event a tail begins, None for now; raise Failure for what is no position."""
    leaf = field.given("after")
    if not isinstance(leaf, Leaf):
        return None
    text = leaf.read(asked.variables)
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS_MAX):
        raise bad_input("`after` is no position: send the `position` of an event", field.node)
    return int(text)


def mentions(value: Value, name: str) -> bool:
    """Return whether a filter says anything by a name."""
    match value:
        case Group(given):
            return name in given or any(mentions(each, name) for each in given.values())
        case list():
            return any(mentions(each, name) for each in value)
        case _:
            return False


_DIGITS_MAX = 18


def _of(name: str, made: Callable[[Any], Any] | None = None) -> Callable[[Asked], Any]:
    def bind(asked: Asked) -> Any:
        found = getattr(asked, name)
        return found if made is None else made(found)

    return bind


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
