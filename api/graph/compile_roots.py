"""How what has no table of its own is read: nodes, the viewer, and the payloads of mutations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from api.graph import compile_reads as reads
from api.graph import compile_receipts as held
from api.graph import compile_trait_keys as trait_keys
from api.graph import compile_traits as traits
from api.graph import ids, page
from api.graph.columns import Render
from api.graph.compile import Compile
from api.graph.compile_filters import live_in
from api.graph.failures import bad_input
from api.graph.ids import BadId, GlobalId
from api.graph.plan import Field, Leaf
from api.graph.statement import Asked, Row, Sql, Stated
from models.values import Entity

SCOPES = ("ingest", "read", "write", "admin")
NODES_MAX = 100


def node(c: Compile, _: Row, field: Field) -> Sql:
    """Read any object by its global id."""
    leaf = field.given("id")
    if not isinstance(leaf, Leaf):
        raise bad_input("`id` must not be null", field.node)

    def named(asked: Asked) -> GlobalId:
        return _named(leaf.read(asked.variables))

    prefix = c.draft.bind(lambda asked: named(asked).prefix)
    key = c.draft.bind_key(lambda asked: named(asked).key)
    entity = c.draft.bind_number(lambda asked: int(named(asked).entity))
    name = c.draft.bind(lambda asked: named(asked).name)
    return _by_kind(c, field, prefix, key, (entity, name))


def nodes(c: Compile, _: Row, field: Field) -> Sql:
    """Read many objects by their global ids, in the order asked."""
    leaf = field.given("ids")
    if not isinstance(leaf, Leaf):
        raise bad_input("`ids` must not be null", field.node)
    if leaf.count() > NODES_MAX:
        raise bad_input(f"`ids` has {leaf.count()}: send at most {NODES_MAX}", field.node)

    def named(asked: Asked) -> list[GlobalId]:
        return [_named(text) for text in leaf.read(asked.variables)]

    def kinds(asked: Asked) -> str:
        parts = [(each.prefix, int(each.entity), each.name) for each in named(asked)]
        return msgspec.json.encode(parts).decode()

    n, dialect = c.draft.alias("n"), c.dialect
    listed = c.draft.bind(kinds)
    # All keys are bound as one blob, so that one statement serves any number of ids.
    keys = c.draft.bind_key(lambda asked: b"".join(each.key for each in named(asked)))
    key = dialect.slice(keys, f"{n}.key", ids.KEY_BYTES)
    prefix, entity, name = (dialect.element(f"{n}.value", str(at)) for at in range(3))
    each = _by_kind(c, field, prefix, key, (dialect.number(entity), name))
    return f"'[' || (SELECT {dialect.joined(each)} FROM {dialect.unfolded(listed, n)}) || ']'"


def _by_kind(c: Compile, field: Field, prefix: Sql, key: Sql, audience: tuple[Sql, Sql]) -> Sql:
    typed = _Typed(c)
    found = {
        ids.CUSTOMER: reads.customer_by_key(typed, field, key),
        ids.ACCOUNT: reads.account_by_key(typed, field, key),
        ids.EVENT: reads.event_by_key(typed, field, key),
        ids.QUARANTINED: held.quarantined_by_key(typed, field, key),
        ids.AUDIENCE: traits.audience_by_name(typed, field, *audience),
        ids.TRAIT_KEY: trait_keys.trait_key(typed, field, *audience, in_use=True),
        ids.WORKSPACE: _workspace(typed, field, key),
        ids.API_KEY: api_key(typed, field, key),
        ids.AUDIT_ENTRY: audit_entry(typed, field, key),
    }
    cases = " ".join(f"WHEN '{kind}' THEN {sql}" for kind, sql in found.items())
    return f"CASE {prefix} {cases} ELSE 'null' END"


class _Typed(Compile):
    """Objects read through an interface: an executor must be told what they are."""

    def __init__(self, c: Compile) -> None:
        super().__init__(c.draft, c.renders)
        self._plain = c

    def object(self, row: Row, kind: str, field: Field, *, typed: bool = True) -> Sql:
        """Return the JSON text of the object, with its type if an executor reads it."""
        return self._plain.object(row, kind, field, typed=typed)


def viewer(c: Compile, row: Row, field: Field) -> Sql:
    """Read whose key this is and what it may do."""
    return c.object(row, "Viewer", field)


def viewer_key(c: Compile, _: Row, field: Field) -> Sql:
    """Read the key that asks."""
    return api_key(c, field, c.draft.bind_key(lambda asked: asked.api_key))


def viewer_scopes(c: Compile, _: Row, __: Field) -> Sql:
    """Read what the key that asks may do."""
    return c.draft.bind(
        lambda asked: _json([each.upper() for each in SCOPES if each in asked.scopes])
    )


def viewer_workspace(c: Compile, _: Row, field: Field) -> Sql:
    """Read the workspace of the key that asks."""
    return _workspace(
        c, field, c.draft.bind_key(lambda asked: ids.workspace_key(asked.workspace.name))
    )


def viewer_limits(c: Compile, row: Row, field: Field) -> Sql:
    """Read what a request may ask for."""
    return c.object(row, "Limits", field)


def limit(of: Callable[[Asked], int | None]) -> Render:
    """Read one limit."""
    return lambda c, _, __: c.draft.bind(lambda asked: _json(of(asked)))


PAGE_SIZE_DEFAULT = limit(lambda _: page.SIZE_DEFAULT)
PAGE_SIZE_MAX = limit(lambda _: page.SIZE_MAX)


def workspace_id(c: Compile, _: Row, __: Field) -> Sql:
    """Read a workspace's global id."""
    return c.draft.bind(
        lambda asked: f'"{ids.WORKSPACE}_{ids.workspace_key(asked.workspace.name).hex()}"'
    )


