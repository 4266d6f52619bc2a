"""Read the messages that come most, in a form that folds many of them at once; all others say nothing here. Pure.

A message is plain when all it does is sight, write traits that nobody marks, and make a member. What
it states must be what `message` and `meaning` make of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingest import canonical, clock
from ingest.draft import Draft
from ingest.meaning import states_more
from ingest.message import ID_BYTES_MAX, restore
from models.values import (
    EventType,
    JsonText,
    Message,
    Micros,
    Stamp,
    Veil,
    event_key,
)

_KINDS = {
    "identify": EventType.IDENTIFY,
    "track": EventType.TRACK,
    "page": EventType.PAGE,
    "screen": EventType.SCREEN,
    "group": EventType.GROUP,
}
_MARKING = ("audience_key", "trait_key")
# A character has at most four bytes.
_ID_CHARACTERS_MAX = ID_BYTES_MAX // 4
_BOOLEANS = ("true", "false")
_TRAITS, _PLACE, _ACCOUNT_TRAITS, _ALIVE = 1, 2, 4, 8


class Plain(msgspec.Struct, array_like=True, gc=False, tag=8):
    """A plain message under its key."""

    key: bytes
    message_id: str
    digest: str
    kind: EventType
    at: Micros
    received_at: Micros
    user_id: str | None
    anonymous_id: str | None
    group_id: str | None
    name: str | None
    # As the log has it: what kinds of key it writes.
    written: int
    notes: tuple[str, ...]
    body: JsonText
    active: bool
    # Of the account where it is a group call, else of whom it is about.
    traits: dict[str, JsonText]
    # The keys of those that are booleans.
    flags: list[str]

    @property
    def stamp(self) -> Stamp:
        """Return its place in the order of events."""
        return Stamp(self.at, self.message_id, self.digest[:16])

    def whole(self) -> Message:
        """Return the message with all its parts."""
        times = (self.at, self.received_at)
        message = restore(self.body, self.message_id, self.digest, *times, Veil.NONE)
        message.notes = self.notes
        return message


def plain(
    workspace: str, value: dict[str, Any], received_at: Micros, message_bytes_max: int
) -> Plain | None:
    """Return a parsed message if it is plain, and None where it takes a closer look."""
    message_id, said = value.get("messageId"), value.get("type")
    if type(message_id) is not str or type(said) is not str or said not in _KINDS:
        return None
    body, settled = canonical.settle(value)
    if settled is not value or len(body) > message_bytes_max or not canonical.is_plain(body):
        return None
    draft = Draft(value, body)
    kind = _KINDS[said]
    if not _has_plain_ids(draft, message_id) or not _states_little(draft, kind):
        return None
    when = clock.when(value, received_at, corrected=True)
    digest = draft.digest()
    traits = _traits(draft, kind)
    return Plain(
        event_key(workspace, message_id, digest),
        message_id,
        digest,
        kind,
        when.at,
        received_at,
        draft.user_id,
        draft.anonymous_id,
        draft.group_id,
        draft.name(kind),
        _written(kind, traits),
        when.notes,
        body.decode(),
        draft.context.get("active") is not False,
        traits,
        [key for key, text in traits.items() if text in _BOOLEANS],
    )


def _has_plain_ids(draft: Draft, message_id: str) -> bool:
    if "previousId" in draft.value or "writeKey" in draft.value or message_id.isspace():
        return False
    user, device, group = draft.user_id, draft.anonymous_id, draft.group_id
    return (
        (user is not None or device is not None)
        and 0 < len(message_id) <= _ID_CHARACTERS_MAX
        and (user is None or len(user) <= _ID_CHARACTERS_MAX)
        and (device is None or len(device) <= _ID_CHARACTERS_MAX)
        and (group is None or len(group) <= _ID_CHARACTERS_MAX)
    )


def _states_little(draft: Draft, kind: EventType) -> bool:
    """Return whether nothing is marked, created or deleted, and nobody leaves."""
    if "personas" in draft.context:
        return False
    if kind is EventType.GROUP:
        return draft.group_id is not None
    if kind is not EventType.TRACK:
        return True
    properties = draft.value.get("properties")
    if isinstance(properties, dict) and any(key in properties for key in _MARKING):
        return False
    return not states_more(draft.name(kind))


def _traits(draft: Draft, kind: EventType) -> dict[str, JsonText]:
    """Return what is written, as canonical texts: nothing in the body needs an escape."""
    if kind is not EventType.IDENTIFY and kind is not EventType.GROUP:
        return {}
    traits = draft.value.get("traits")
    if kind is EventType.IDENTIFY and not isinstance(traits, dict):
        traits = draft.context.get("traits")
    if not isinstance(traits, dict):
        return {}
    return {
        key: f'"{item}"' if type(item) is str else canonical.encode(item).decode()
        for key, item in traits.items()
    }


def _written(kind: EventType, traits: dict[str, JsonText]) -> int:
    if kind is EventType.GROUP:
        return _PLACE | _ALIVE | (_ACCOUNT_TRAITS if traits else 0)
    return _TRAITS if traits else 0
