"""Turn a posted body into canonical messages, or say why one must wait. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

import msgspec

from ingest import canonical, clock
from ingest.canonical import Unreadable
from models.values import (
    Context,
    EventType,
    Identifier,
    JsonText,
    Kind,
    Message,
    Micros,
    Quarantined,
    Reason,
    Veil,
)

ID_BYTES_MAX = 512
KEY_BYTES_MAX = 256
DEPTH_MAX = 32
MESSAGE_BYTES_MAX = 128 * 1024
MESSAGES_MAX = 5_000

_TYPES = {kind.name.lower(): kind for kind in EventType}
_NAME_FIELD = {EventType.TRACK: "event", EventType.PAGE: "name", EventType.SCREEN: "name"}
# What a retry stamps anew: two bodies that differ only here are one body.
_RESTAMPED = ("sentAt", "_metadata")

Parsed = Message | Quarantined


class Door(Enum):
    """Where a body came in: it decides whose clock is believed and what a body may be."""

    SEGMENT = "segment"
    SDK = "sdk"
    MUTATION = "mutation"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large a message may be, and how many one body may hold."""

    message_bytes_max: int = MESSAGE_BYTES_MAX
    messages_max: int = MESSAGES_MAX


BOUNDS = Bounds()


class TooMany(Unreadable):
    """A body with more messages than one may hold."""


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


def parse(
    body: bytes,
    *,
    door: Door,
    received_at: Micros,
    kind: str | None = None,
    bounds: Bounds = BOUNDS,
) -> list[Parsed]:
    """Return what became of each message of `body`, in its order.

    `kind` is the type that the path says (`track`, or None where each message says its own).
    Raise Unreadable when the body is no JSON or neither an object nor an array.
    """
    value = canonical.read(body)
    if not isinstance(value, dict | list):
        raise Unreadable("the body is JSON, but neither an object nor an array of objects")
    items = list(_unpack(value, kind))
    if len(items) > bounds.messages_max:
        raise TooMany(f"the body has {len(items)} messages; send at most {bounds.messages_max}")
    try:
        outside = 1 if isinstance(value, list) else 0 if items and items[0] is value else 2
        return [parse_one(item, door, received_at, kind, bounds, outside) for item in items]
    except RecursionError:
        raise Unreadable(_too_deep_to_read()) from None


def parse_one(
    value: Any,
    door: Door,
    received_at: Micros,
    kind: str | None = None,
    bounds: Bounds = BOUNDS,
    outside: int = 0,
) -> Parsed:
    """Return one parsed value as a Message, or as Quarantined with the reason.

    `outside` is how many levels of the body it lay in.
    """
    if isinstance(value, dict):
        value.pop("writeKey", None)
        if kind is not None:
            value["type"] = kind
    found = canonical.Oddities()
    canonical.inspect(value, found)
    if outside + found.depth > canonical.DEPTH_READ_MAX:
        raise Unreadable(_too_deep_to_read())
    if found.odd:
        value = canonical.rewrite(value)
    body = canonical.encode(value)
    if not isinstance(value, dict):
        return _quarantine(Reason.NOT_AN_OBJECT, body, received_at)
    if found.odd:
        # What was rewritten holds raw numbers; the plain values are read again from their text.
        value = canonical.read(body)
    draft = _Draft(value, body)
    when = clock.when(value, received_at, corrected=door is not Door.SDK)
    digest = draft.digest()
    said = f"derived:{digest}" if when.said else f"derived:{digest}:{received_at}"
    message_id = read_id(value.get("messageId")) or said
    reason = _objection(draft, found, bounds)
    if reason is None:
        return draft.message(message_id, digest, when.at, received_at, when.notes)
    return Quarantined(
        reason=reason,
        message_id=message_id,
        received_at=received_at,
        at=when.at,
        identity=_identity(value, body),
        body=body.decode(),
        subject=draft.subject(),
        notes=when.notes,
    )


def restore(
    body: JsonText, message_id: str, digest: str, at: Micros, received_at: Micros, veil: Veil
) -> Message:
    """Return a message of the log as it was when it was stored."""
    draft = _Draft(canonical.read(body.encode()), body.encode())
    if veil is Veil.ERASED:
        # Its own digest is forgotten; what is left of it orders it among events of one messageId.
        digest = sha256(draft.body).hexdigest()[:32]
    message = draft.message(message_id, digest, at, received_at)
    message.veil = veil
    return message


def read_id(value: Any) -> str | None:
    """Return an id as read: text as it is, numbers as text; None for what is no id."""
    if isinstance(value, str):
        return str(value) if value and not value.isspace() else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return canonical.number_text(value)


class _Draft:
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


def _unpack(value: dict[str, Any] | list[Any], kind: str | None) -> Iterator[Any]:
    if isinstance(value, list):
        yield from value
        return
    batch = value.get("batch")
    if kind is not None or not isinstance(batch, list) or "type" in value or "action" in value:
        yield value
        return
    for item in batch:
        yield _merged(item, value) if isinstance(item, dict) else item


def _merged(item: dict[str, Any], batch: dict[str, Any]) -> dict[str, Any]:
    for key in ("context", "integrations"):
        common, own = batch.get(key), item.get(key)
        if isinstance(common, dict) and common and (own is None or isinstance(own, dict)):
            item[key] = {**common, **(own or {})}
    if item.get("sentAt") is None and batch.get("sentAt") is not None:
        item["sentAt"] = batch["sentAt"]
    return item


def _objection(draft: _Draft, found: canonical.Oddities, bounds: Bounds) -> Reason | None:
    # Of several faults the first in the order of the schema's enum is named.
    named = draft.user_id is not None or draft.anonymous_id is not None
    ids = (draft.user_id, draft.anonymous_id, draft.previous_id, draft.group_id)
    faults = (
        (Reason.UNKNOWN_TYPE, draft.type is None),
        (
            Reason.NO_SUBJECT,
            not named and (draft.group_id is None or draft.type is EventType.DELETE),
        ),
        (Reason.ID_TOO_LONG, any(text is not None and _is_long(text) for text in ids)),
        (Reason.KEY_TOO_LONG, found.key_bytes > KEY_BYTES_MAX),
        (Reason.TOO_DEEP, found.depth > DEPTH_MAX),
        (Reason.TOO_LARGE, len(draft.body) > bounds.message_bytes_max),
    )
    return next((reason for reason, holds in faults if holds), None)


def _is_long(text: str) -> bool:
    # A character has at most four bytes.
    return len(text) > ID_BYTES_MAX // 4 and len(text.encode()) > ID_BYTES_MAX


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and value and not value.isspace() else None


def _quarantine(reason: Reason, body: bytes, received_at: Micros) -> Quarantined:
    # It has none of the parts that a digest covers.
    digest = sha256(b"{}").hexdigest()[:32]
    text = body.decode()
    return Quarantined(
        reason=reason,
        message_id=f"derived:{digest}:{received_at}",
        received_at=received_at,
        at=received_at,
        identity=text,
        body=text,
    )


def _identity(value: dict[str, Any], body: bytes) -> JsonText:
    if not any(key in value for key in _RESTAMPED):
        return body.decode()
    kept = {key: item for key, item in value.items() if key not in _RESTAMPED}
    return canonical.canonical(kept).decode()


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


def _too_deep_to_read() -> str:
    return f"the body nests deeper than {canonical.DEPTH_READ_MAX} levels"
