"""Turn a posted body into canonical messages, or say why one must wait. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Any

from ingest import canonical, clock
from ingest.canonical import Unreadable
from ingest.draft import Draft, read_id
from models.values import (
    Context,
    EventType,
    JsonText,
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

# What a retry stamps anew: two bodies that differ only here are one body.
_RESTAMPED = ("sentAt", "_metadata")

Parsed = Message | Quarantined

# What a look at a message finds that need not be looked at.
_PLAIN = canonical.Oddities()


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
    # Of all messages of one body together, as they are stored.
    body_bytes_max: int = 32 * 1024 * 1024


BOUNDS = Bounds()


class TooMany(Unreadable):
    """A body with more messages than one may hold."""


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
    items = list(unpack(value, kind))
    if len(items) > bounds.messages_max:
        raise TooMany(f"the body has {len(items)} messages; send at most {bounds.messages_max}")
    room = bounds.body_bytes_max
    parsed: list[Parsed] = []
    try:
        outside = 1 if isinstance(value, list) else 0 if items and items[0] is value else 2
        for item in items:
            parsed.append(parse_one(item, door, received_at, kind, bounds, outside))
            # A batch's context stands in each of its messages: a small body may say very much.
            room -= len(parsed[-1].body)
            if room < 0:
                told = f"with their common context the messages have over {bounds.body_bytes_max}"
                raise TooMany(f"{told} characters; send them in several requests")
    except RecursionError:
        raise Unreadable(_too_deep_to_read()) from None
    return parsed


def parse_one(
    value: Any,
    door: Door,
    received_at: Micros,
    kind: str | None = None,
    bounds: Bounds = BOUNDS,
    outside: int = 0,
) -> Parsed:
    """Return a value, as `canonical.read` gives it, as a Message or as Quarantined with the reason.

    `outside` is how many levels of the body it lay in.
    """
    if isinstance(value, dict):
        value.pop("writeKey", None)
        if kind is not None:
            value["type"] = kind
    body, value = canonical.settle(value)
    found = _PLAIN
    if not canonical.is_plain(body):
        found = canonical.Oddities()
        canonical.inspect(value, found)
        if outside + found.depth > canonical.DEPTH_READ_MAX:
            raise Unreadable(_too_deep_to_read())
    if not isinstance(value, dict):
        return _quarantine(Reason.NOT_AN_OBJECT, body, received_at)
    draft = Draft(value, body)
    when = clock.when(value, received_at, corrected=door is not Door.SDK)
    digest = draft.digest()
    said = f"derived:{digest}" if when.said else f"derived:{digest}:{received_at}"
    message_id = read_id(value.get("messageId")) or said
    reason = _objection(draft, message_id, found, bounds)
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


def hold(parsed: Parsed) -> Quarantined:
    """Return a message as one to be held, for it cannot be stored as what it says."""
    if isinstance(parsed, Quarantined):
        return parsed
    value = canonical.read(parsed.body.encode())
    return Quarantined(
        reason=Reason.FAILED,
        message_id=parsed.message_id,
        received_at=parsed.received_at,
        at=parsed.at,
        identity=_identity(value, parsed.body.encode()),
        body=parsed.body,
        subject=parsed.subject,
        notes=parsed.notes,
    )


def restore(
    body: JsonText, message_id: str, digest: str, at: Micros, received_at: Micros, veil: Veil
) -> Message:
    """Return a message of the log as it was when it was stored."""
    value = canonical.read(body.encode())
    draft = Draft(value, body.encode())
    if veil is Veil.ERASED:
        # Its own digest is forgotten; what is left of it orders it among events of one messageId.
        digest = sha256(draft.body).hexdigest()[:32]
    message = draft.message(message_id, digest, at, received_at)
    if veil is Veil.ERASED:
        marks = frozenset(value.get("marks", ()))
        active = message.context.active
        message.context = Context(None, None, value.get("computation"), active, marks)
    message.veil = veil
    return message


def waiting(
    reason: Reason,
    message_id: str,
    body: bytes,
    times: tuple[Micros, Micros],
    notes: tuple[str, ...],
) -> Quarantined:
    """Return an entry of the quarantine as it was when it was held; `times` are `at` and `received_at`."""
    value = canonical.read(body) if body else None
    subject, identity = None, body.decode()
    if isinstance(value, dict):
        subject, identity = Draft(value, body).subject(), _identity(value, body)
    return Quarantined(
        reason=reason,
        message_id=message_id,
        received_at=times[1],
        at=times[0],
        identity=identity,
        body=body.decode(),
        subject=subject,
        notes=notes,
    )


def unpack(value: dict[str, Any] | list[Any], kind: str | None) -> Iterator[Any]:
    """Yield the messages of a body: its elements, those of a batch with what they share, or itself."""
    if isinstance(value, list):
        yield from value
        return
    batch = value.get("batch")
    # A type that is null is absent, here as in a message.
    typed = value.get("type") is not None or value.get("action") is not None
    if kind is not None or not isinstance(batch, list) or typed:
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


def _objection(
    draft: Draft, message_id: str, found: canonical.Oddities, bounds: Bounds
) -> Reason | None:
    # Of several faults the first in the order of the schema's enum is named.
    named = draft.user_id is not None or draft.anonymous_id is not None
    ids = (message_id, draft.user_id, draft.anonymous_id, draft.previous_id, draft.group_id)
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


def _too_deep_to_read() -> str:
    return f"the body nests deeper than {canonical.DEPTH_READ_MAX} levels"
