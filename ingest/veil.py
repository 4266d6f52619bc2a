"""Take the person out of an erased message and leave what it says of an account (section 7). Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from ingest.meaning import TRIAL_KEYS, event_name, meaning, says_of_account
from ingest.message import restore
from models.values import EventType, JsonText, Message, Veil

_encode = msgspec.json.Encoder(order="sorted").encode


def veil(message: Message) -> Message:
    """Return what stays of a message about someone erased, as the log will give it back."""
    why = Veil.DELETE if message.type is EventType.DELETE else Veil.ERASED
    kept = {} if why is Veil.DELETE or message.group_id is None else _kept(message)
    body = _encode({**kept, "type": message.type.name.lower()})
    # Of what it said, no hash stays that could be guessed at.
    digest = sha256(body).hexdigest()[:32]
    return restore(body.decode(), message.message_id, digest, message.at, message.received_at, why)


def _kept(message: Message) -> dict[str, Any]:
    said = meaning(message)
    kept: dict[str, Any] = {"groupId": message.group_id, "marks": sorted(said.marks)}
    if said.computation is not None and said.marks:
        kept["computation"] = said.computation
    if not said.active:
        kept["context"] = {"active": False}
    if message.type is EventType.GROUP and message.traits is not None:
        kept["traits"] = _raw(message.traits)
    if message.type is EventType.TRACK and says_of_account(message.name):
        kept |= {"event": message.name, "properties": _raw(_of_account(message))}
    return kept


def _of_account(message: Message) -> dict[str, JsonText]:
    properties = message.properties or {}
    if event_name(message.name) == "account created":
        return properties
    return {key: properties[key] for key in TRIAL_KEYS if key in properties}


def _raw(entries: dict[str, JsonText]) -> dict[str, msgspec.Raw]:
    return {key: msgspec.Raw(value.encode()) for key, value in entries.items()}
