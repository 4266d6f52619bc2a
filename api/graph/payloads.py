"""What a mutation answers beside what a statement reads: what was stated, a secret, what was wrong."""

from __future__ import annotations

from typing import Any

from api.graph import stating
from api.graph.plan import Field
from api.graph.statement import Stated
from models import values
from models.values import Identifier, Kind, Receipt, Workspace


def stated(workspace: Workspace, said: stating.Statement, receipt: Receipt) -> Stated:
    """Return what a mutation has stated: its receipt, and the keys of whom it is about."""
    customer = account = None
    if said.user_id is not None:
        customer = values.identity_key(workspace.name, Identifier(Kind.USER, said.user_id))
    elif said.anonymous_id is not None:
        customer = values.identity_key(workspace.name, Identifier(Kind.DEVICE, said.anonymous_id))
    if said.group_id is not None:
        account = values.account_key(workspace.name, said.group_id)
    return Stated(receipt, customer, account)


def with_secret(field: Field, payload: Any, secret: str | None) -> Any:
    """Return a payload with the secret that no statement can read, where it was asked for."""
    for each in (field.selection or {})[field.type]:
        if each.name == "secret":
            payload[each.key] = secret
    return payload


def refused_payload(field: Field, errors: stating.Refused) -> dict[str, Any]:
    """Return the payload of a mutation that did nothing: what the caller could mend."""
    told_errors = [
        {"field": error.field and list(error.field), "code": error.code, "message": error.message}
        for error in errors
    ]
    payload: dict[str, Any] = {}
    for each in (field.selection or {})[field.type]:
        payload[each.key] = None
        if each.name == "userErrors":
            inner = (each.selection or {})["UserError"]
            payload[each.key] = [
                {one.key: error.get(one.name) for one in inner} for error in told_errors
            ]
    return payload
