"""What a line to be imported carries: messages, what an export says of them, and marks of what was erased."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ingest import canonical, clock
from ingest.canonical import Unreadable
from ingest.log import Fresh
from ingest.meaning import Meaning, meaning
from ingest.message import Bounds, Door, Parsed, parse_one, restore, unpack, waiting
from ingest.plain import Plain, plain
from models.values import (
    Context,
    EventType,
    Held,
    JsonText,
    Message,
    Micros,
    Quarantined,
    Reason,
    Veil,
    event_key,
    message_key,
    quarantine_key,
)

LINE_BYTES_MAX = 32 * 1024 * 1024
"""So long a line may be; a batch in one line is the longest that makes sense."""

# What cannot be read is held whole up to this size.
_HELD_BYTES_MAX = 1024 * 1024
# What an export holds was within the bounds of its time.
_WIDE = Bounds(message_bytes_max=LINE_BYTES_MAX)
_HALF_KEY_BYTES, _KEY_BYTES = 8, 16
_NO_CONTEXT = Context()


class Said(msgspec.Struct, array_like=True, gc=False, tag=0):
    """A message and what it means, under its key; enough of it to be stored and folded."""

    key: bytes
    message_id: str
    digest: str
    kind: EventType
    at: Micros
    received_at: Micros
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    name: str | None
    body: JsonText
    notes: tuple[str, ...]
    meaning: Meaning

    def fresh(self) -> Fresh:
        """Return the message as the log takes it, without the parts that only its meaning needs."""
        return Fresh(
            self.key,
            Message(
                self.message_id,
                self.digest,
                self.kind,
                self.at,
                self.received_at,
                self.user_id,
                self.anonymous_id,
                self.previous_id,
                self.group_id,
                self.name,
                self.body,
                None,
                None,
                _NO_CONTEXT,
                self.notes,
                Veil.DELETE if self.meaning.erases else Veil.NONE,
            ),
        )

    def whole(self) -> Message:
        """Return the message with all its parts."""
        veil = Veil.DELETE if self.meaning.erases else Veil.NONE
        times = (self.at, self.received_at)
        message = restore(self.body, self.message_id, self.digest, *times, veil)
        message.notes = self.notes
        return message


class Waits(msgspec.Struct, array_like=True, gc=False, tag=1):
    """A message that cannot be applied."""

    held: Quarantined


class Head(msgspec.Struct, array_like=True, gc=False, tag=2):
    """The beginning of an export: whose it is, and the key of its hashes."""

    workspace: str
    secret: bytes


class Erased(msgspec.Struct, array_like=True, gc=False, tag=3):
    """Until when an identifier is erased, of which only a hash is left."""

    hash: bytes
    until: Micros


class Edge(msgspec.Struct, array_like=True, gc=False, tag=4):
    """A link or alias that an erased event made, as hashes."""

    hash: bytes
    other: bytes
    kind: int
    first_at: Micros


class Veiled(msgspec.Struct, array_like=True, gc=False, tag=5):
    """What is left of an erased event, with its key in the log."""

    key: bytes
    message_id: str
    at: Micros
    received_at: Micros
    veil: Veil
    body: JsonText

    def fresh(self) -> Fresh:
        """Return it as the log takes it."""
        digest, veil = self.key[_HALF_KEY_BYTES:].hex(), self.veil
        times = (self.at, self.received_at)
        return Fresh(self.key, restore(self.body, self.message_id, digest, *times, veil))


class Entry(msgspec.Struct, array_like=True, gc=False, tag=6):
    """An entry of the quarantine as it stood."""

    key: bytes
    body: Quarantined
    retried_at: Micros | None
    # The keyed hash of whom it names, where the body is gone.
    hash: bytes | None
    state: Held


class Fault(msgspec.Struct, array_like=True, gc=False, tag=7):
    """A line that could not be read as it should, and whether it is held in quarantine."""

    line: int
    why: str
    held: bool


Carried = Said | Plain | Waits | Head | Erased | Edge | Veiled | Entry | Fault


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads lines for one workspace."""

    # The name of it: keys are made of that.
    workspace: str
    # What a message counts as received that does not say when it was.
    received_at: Micros
    bounds: Bounds

    def read(self, number: int, line: bytes) -> Iterator[Carried]:
        """Yield what a line carries; one that cannot be read is held whole."""
        if not line or line.isspace():
            return
        try:
            value = canonical.read(line)
            if isinstance(value, dict) and isinstance(value.get("_calyx"), dict):
                yield self._exported(value, value.pop("_calyx"))
            else:
                yield from self._messages(value)
        except Unreadable as error:
            held = len(line) <= _HELD_BYTES_MAX
            yield Fault(number, str(error).replace("the body", "it", 1), held)
            if held:
                text = canonical.clean(line.strip().decode(errors="replace"))
                yield self._wrapped(parse_one(text, Door.SEGMENT, self.received_at))

    def _messages(self, value: Any) -> Iterator[Carried]:
        if not isinstance(value, dict | list):
            raise Unreadable("the body is JSON, but neither an object nor an array of objects")
        items = list(unpack(value, None))
        outside = 1 if isinstance(value, list) else 0 if items and items[0] is value else 2
        try:
            for item in items:
                received_at = self._received(item)
                one = self._plain(item, received_at)
                if one is not None:
                    yield one
                    continue
                found = parse_one(item, Door.SEGMENT, received_at, None, self.bounds, outside)
                yield self._wrapped(found)
        except RecursionError:
            raise Unreadable("the body nests too deep to be read") from None

    def _plain(self, item: Any, received_at: Micros) -> Plain | None:
        if not isinstance(item, dict):
            return None
        return plain(self.workspace, item, received_at, self.bounds.message_bytes_max)

    def _wrapped(self, found: Parsed) -> Carried:
        if isinstance(found, Quarantined):
            return Waits(found)
        return Said(
            event_key(self.workspace, found.message_id, found.digest),
            found.message_id,
            found.digest,
            found.type,
            found.at,
            found.received_at,
            found.user_id,
            found.anonymous_id,
            found.previous_id,
            found.group_id,
            found.name,
            found.body,
            found.notes,
            meaning(found),
        )

    def _received(self, value: Any) -> Micros:
        """Return when Segment received a message, if it says so and that is not still to come."""
        said = clock.read(value.get("receivedAt")) if isinstance(value, dict) else None
        return self.received_at if said is None else min(said, self.received_at)

    def _exported(self, value: dict[str, Any], said: dict[str, Any]) -> Carried:
        try:
            if "quarantined" in said:
                return self._entry(said)
            if "export" in said:
                return Head(_text(said, "workspace"), bytes.fromhex(_text(said, "erasureKey")))
            if "erasure" in said:
                return Erased(_hex(said, "erasure", _KEY_BYTES), _moment(said, "until"))
            if "erasedLink" in said:
                pair = _hex(said, "erasedLink", _KEY_BYTES), _hex(said, "with", _KEY_BYTES)
                return Edge(*pair, 1 if said.get("kind") else 0, _moment(said, "firstAt"))
            if "erased" in said:
                return self._veiled(value, said)
            return self._event(value, said)
        except (ValueError, msgspec.ValidationError) as error:
            raise Unreadable(
                f"the body's `_calyx` is not as `calyx export` writes it: {error}"
            ) from None

    def _event(self, value: dict[str, Any], said: dict[str, Any]) -> Carried:
        """Return an event of an export, whose times are those it was stored with."""
        if "own" in said:
            value["_calyx"] = said["own"]
        at, received_at, notes = _moment(said, "at"), _moment(said, "receivedAt"), _notes(said)
        one = plain(self.workspace, value, received_at, LINE_BYTES_MAX)
        if one is not None:
            one.at, one.notes = at, notes
            return one
        found = parse_one(value, Door.SEGMENT, received_at, None, _WIDE)
        found.at, found.received_at, found.notes = at, received_at, notes
        return self._wrapped(found)

    def _veiled(self, value: dict[str, Any], said: dict[str, Any]) -> Veiled:
        message_id = _text(said, "messageId")
        mark = _hex(said, "erased", _HALF_KEY_BYTES)
        key = message_key(self.workspace, message_id) + mark
        veil = Veil.DELETE if value.get("type") == "delete" else Veil.ERASED
        body = canonical.encode(value).decode()
        if str(value.get("type")).upper() not in EventType.__members__:
            raise ValueError("what it keeps of an erased message has no known type")
        times = (_moment(said, "at"), _moment(said, "receivedAt"))
        return Veiled(key, message_id, *times, veil, body)

    def _entry(self, said: dict[str, Any]) -> Entry:
        gone = {"erased": Held.ERASED, "retried": Held.RETRIED}
        name, state = next(((n, gone[n]) for n in gone if n in said), ("", Held.WAITS))
        held = waiting(
            Reason(_text(said, "quarantined")),
            _text(said, "messageId"),
            b"" if name else canonical.encode(said.get("body")),
            (_moment(said, "at"), _moment(said, "receivedAt")),
            _notes(said),
        )
        retried_at = _moment(said, "retriedAt") if "retriedAt" in said else None
        mark = _hex(said, "subject", _KEY_BYTES) if "subject" in said else None
        key = quarantine_key(self.workspace, held.identity)
        if name:
            key = _hex(said, name, _KEY_BYTES)
        return Entry(key, held, retried_at, mark, state)


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be a text")  # noqa: TRY004 (of what it says, not of our types)
    return value


def _moment(said: dict[str, Any], name: str) -> Micros:
    at = clock.read(_text(said, name))
    if at is None:
        raise ValueError(f"`{name}` is no time between 1970 and 9999")
    return at


def _hex(said: dict[str, Any], name: str, size: int) -> bytes:
    value = bytes.fromhex(_text(said, name))
    if len(value) != size:
        raise ValueError(f"`{name}` must have {2 * size} hexadecimal digits")
    return value


def _notes(said: dict[str, Any]) -> tuple[str, ...]:
    return msgspec.convert(said.get("notes", ()), tuple[str, ...])
