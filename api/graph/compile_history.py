"""How every write of a trait is read from the log: what `ingest.meaning` says, as one expression of SQL."""

from __future__ import annotations

from api.graph import compile_orders as orders
from api.graph.columns import Render
from api.graph.compile import Compile
from api.graph.compile_pages import Listing, connection
from api.graph.compile_reads import closed, event_by_key
from api.graph.compile_values import text_of
from api.graph.failures import bad_input
from api.graph.page import Kind, Part
from api.graph.plan import Field, Leaf
from api.graph.statement import Row, Sql, Text
from models.values import Entity, EventType

# What the events of a trial write; a property test holds this file to `ingest.meaning`.
_TRIAL_KEYS = ("trial_start_date", "trial_end_date", "trial_plan_name")
# What a name may be surrounded by: all that Python's `str.strip()` takes away.
_SPACE = "".join(chr(code) for code in range(0x3001) if code and chr(code).isspace())


def history(c: Compile, row: Row, field: Field) -> Text:
    """List every write of one trait of a customer or an account, the newest first."""
    key = field.given("key")
    if not isinstance(key, Leaf):
        raise bad_input("`key` must not be null: say which trait", field.node)
    bound, t = c.draft.bind(text_of(key)), c.draft.alias("t")
    source = _source(c, row, bound)
    said = (
        _said_of_customer(t, bound) if row.entity == Entity.CUSTOMER else _said_of_account(t, bound)
    )
    digest = _digest(c, t)
    made = {
        "said_key": bound,
        "said": said,
        "stands": f"CASE WHEN {_stands(c, row, t, bound, digest)} THEN 1 ELSE 0 END",
    }
    order = [
        orders.number(t, "at"),
        orders.text(t, "message_id", descending=True),
        orders.Term(digest, Part(Kind.TEXT), True, "digest"),  # noqa: FBT003 (of a plain record)
    ]
    where = [f"({said}) IS NOT NULL"]
    listing = Listing(
        "TraitChange", t, {t: source}, where, closed(order, t), entity=row.entity, made=made
    )
    return connection(c, listing, field)


def set_by(c: Compile, row: Row, field: Field) -> Sql:
    """Read the event that made a write, if it is shown."""
    return event_by_key(c, field, row.column("key"))


def said_key(c: Compile, row: Row, _: Field) -> Sql:
    """Read the key that was written."""
    return c.dialect.quoted(row.column("said_key"))


SAID: Render = lambda _, row, __: row.column("said")  # noqa: E731 (named like the fields beside it)
"""Read the value that was written, as it was stored."""


def _digest(c: Compile, t: str) -> Sql:
    """Return the digits by which the stamp of an event ends: those of its digest."""
    dialect = c.dialect
    known = dialect.hex(f"substr({t}.key, 9, 8)")
    # Of an erased event they are those of what is left of it.
    left = f"substr({dialect.digest(f'{t}.body')}, 1, 16)"
    return dialect.by_bytes(f"(CASE {t}.veil WHEN 0 THEN {known} ELSE {left} END)")


def _stands(c: Compile, owner: Row, t: str, key: Sql, digest: Sql) -> Sql:
    """Return whether the newest write of the key is that of the event at `t`."""
    dialect, r = c.dialect, c.draft.alias("r")
    registers = owner.column("registers")
    value = dialect.member_value(r)
    place = (
        f"CASE WHEN {dialect.member_is_list(r)} THEN {dialect.element(value, '0')} ELSE {value} END"
    )
    stamp = dialect.element(dialect.part(registers, "s"), place)
    at, message_id, digits = (dialect.element(stamp, str(each)) for each in range(3))
    where = [
        f"{r}.key = {key}",
        f"{dialect.number(at)} = {t}.at",
        f"{message_id} = {t}.message_id",
        f"{digits} = {digest}",
    ]
    return f"EXISTS (SELECT 1 {c.draft.stored({}, where, [_keys(c, registers, r)])})"


def _keys(c: Compile, registers: Sql, alias: str) -> Sql:
    return c.dialect.members(c.dialect.part(registers, "k"), alias)


def _source(c: Compile, row: Row, key: Sql) -> Sql:
    """Return the events that may write the key, with what of them says so.

    One within the other, so that no expression nests deeper than SQLite can read.
    """
    e, d = c.draft.alias("e"), c.draft.alias("d")
    if row.entity == Entity.CUSTOMER:
        i = c.draft.alias("i")
        mine = c.draft.stored({i: "identities"}, [f"{i}.customer_id = {row.column('id')}"])
        where = [f"{e}.whom IN (SELECT {i}.id {mine})", f"{e}.veil = 0", f"({e}.written & 1) <> 0"]
        document = _of_customer(c, e)
    else:
        where = [f"{e}.account_id = {row.column('id')}", f"({e}.written & 4) <> 0"]
        document = _of_account(c, e)
    rows = c.draft.stored({e: "events"}, where)
    inner = f"SELECT {e}.*, {document} AS said_in, {_name(e)} AS named {rows}"
    said_in = f"{d}.said_in"
    columns = {
        "held": _member(c, said_in, key),
        "renamed": _member(c, said_in, _quoted("account_name")),
        "computed": _names(c, said_in, "('audience_key', 'trait_key')", key),
        "moves": _names(c, said_in, "('audience_key')", key),
    }
    shown = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    return f"(SELECT {d}.*, {shown} FROM ({inner}) AS {d})"


