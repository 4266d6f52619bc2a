"""How what operators see is read: keys, the audit log, and what an erasure removed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from api.graph import compile_orders as orders
from api.graph import compile_roots as roots
from api.graph.columns import Render
from api.graph.compile import Compile
from api.graph.compile_pages import Listing, connection
from api.graph.compile_reads import closed
from api.graph.ids import CUSTOMER
from api.graph.plan import Field
from api.graph.statement import Asked, Row, Sql, Text
from models.values import Erased


def api_keys(c: Compile, _: Row, field: Field) -> Text:
    """List the keys of the workspace, revoked ones included, the newest first."""
    return _listed(c, "ApiKey", "api_keys", "created_at", field)


def audit_log(c: Compile, _: Row, field: Field) -> Text:
    """List who asked for which change, the newest first."""
    return _listed(c, "AuditEntry", "audit", "at", field)


def key_of_entry(c: Compile, row: Row, field: Field) -> Sql:
    """Read the key with which a change was asked for; null for the command line."""
    return roots.api_key(c, field, row.column("api_key"))


def outcome_of_entry(c: Compile, row: Row, _: Field) -> Sql:
    """Read what became of the message that a change stated."""
    return c.dialect.quoted(row.column("outcome"))


def made_key(c: Compile, _: Row, field: Field) -> Sql:
    """Read the key that a mutation made or revoked."""
    return roots.api_key(c, field, c.draft.bind_key(lambda asked: roots.stated(asked).api_key))


def secret(_: Compile, __: Row, ___: Field) -> Sql:
    """Read nothing: the secret is put in after the statement, which must not see it."""
    return "'null'"


def erased_customer_id(c: Compile, _: Row, __: Field) -> Sql:
    """Read the global id of the customer who was erased."""

    def told(asked: Asked) -> str:
        key = roots.stated(asked).customer
        return "null" if key is None else f'"{CUSTOMER}_{key.hex()}"'

    return c.draft.bind(told)


def erasure(c: Compile, row: Row, field: Field) -> Sql:
    """Read what an erasure removed."""
    return c.object(row, "Erasure", field)


def erased(of: Callable[[Erased], int]) -> Render:
    """Read how many of one kind an erasure removed."""

    def told(asked: Asked) -> str:
        return msgspec.json.encode(of(roots.stated(asked).erased or Erased())).decode()

    return lambda c, _, __: c.draft.bind(told)


def _listed(c: Compile, kind: str, table: str, moment: str, field: Field) -> Text:
    t = c.draft.alias("t")
    order = closed([orders.number(t, moment)], t)
    # Whoever reached this list is an admin; the condition holds should a way here be forgotten.
    where = [roots.for_admins(c)]
    return connection(c, Listing(kind, t, {t: table}, where, order), field)
