"""The words everything else is said in: workspaces, stamps, kinds, messages, keys."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

Micros = int
"""A moment: microseconds since 1970, UTC."""

JsonText = str
"""A value in canonical JSON (docs/semantics.md, section 9). Equal texts are equal values."""

DERIVED = "derived:"
"""What the messageId begins with that is made of a message that has none."""

NULL: JsonText = "null"
TRUE: JsonText = "true"
FALSE: JsonText = "false"


class Stamp(NamedTuple):
    """An event's place in the order of all events; compared field by field, text by bytes.

    `digest` is the first 16 of the digest's 32 digits: the log holds no two events of one
    messageId that agree in them, so they order as the whole does. Digits and messageIds hold no
    lone surrogates, and Python orders such text by code point, which is the order of its UTF-8.
    """

    at: Micros
    message_id: str
    digest: str


class Kind(IntEnum):
    """The two name spaces of identifiers."""

    USER = 0
    DEVICE = 1


class Entity(IntEnum):
    """What has traits and audience flags."""

    CUSTOMER = 0
    ACCOUNT = 1


class EventType(IntEnum):
    """Kinds of call, as numbered in the log."""

    TRACK = 0
    IDENTIFY = 1
    GROUP = 2
    ALIAS = 3
    PAGE = 4
    SCREEN = 5
    DELETE = 6


class Veil(IntEnum):
    """Why an event is not shown, if it is not."""

    NONE = 0
    ERASED = 1
    DELETE = 2


class Held(IntEnum):
    """What became of a quarantined body, as numbered in its entry."""

    WAITS = 0
    ERASED = 1
    # It was retried and is an event now; of the entry only a keyed hash is left.
    RETRIED = 2


class Reason(StrEnum):
    """Why a message is quarantined."""

    NOT_AN_OBJECT = "NOT_AN_OBJECT"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    NO_SUBJECT = "NO_SUBJECT"
    ID_TOO_LONG = "ID_TOO_LONG"
    KEY_TOO_LONG = "KEY_TOO_LONG"
    TOO_DEEP = "TOO_DEEP"
    TOO_LARGE = "TOO_LARGE"
    # A fault of ours: what it says could not be stored, and nothing else was held up by it.
    FAILED = "FAILED"


class Outcome(StrEnum):
    """What became of a message."""

    APPLIED = "APPLIED"
    SUPERSEDED = "SUPERSEDED"
    DUPLICATE = "DUPLICATE"
    CONFLICT = "CONFLICT"
    QUARANTINED = "QUARANTINED"
    ERASED = "ERASED"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A tenant: its number in this database and its name, from which public ids derive."""

    id: int
    name: str


class Identifier(NamedTuple):
    """A userId or anonymousId as read."""

    kind: Kind
    text: str


@dataclass(slots=True)
class Message:
    """One event in canonical form: everything the log keeps of it."""

    message_id: str
    digest: str
    type: EventType
    at: Micros
    received_at: Micros
    user_id: str | None
    anonymous_id: str | None
    previous_id: str | None
    group_id: str | None
    name: str | None
    body: JsonText
    traits: dict[str, JsonText] | None
    properties: dict[str, JsonText] | None
    context: Context
    notes: tuple[str, ...] = ()
    veil: Veil = Veil.NONE

    @property
    def stamp(self) -> Stamp:
        """Return its place in the order of events."""
        return Stamp(self.at, self.message_id, self.digest[:16])

    @property
    def subject(self) -> Identifier | None:
        """Return whom it is about: the user if it names one, else the device."""
        if self.user_id is not None:
            return Identifier(Kind.USER, self.user_id)
        if self.anonymous_id is not None:
            return Identifier(Kind.DEVICE, self.anonymous_id)
        return None


@dataclass(frozen=True, slots=True)
class Context:
    """What of a message's `context` has meaning."""

    traits: dict[str, JsonText] | None = None
    computation_key: str | None = None
    computation_id: str | None = None
    active: bool = True
    # What Engage marked in a message of which only an account's part is left.
    marks: frozenset[str] | None = None


@dataclass(slots=True)
class Quarantined:
    """A body that could not be applied, kept whole."""

    reason: Reason
    message_id: str
    received_at: Micros
    at: Micros
    # The body without what a retry re-stamps: what makes it the same body again.
    identity: JsonText
    body: JsonText
    subject: Identifier | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed."""

    events: int = 0
    traits: int = 0
    audience_flags: int = 0
    memberships: int = 0
    identifiers: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one message, as of right after its commit."""

    message_id: str
    outcome: Outcome
    received_at: Micros
    reason: Reason | None = None
    notes: tuple[str, ...] = ()
    event_key: bytes | None = None
    quarantine_key: bytes | None = None
    # Of a delete that had a commit to itself.
    erased: Erased | None = None


# Whoever is met is met again soon, and a hash takes as long as many a look-up.
@lru_cache(maxsize=20_000)
def identity_key(workspace: str, identifier: Identifier) -> bytes:
    """Return the 16 bytes that stand for a userId or anonymousId, in any database."""
    kind = "user" if identifier.kind is Kind.USER else "device"
    return _hash(workspace, kind, identifier.text)[:16]


def account_key(workspace: str, group_id: str) -> bytes:
    """Return the 16 bytes that stand for a groupId, in any database."""
    return _hash(workspace, "account", group_id)[:16]


def message_key(workspace: str, message_id: str) -> bytes:
    """Return the 8 bytes with which the keys of all events of one messageId begin."""
    return _hash(workspace, "message", message_id)[:8]


def event_key(workspace: str, message_id: str, digest: str) -> bytes:
    """Return the 16 bytes that stand for an event: of its messageId, then of its content."""
    return message_key(workspace, message_id) + bytes.fromhex(digest[:16])


def erased_quarantine_key(secret: bytes, key: bytes) -> bytes:
    """Return the key of a quarantined body that was erased: a keyed hash of what it was."""
    return sha256(secret + key).digest()[:16]


def quarantine_key(workspace: str, identity: JsonText) -> bytes:
    """Return the 16 bytes that stand for a quarantined body."""
    return _hash(workspace, "quarantine", identity)[:16]


def erasure_hash(secret: bytes, identifier: Identifier) -> bytes:
    """Return the keyed hash that remains of an erased identifier."""
    text = f"{identifier.kind.value}\0{identifier.text}".encode()
    return sha256(secret + text).digest()[:16]


def erased_message_id(secret: bytes, message_id: str) -> str:
    """Return what stays of an erased messageId: one that was derived tells of the content."""
    if not message_id.startswith(DERIVED):
        return message_id
    return DERIVED + sha256(secret + b"\0message\0" + message_id.encode()).hexdigest()[:32]


def erased_event_key(secret: bytes, workspace: str, message_id: str, key: bytes) -> bytes:
    """Return the key of an erased event: what came of its content becomes a keyed hash."""
    kept = erased_message_id(secret, message_id)
    return message_key(workspace, kept) + sha256(secret + key).digest()[:8]


def _hash(workspace: str, kind: str, text: str) -> bytes:
    return sha256(f"{workspace}\0{kind}\0{text}".encode(errors="surrogatepass")).digest()
