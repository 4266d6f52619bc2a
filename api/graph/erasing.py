"""`eraseCustomer`: find whom it means, state their delete, and report what is gone."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

from api.graph import ids, stating
from api.graph.acting import Desk, Done
from api.graph.ids import BadId
from api.graph.statement import Stated
from api.graph.stating import Input, UserError
from ingest import audit, canonical, clock
from models.values import Erased, Identifier, Kind, Outcome, Receipt, identity_key

_NAMES = ("id", "userId", "anonymousId")
_SECRET = "SELECT w.erasure_key FROM workspaces w WHERE w.id = ?1"  # noqa: S105 (a statement, no secret)
_FOUND = (
    "SELECT c.key, c.user_id, i.kind, i.identifier FROM identities i JOIN customers c"
    " ON c.workspace_id = ?1 AND c.id = i.customer_id WHERE i.workspace_id = ?1 AND i.key = ?2"
)


class _Whom(NamedTuple):
    """The customer that is meant: by which key they are shown, and by which identifier erased."""

    key: bytes
    name: Identifier


async def erase_customer(desk: Desk, given: Input) -> Done | stating.Refused:
    """Erase a customer; said again under the same messageId, report what the first time removed."""
    named = [name for name in _NAMES if given.get(name) is not None]
    if len(named) != 1:
        code = "INVALID" if named else "REQUIRED"
        return [UserError(None, code, "send exactly one of `id`, `userId` and `anonymousId`")]
    mark = await _mark(desk, given)
    before = await _before(desk, given, mark)
    if before is not None:
        return before
    found = await _whom(desk, named[0], given[named[0]])
    if not isinstance(found, _Whom):
        return found
    by = "userId" if found.name.kind is Kind.USER else "anonymousId"
    said = stating.state(
        stating.ERASE,
        {**given, **dict.fromkeys(_NAMES), by: found.name.text},
        new_id=desk.new_id,
        message_bytes_max=desk.message_bytes_max,
    )
    if isinstance(said, list):
        return said
    receipt = await desk.ingest.state(
        desk.workspace, said.message, received_at=desk.now, by=replace(desk.entry, mark=mark)
    )
    return Done(Stated(receipt, customer=found.key, erased=receipt.erased or Erased()))


async def _mark(desk: Desk, given: Input) -> bytes:
    """Return a keyed hash of what is asked: by it a repetition is known, and nothing else."""
    rows = await desk.database.read(_SECRET, (desk.workspace.id,))
    asked = {name: given[name] for name in _NAMES if given.get(name) is not None}
    if given.get("timestamp") is not None:
        asked["timestamp"] = clock.text(given["timestamp"])
    return sha256(bytes(rows[0][0]) + b"\0" + canonical.canonical(asked)).digest()[:16]


async def _before(desk: Desk, given: Input, mark: bytes) -> Done | None:
    message_id = given.get("messageId")
    if not message_id:
        return None
    message_id = canonical.clean(message_id)
    found = await audit.erasure(desk.database, desk.workspace, mark, message_id)
    if found is None:
        return None
    receipt = Receipt(message_id, Outcome.DUPLICATE, found.at)
    stated = Stated(receipt, customer=_key(desk, given), erased=found.erased)
    return Done(stated, noted=desk.entry.answered(receipt))


def _key(desk: Desk, given: Input) -> bytes:
    if given.get("id") is not None:
        return ids.key_of_kind(given["id"], ids.CUSTOMER)
    kind = Kind.USER if given.get("userId") is not None else Kind.DEVICE
    text = given["userId"] if kind is Kind.USER else given["anonymousId"]
    return identity_key(desk.workspace.name, Identifier(kind, canonical.clean(text)))


async def _whom(desk: Desk, name: str, value: str) -> _Whom | stating.Refused:
    try:
        key = ids.key_of_kind(value, ids.CUSTOMER) if name == "id" else _key(desk, {name: value})
    except BadId as error:
        return [UserError(("id",), "INVALID", str(error))]
    rows = await desk.database.read(_FOUND, (desk.workspace.id, key))
    for shown, user_id, kind, identifier in rows:
        if name == "userId" or user_id is None:
            return _Whom(bytes(shown), Identifier(Kind(kind), identifier))
        # A device stands for its customer, and an id for the whole of whom it finds.
        return _Whom(bytes(shown), Identifier(Kind.USER, user_id))
    if name == "id":
        told = (
            "there is no such customer: they may be erased already, which their userId would tell"
        )
        return [UserError(("id",), "NOT_FOUND", told)]
    # Nobody yet: what is said of them until then will be ignored, should it ever come.
    return _Whom(key, Identifier(Kind.USER if name == "userId" else Kind.DEVICE, value))
