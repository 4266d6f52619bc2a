"""Read the parts of a canonical message: its ids, what its digest covers, what has meaning. Pure."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from ingest import canonical
from models.values import Context, EventType, Identifier, JsonText, Kind, Message, Micros, Veil

_TYPES = {kind.name.lower(): kind for kind in EventType}
_NAME_FIELD = {EventType.TRACK: "event", EventType.PAGE: "name", EventType.SCREEN: "name"}
# Of a message and of its context, what the digest covers as sent.
_SENT = ("event", "name", "timestamp", "originalTimestamp", "traits", "properties")
_CONTEXT_SENT = ("active", "personas", "traits")

# Most texts need no escape, and are then their own canonical form between quotes.
_ESCAPED = re.compile(r'[\x00-\x1f"\\\ud800-\udfff]')


def read_id(value: Any) -> str | None:
    """Return an id as read: text as it is, numbers as text; None for what is no id."""
    if isinstance(value, str):
        return str(value) if value and not value.isspace() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return canonical.number_text(value)


class Draft:
    """A message being read: its ids and the parts its digest covers."""

    def __init__(self, value: dict[str, Any], body: bytes) -> None:
        self.value = value
        self.body = body
        kind = value.get("type")
        if kind is None:
            kind = value.get("action")
        self.type_text = kind.lower() if isinstance(kind, str) else None
        context = value.get("context")
        self.context: dict[str, Any] = context if isinstance(context, dict) else {}
        self.user_id = read_id(value.get("userId"))
        self.anonymous_id = read_id(value.get("anonymousId"))
        self.previous_id = read_id(value.get("previousId"))
        self.group_id = read_id(value.get("groupId")) or read_id(self.context.get("groupId"))

    @property
    def type(self) -> EventType | None:
        """Return the kind of call, if it is a known one."""
        return _TYPES.get(self.type_text) if self.type_text is not None else None

    def message(
        self,
        message_id: str,
        digest: str,
        at: Micros,
        received_at: Micros,
        notes: tuple[str, ...] = (),
    ) -> Message:
        """Return the whole message; only for one without an objection."""
        kind = _TYPES[self.type_text or ""]
        return Message(
            message_id=message_id,
            digest=digest,
            type=kind,
            at=at,
            received_at=received_at,
            user_id=self.user_id,
            anonymous_id=self.anonymous_id,
            previous_id=self.previous_id,
            group_id=self.group_id,
            name=self.name(kind),
            body=self.body.decode(),
            traits=_entries(self.value.get("traits")),
            properties=_entries(self.value.get("properties")),
            context=self._meant_context(),
            notes=notes,
            veil=Veil.DELETE if kind is EventType.DELETE else Veil.NONE,
        )

    def name(self, kind: EventType) -> str | None:
        """Return what the event, page or screen is called."""
        value = self.value.get(_NAME_FIELD.get(kind, ""))
        return value if isinstance(value, str) and value and not value.isspace() else None

    def subject(self) -> Identifier | None:
        """Return whom it names, for a body that waits."""
        if self.user_id is not None:
            return Identifier(Kind.USER, self.user_id)
        if self.anonymous_id is not None:
            return Identifier(Kind.DEVICE, self.anonymous_id)
        return None

    def digest(self) -> str:
        """Return the 32 digits that tell this message's content from any other's."""
        value, context = self.value, self.context
        content: dict[str, Any] = {
            "anonymousId": self.anonymous_id,
            "groupId": self.group_id,
            "previousId": self.previous_id,
            "type": self.type_text,
            "userId": self.user_id,
        }
        for key in _SENT:
            content[key] = value.get(key)
        if context:
            meant = {key: context[key] for key in _CONTEXT_SENT if context.get(key) is not None}
            content["context"] = meant or None
        said = {key: item for key, item in content.items() if item is not None}
        return sha256(canonical.encode(said)).hexdigest()[:32]

    def _meant_context(self) -> Context:
        if not self.context:
            return _PLAIN
        personas = self.context.get("personas")
        key = computation = None
        if isinstance(personas, dict):
            key = personas.get("computation_key")
            computation = read_id(personas.get("computation_id"))
        return Context(
            traits=_entries(self.context.get("traits")),
            computation_key=key if isinstance(key, str) else None,
            computation_id=computation,
            active=self.context.get("active") is not False,
        )


_PLAIN = Context()


def _entries(value: Any) -> dict[str, JsonText] | None:
    """Return an object's members as canonical texts, None for what is no object."""
    if not isinstance(value, dict):
        return None
    return {
        key: f'"{item}"'
        if type(item) is str and _ESCAPED.search(item) is None
        else canonical.encode(item).decode()
        for key, item in value.items()
    }