def api_key_scopes(c: Compile, row: Row, _: Field) -> Sql:
    """Read what a key may do, in the order in which scopes are always named."""
    held = f"',' || {row.column('scopes')} || ','"
    named = [(c.dialect.contains(held, f"',{scope},'"), scope.upper()) for scope in SCOPES]
    cases = [f"CASE WHEN {has} THEN ',\"{name}\"' ELSE '' END" for has, name in named]
    text = " || ".join(cases)
    return f"'[' || substr({text}, 2) || ']'"


def _workspace(c: Compile, field: Field, key: Sql) -> Sql:
    t = c.draft.alias("t")
    own = c.draft.bind_key(lambda asked: ids.workspace_key(asked.workspace.name))
    return c.one(field, "Workspace", Row(t, t), {t: "workspaces"}, [f"{key} = {own}"])


def api_key(c: Compile, field: Field, key: Sql) -> Sql:
    """Read the key with this number, as far as it exists for whoever asks."""
    t = c.draft.alias("t")
    own = c.draft.bind_key(lambda asked: asked.api_key)
    # To others than operators, no key but their own exists.
    seen = f"({t}.key = {own} OR {for_admins(c)})"
    return c.one(field, "ApiKey", Row(t, t), {t: "api_keys"}, [f"{t}.key = {key}", seen])


def audit_entry(c: Compile, field: Field, key: Sql) -> Sql:
    """Read an entry of the audit log, which exists for operators alone."""
    t = c.draft.alias("t")
    where = [f"{t}.key = {key}", for_admins(c)]
    return c.one(field, "AuditEntry", Row(t, t), {t: "audit"}, where)


def for_admins(c: Compile) -> Sql:
    """Return the condition that an admin asks."""
    admin = c.draft.bind_number(lambda asked: int("admin" in asked.scopes))
    return f"{admin} = 1"


def payload(c: Compile, row: Row, field: Field) -> Sql:
    """Read what a mutation that was accepted answers."""
    return c.object(row, field.type, field)


def stated_customer(c: Compile, _: Row, field: Field) -> Sql:
    """Read the customer that was stated something of."""
    return reads.customer_by_key(c, field, c.draft.bind_key(lambda asked: stated(asked).customer))


def stated_account(c: Compile, _: Row, field: Field) -> Sql:
    """Read the account that was stated something of."""
    return reads.account_by_key(c, field, c.draft.bind_key(lambda asked: stated(asked).account))


def stated_event(c: Compile, _: Row, field: Field) -> Sql:
    """Read the event that a statement became."""
    return reads.event_by_key(
        c, field, c.draft.bind_key(lambda asked: stated(asked).receipt.event_key)
    )


def stated_quarantined(c: Compile, _: Row, field: Field) -> Sql:
    """Read the entry in which a message that was tried again still waits."""
    key = c.draft.bind_key(lambda asked: stated(asked).receipt.quarantine_key)
    return held.quarantined_by_key(c, field, key)


def stated_membership(c: Compile, _: Row, field: Field) -> Sql:
    """Read the membership that was stated something of, if it is live."""
    i, m, a = (c.draft.alias(letter) for letter in "ima")
    customer = c.draft.bind_key(lambda asked: stated(asked).customer)
    account = c.draft.bind_key(lambda asked: stated(asked).account)
    where = [f"{i}.key = {customer}", f"{a}.key = {account}"]
    where += [f"{m}.customer_id = {i}.customer_id", f"{m}.account_id = {a}.id", live_in(m, a)]
    tables = {i: "identities", m: "memberships", a: "accounts"}
    return c.one(field, "Membership", Row(m, m, entity=Entity.CUSTOMER), tables, where)


def stated_receipt(c: Compile, row: Row, field: Field) -> Sql:
    """Read what became of the message."""
    return c.object(row, "Receipt", field)


def receipt(of: Callable[[Stated], Any]) -> Render:
    """Read one fact of the receipt."""
    return lambda c, _, __: c.draft.bind(lambda asked: _json(of(stated(asked))))


def receipt_received_at(c: Compile, _: Row, __: Field) -> Sql:
    """Read when the message arrived."""
    at = c.draft.bind_number(lambda asked: stated(asked).receipt.received_at)
    return c.dialect.moment(at, nullable=False)


def no_errors(_: Compile, __: Row, ___: Field) -> Sql:
    """Read the user errors of a mutation that was accepted."""
    return "'[]'"


def _named(text: str) -> GlobalId:
    try:
        return ids.read(text)
    except BadId as error:
        raise bad_input(str(error)) from None


def stated(asked: Asked) -> Stated:
    """Return what the mutation stated whose payload is read."""
    if asked.stated is None:
        raise TypeError("only the payload of a mutation has a receipt")
    return asked.stated


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