def _of_customer(c: Compile, e: str) -> Sql:
    """Return the object in which an event may write traits of a customer."""
    body, j = f"{e}.body", c.draft.alias("j")
    context = c.dialect.object_at(c.dialect.object_at(body, "context"), "traits")
    given = f"{j}.key = 'traits' AND {c.dialect.member_type(j)} = 'OBJECT'"
    has_own = f"EXISTS (SELECT 1 FROM {c.dialect.members(body, j)} WHERE {given})"
    return (
        f"CASE WHEN {e}.type = {int(EventType.TRACK)} THEN {c.dialect.object_at(body, 'properties')}"
        f" WHEN {has_own} THEN {c.dialect.object_at(body, 'traits')} ELSE {context} END"
    )


def _of_account(c: Compile, e: str) -> Sql:
    """Return the object in which an event may write traits of an account."""
    properties = c.dialect.object_at(f"{e}.body", "properties")
    traits = c.dialect.object_at(f"{e}.body", "traits")
    return f"CASE {e}.type WHEN {int(EventType.TRACK)} THEN {properties} ELSE {traits} END"


def _said_of_customer(t: str, key: Sql) -> Sql:
    """Return what an event about a customer writes on the key as JSON, null where it writes nothing."""
    stated = f"{t}.named = 'signed up' AND {key} <> 'type'"
    tracked = f"CASE WHEN {t}.computed = 1 OR ({stated}) THEN {t}.held END"
    return _said(t, f"coalesce({tracked}, {_moved(t)})")


def _said_of_account(t: str, key: Sql) -> Sql:
    """Return what an event about an account writes on the key as JSON, null where it writes nothing."""
    renamed = f"coalesce({t}.renamed, {t}.held)"
    created = (
        f"CASE {key} WHEN 'account_name' THEN NULL WHEN 'name' THEN {renamed} ELSE {t}.held END"
    )
    trial = f"CASE WHEN {key} IN ({', '.join(map(_quoted, _TRIAL_KEYS))}) THEN {t}.held END"
    stated = (
        f"CASE {t}.named WHEN 'account created' THEN {created}"
        f" WHEN 'trial started' THEN {trial} WHEN 'trial ended' THEN {trial} END"
    )
    # What names a user was computed of the user, and what is left of the erased computes nothing.
    alone = f"{t}.whom IS NULL AND {t}.veil = 0"
    computed = f"coalesce(CASE WHEN {t}.computed = 1 THEN {t}.held END, {_moved(t)})"
    return _said(t, f"coalesce(CASE WHEN {alone} THEN {computed} END, {stated})")


def _said(t: str, tracked: Sql) -> Sql:
    return f"CASE {t}.type WHEN {int(EventType.TRACK)} THEN {tracked} ELSE {t}.held END"


def _moved(t: str) -> Sql:
    """Return what entering or leaving an audience writes without saying it."""
    moves = "WHEN 'audience entered' THEN 'true' WHEN 'audience exited' THEN 'false'"
    return f"CASE WHEN {t}.moves = 1 THEN CASE {t}.named {moves} END END"


def _member(c: Compile, document: Sql, key: Sql) -> Sql:
    j = c.draft.alias("j")
    source = f"FROM {c.dialect.members(document, j)} WHERE {j}.key = {key}"
    # SQLite has numbers where the text of a number is meant.
    return f"(SELECT {c.dialect.member_json(document, j)} || '' {source})"


def _names(c: Compile, document: Sql, where: Sql, key: Sql) -> Sql:
    """Return 1 where an audience builder says under one of these names that the key is its own."""
    j = c.draft.alias("j")
    named = f"{j}.key IN {where} AND {c.dialect.member_text(j)} = {key}"
    source = f"FROM {c.dialect.members(document, j)} WHERE {named}"
    return f"CASE WHEN EXISTS (SELECT 1 {source}) THEN 1 ELSE 0 END"


def _name(t: str) -> Sql:
    """Return a track's name as `ingest.meaning.event_name` reads it."""
    trimmed = f"lower(trim({t}.name, {_quoted(_SPACE)}))"
    return (
        f"CASE WHEN substr({trimmed}, 1, 5) = 'user ' THEN substr({trimmed}, 6) ELSE {trimmed} END"
    )


def _quoted(text: str) -> Sql:
    return "'" + text + "'"
