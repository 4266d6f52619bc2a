"""Tell from a row of the log alone what it must be: its key is a hash of what was said. Pure."""

from __future__ import annotations

from typing import Any

from ingest import canonical
from ingest.canonical import Unreadable
from ingest.draft import Draft
from models.values import EventType, Veil, message_key

# What may be left of a message about somebody erased.
_LEFT = {"computation", "context", "event", "groupId", "marks", "properties", "traits", "type"}


def veil_of(row: tuple[Any, ...]) -> Veil | None:
    """Return which veil a row of `key, ..., body` must have; None where the two do not fit together."""
    key, text = bytes(row[0]), row[-1].encode()
    try:
        value = canonical.read(text)
    except Unreadable:
        return None
    if not isinstance(value, dict):
        return None
    draft = Draft(value, text)
    if draft.type is None:
        return None
    if draft.type is EventType.DELETE:
        return Veil.DELETE
    if draft.digest()[:16] == key[8:].hex():
        return Veil.NONE
    # An account's part says what was marked, so nothing else looks like what is left.
    left = value.keys() <= _LEFT and ("marks" in value or "groupId" not in value)
    return Veil.ERASED if left else None


def is_named(workspace: str, row: tuple[Any, ...]) -> bool:
    """Return whether the key of a row of `key, message_id, ...` begins with the hash of its messageId."""
    return bytes(row[0])[:8] == message_key(workspace, row[1])
