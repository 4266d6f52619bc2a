"""Read the parts of a canonical message: its ids, what its digest covers, what has meaning. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import msgspec

from ingest import canonical
from models.values import Context, EventType, Identifier, JsonText, Kind, Message, Micros, Veil

_TYPES = {kind.name.lower(): kind for kind in EventType}
_NAME_FIELD = {EventType.TRACK: "event", EventType.PAGE: "name", EventType.SCREEN: "name"}
_ABSENT = msgspec.Raw(b"")


class _Raws(msgspec.Struct, gc=False):
    """The parts of a canonical message that the digest covers, as they stand."""

    event: msgspec.Raw = _ABSENT
    name: msgspec.Raw = _ABSENT
    timestamp: msgspec.Raw = _ABSENT
    originalTimestamp: msgspec.Raw = _ABSENT  # noqa: N815 (Segment's name)
    traits: msgspec.Raw = _ABSENT
    properties: msgspec.Raw = _ABSENT
    context: msgspec.Raw = _ABSENT


class _ContextRaws(msgspec.Struct, gc=False):
    active: msgspec.Raw = _ABSENT
    personas: msgspec.Raw = _ABSENT
    traits: msgspec.Raw = _ABSENT


_raws = msgspec.json.Decoder(_Raws).decode
_context_raws = msgspec.json.Decoder(_ContextRaws).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_quote = msgspec.json.encode


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
        self.raws = _raws(body)
        self.context_raws = _context_raws(self.raws.context) if self.context else _NO_CONTEXT

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
            name=_name(self.value.get(_NAME_FIELD.get(kind, ""))),
            body=self.body.decode(),
            traits=_entries(self.raws.traits),
            properties=_entries(self.raws.properties),
            context=self._meant_context(),
            notes=notes,
            veil=Veil.DELETE if kind is EventType.DELETE else Veil.NONE,
        )

    def subject(self) -> Identifier | None:
        """Return whom it names, for a body that waits."""
        if self.user_id is not None:
            return Identifier(Kind.USER, self.user_id)
        if self.anonymous_id is not None:
            return Identifier(Kind.DEVICE, self.anonymous_id)
        return None

    def digest(self) -> str:
        """Return the 32 digits that tell this message's content from any other's."""
        raws, inner = self.raws, self.context_raws
        context = _join(
            (
                (b'"active":', inner.active),
                (b'"personas":', inner.personas),
                (b'"traits":', inner.traits),
            )
        )
        # In the order of the keys' bytes, so that the text is canonical as it is.
        content = _join(
            (
                (b'"anonymousId":', _quoted(self.anonymous_id)),
                (b'"context":', b"" if context == b"{}" else context),
                (b'"event":', raws.event),
                (b'"groupId":', _quoted(self.group_id)),
                (b'"name":', raws.name),
                (b'"originalTimestamp":', raws.originalTimestamp),
                (b'"previousId":', _quoted(self.previous_id)),
                (b'"properties":', raws.properties),
                (b'"timestamp":', raws.timestamp),
                (b'"traits":', raws.traits),
                (b'"type":', _quoted(self.type_text)),
                (b'"userId":', _quoted(self.user_id)),
            )
        )
        return sha256(content).hexdigest()[:32]

    def _meant_context(self) -> Context:
        if not self.context:
            return _PLAIN
        personas = self.context.get("personas")
        key = computation = None
        if isinstance(personas, dict):
            key = personas.get("computation_key")
            computation = read_id(personas.get("computation_id"))
        return Context(
            traits=_entries(self.context_raws.traits),
            computation_key=key if isinstance(key, str) else None,
            computation_id=computation,
            active=self.context.get("active") is not False,
        )


_PLAIN = Context()
_NO_CONTEXT = _ContextRaws()


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value and not value.isspace() else None


def _entries(raw: msgspec.Raw) -> dict[str, JsonText] | None:
    """Return an object's members as canonical texts, None for what is no object."""
    if not bytes(raw).startswith(b"{"):
        return None
    return {key: str(item, "utf-8") for key, item in _object(raw).items()}


def _quoted(text: str | None) -> bytes:
    return b"" if text is None else _quote(text)


def _join(members: tuple[tuple[bytes, bytes | msgspec.Raw], ...]) -> bytes:
    said = [(key, bytes(raw)) for key, raw in members]
    return b"{%b}" % b",".join([key + raw for key, raw in said if raw and raw != b"null"])
