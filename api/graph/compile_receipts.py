"""How what became of messages is read: receipts as of now, and what waits in quarantine."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from api.graph import compile_orders as orders
from api.graph import compile_reads as reads
from api.graph.columns import Render
from api.graph.compile import Compile
from api.graph.compile_pages import Listing, connection
from api.graph.compile_values import text_of
from api.graph.failures import bad_input
from api.graph.plan import Field, Leaf
from api.graph.statement import Asked, Row, Sql, Text
from ingest import canonical
from ingest.advice import ADVICE
from models.values import Held, message_key

RECEIPTS_MAX = 100
# One kind of row for events and for what is held, so that both are in one order.
_OF_EVENTS = (
    "{0}.message_id AS message_id, {0}.key AS key, {0}.at AS at, {0}.received_at AS received_at,"
    " {0}.notes AS notes, {0}.veil AS veil, {0}.whom AS whom, {0}.account_id AS account_id,"
    " {0}.written AS written, NULL AS reason, 0 AS held"
)
_OF_HELD = (
    "{0}.message_id, {0}.key, {0}.at, {0}.received_at, {0}.notes, {0}.erased, NULL, NULL, 0,"
    " {0}.reason, 1"
)


@dataclass(slots=True)
class ReceiptRow(Row):
    """An event or a quarantined body, as one that was sent under a messageId."""

    # How many events have that messageId.
    shared: Sql = ""


def either(of_row: Render, of_stated: Render) -> Render:
    """Read a field of a receipt out of the log, or of what a mutation has just been told."""
    return lambda c, row, field: (of_row if isinstance(row, ReceiptRow) else of_stated)(
        c, row, field
    )


def receipts(c: Compile, _: Row, field: Field) -> Sql:
    """List the receipts of all that was sent under a messageId, the newest first."""
    leaf = field.given("messageId")
    if not isinstance(leaf, Leaf):
        raise bad_input("`messageId` must not be null: say which message", field.node)
    draft, e, q, u = c.draft, c.draft.alias("e"), c.draft.alias("q"), c.draft.alias("u")

    def prefix(asked: Asked) -> bytes:
        said = canonical.clean(leaf.read(asked.variables))
        return message_key(asked.workspace.name, said)

    name = draft.bind(text_of(leaf))
    low = draft.bind_key(lambda asked: prefix(asked) + bytes(8))
    high = draft.bind_key(lambda asked: prefix(asked) + b"\xff" * 8)
    # The index finds them by a hash of the messageId; the text decides.
    sent = [f"{e}.key BETWEEN {low} AND {high}", f"{e}.message_id = {name}"]
    events = draft.stored({e: "events"}, sent)
    held = [f"{q}.message_key = {draft.bind_key(prefix)}", f"{q}.message_id = {name}"]
    held.append(f"{q}.erased <> {int(Held.RETRIED)}")
    waiting = draft.stored({q: "quarantine"}, held)
    all_sent = (
        f"SELECT {_OF_EVENTS.format(e)} {events} UNION ALL SELECT {_OF_HELD.format(q)} {waiting}"
    )
    shared = f"(SELECT count(*) {events})"
    row = ReceiptRow(draft.alias("x"), u, {}, shared=shared)
    order = f"{u}.received_at DESC, {u}.held, {u}.key"
    return c.plain_list(field, row, f"FROM ({all_sent}) AS {u}", order, RECEIPTS_MAX)


def receipt_outcome(c: Compile, row: Row, _: Field) -> Sql:
    """Read what became of a message, as everything stands now."""
    if not isinstance(row, ReceiptRow):
        raise TypeError("only what was sent has a receipt")
    u = row.source
    of_written = (
        (1, _stands_on_customer(c, u)),
        (2, _stands_on_place(c, u)),
        (4, _stands_on_account(c, u)),
        (8, _stands_on_life(c, u)),
    )
    standing = " OR ".join(f"(({u}.written & {bit}) <> 0 AND {sql})" for bit, sql in of_written)
    outcome = (
        f"CASE WHEN {u}.veil = 1 THEN 'ERASED' WHEN {u}.held = 1 THEN 'QUARANTINED'"
        f" WHEN {row.shared} > 1 THEN 'CONFLICT' WHEN {u}.written = 0 THEN 'APPLIED'"
        f" WHEN {standing} THEN 'APPLIED' ELSE 'SUPERSEDED' END"
    )
    return f"'\"' || {row.note('outcome', outcome)} || '\"'"


def receipt_reason(c: Compile, row: Row, _: Field) -> Sql:
    """Read why a message is held."""
    waits = f"{row.column('held')} = 1 AND {row.column('veil')} = {int(Held.WAITS)}"
    return f"CASE WHEN {waits} THEN {c.dialect.quoted(row.column('reason'))} ELSE 'null' END"


def receipt_notes(_: Compile, row: Row, __: Field) -> Sql:
    """Read what had to be read with care."""
    return f"coalesce({row.column('notes')}, '[]')"


def receipt_event(c: Compile, row: Row, field: Field) -> Sql:
    """Read the event of a receipt."""
    found = reads.event_by_key(c, field, row.column("key"))
    return f"CASE WHEN {row.column('held')} = 0 THEN {found} ELSE 'null' END"


def receipt_quarantined(c: Compile, row: Row, field: Field) -> Sql:
    """Read the entry in which a message waits."""
    found = quarantined_by_key(c, field, row.column("key"))
    return f"CASE WHEN {row.column('held')} = 1 THEN {found} ELSE 'null' END"


def quarantined_by_key(c: Compile, field: Field, key: Sql) -> Sql:
    """Read the quarantined message with a key, if it waits."""
    t = c.draft.alias("t")
    where = [f"{t}.key = {key}", f"{t}.erased = {int(Held.WAITS)}"]
    return c.one(field, "QuarantinedMessage", Row(t, t), {t: "quarantine"}, where)


def quarantine(c: Compile, _: Row, field: Field) -> Text:
    """List what waits, the newest first."""
    t, reason = c.draft.alias("t"), field.given("reason")
    where = [f"{t}.erased = {int(Held.WAITS)}"]
    if isinstance(reason, Leaf):
        where.append(f"{t}.reason = '{reason.known().name}'")
    order = reads.closed([orders.number(t, "received_at")], t)
    listing = Listing("QuarantinedMessage", t, {t: "quarantine"}, where, order)
    return connection(c, listing, field)


def advice(_: Compile, row: Row, __: Field) -> Sql:
    """Read what to do about a message that is held."""
    told = {reason: msgspec.json.encode(text).decode() for reason, text in ADVICE.items()}
    cases = " ".join(
        f"WHEN '{reason.value}' THEN '{text.replace(chr(39), chr(39) * 2)}'"
        for reason, text in told.items()
    )
    return f"CASE {row.column('reason')} {cases} ELSE '\"\"' END"


# ------------------------------------------------------------ whether a word still stands


def _is_stamp(c: Compile, u: str, stamp: Sql) -> Sql:
    """Return whether a stamp is that of the event at `u`."""
    at, name, digest = (c.dialect.element(stamp, str(part)) for part in range(3))
    own = c.dialect.hex(f"substr({u}.key, 9, 8)")
    return f"{c.dialect.number(at)} = {u}.at AND {name} = {u}.message_id AND {digest} = {own}"


def _in_registers(c: Compile, u: str, registers: Sql) -> Sql:
    """Return whether the newest write of any key is the event at `u`."""
    s, r = c.draft.alias("s"), c.draft.alias("r")
    value = c.dialect.member_value(r)
    first = c.dialect.element(value, "0")
    place = f"CASE WHEN {c.dialect.member_is_list(r)} THEN {first} ELSE {value} END"
    keys = c.dialect.members(c.dialect.part(registers, "k"), r)
    here = f"EXISTS (SELECT 1 FROM {keys} WHERE {c.dialect.number(place)} = {s}.key)"
    stamps = c.dialect.unfolded(c.dialect.part(registers, "s"), s)
    return f"EXISTS (SELECT 1 FROM {stamps} WHERE {_is_stamp(c, u, f'{s}.value')} AND {here})"


def _stands_on_customer(c: Compile, u: str) -> Sql:
    i, t = c.draft.alias("i"), c.draft.alias("t")
    where = [f"{i}.id = {u}.whom", f"{t}.id = {i}.customer_id"]
    where.append(_in_registers(c, u, f"{t}.registers"))
    return c.draft.exists({i: "identities", t: "customers"}, where)


def _stands_on_account(c: Compile, u: str) -> Sql:
    t = c.draft.alias("t")
    where = [f"{t}.id = {u}.account_id", _in_registers(c, u, f"{t}.registers")]
    return c.draft.exists({t: "accounts"}, where)


def _stands_on_life(c: Compile, u: str) -> Sql:
    t = c.draft.alias("t")
    word = c.dialect.part(f"{t}.registers", "w")
    where = [f"{t}.id = {u}.account_id", _is_stamp(c, u, word)]
    return c.draft.exists({t: "accounts"}, where)


def _stands_on_place(c: Compile, u: str) -> Sql:
    i, m = c.draft.alias("i"), c.draft.alias("m")
    word = c.dialect.element(f"{m}.registers", "1")
    where = [f"{i}.id = {u}.whom", f"{m}.customer_id = {i}.customer_id"]
    where += [f"{m}.account_id = {u}.account_id", _is_stamp(c, u, word)]
    return c.draft.exists({i: "identities", m: "memberships"}, where)
