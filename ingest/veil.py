"""Take the person out of an erased message and leave what it says of an account (section 7). Pure."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec

from ingest.meaning import TRIAL_KEYS, event_name, meaning, says_of_account
from models.values import Context, EventType, JsonText, Message, Veil

_encode = msgspec.json.Encoder(order="sorted").encode


def veil(message: Message) -> Message:
    """Return what stays of a message about someone erased; of a delete, that there was one."""
    if message.type is EventType.DELETE:
        return _bare(message, Veil.DELETE, None, {})
    if message.group_id is None:
        return _bare(message, Veil.ERASED, None, {})
    said = meaning(message)
    kept: dict[str, Any] = {"groupId": message.group_id, "marks": sorted(said.marks)}
    if said.computation is not None and said.marks:
        kept["computation"] = said.computation
    if not said.active:
        kept["context"] = {"active": False}
    name = traits = properties = None
    if message.type is EventType.GROUP and message.traits is not None:
        traits = message.traits
        kept["traits"] = _raw(traits)
    if message.type is EventType.TRACK and says_of_account(message.name):
        name = message.name
        properties = _of_account(message)
        kept |= {"event": name, "properties": _raw(properties)}
    bare = _bare(message, Veil.ERASED, message.group_id, kept)
    meant = left(kept, active=said.active)
    return replace(bare, name=name, traits=traits, properties=properties, context=meant)


def left(kept: dict[str, Any], *, active: bool) -> Context:
    """Return the context of what is left of a message, from its body."""
    marks = frozenset(kept.get("marks", ()))
    return Context(None, None, kept.get("computation"), active, marks)


def _of_account(message: Message) -> dict[str, JsonText]:
    properties = message.properties or {}
    if event_name(message.name) == "account created":
        return properties
    return {key: properties[key] for key in TRIAL_KEYS if key in properties}


def _bare(message: Message, why: Veil, group_id: str | None, kept: dict[str, Any]) -> Message:
    body = _encode({**kept, "type": message.type.name.lower()})
    return replace(
        message,
        # As `restore` finds it in the log: of its content, no hash stays that could be guessed at.
        digest=sha256(body).hexdigest()[:32],
        user_id=None,
        anonymous_id=None,
        previous_id=None,
        group_id=group_id,
        name=None,
        body=body.decode(),
        traits=None,
        properties=None,
        context=left({}, active=True),
        notes=(),
        veil=why,
    )


def _raw(entries: dict[str, JsonText]) -> dict[str, msgspec.Raw]:
    return {key: msgspec.Raw(value.encode()) for key, value in entries.items()}
