"""The enums of the schema."""

from __future__ import annotations

from enum import Enum
from typing import Any

import strawberry


def _value(value: str, description: str) -> Any:
    return strawberry.enum_value(value, description=description)


@strawberry.enum(description="What has traits and audience flags.")
class Entity(Enum):
    """What has traits and audience flags."""

    CUSTOMER = _value("CUSTOMER", "Customers.")
    ACCOUNT = _value("ACCOUNT", "Accounts.")


@strawberry.enum(description="Kinds of trait value.")
class TraitType(Enum):
    """Kinds of trait value."""

    STRING = _value("STRING", "Text.")
    NUMBER = _value("NUMBER", "A number.")
    BOOLEAN = _value("BOOLEAN", "True or false.")
    ARRAY = _value("ARRAY", "A list.")
    OBJECT = _value("OBJECT", "An object.")


@strawberry.enum(description="Where a trait or an audience flag comes from. More may be added.")
class FlagOrigin(Enum):
    """Where a trait or an audience flag comes from."""

    ENGAGE = _value("ENGAGE", "Computed by Segment Engage.")
    TRAIT = _value("TRAIT", "Said by the application, as any other trait.")


@strawberry.enum(description="Kinds of call.")
class EventType(Enum):
    """Kinds of call."""

    TRACK = _value("TRACK", "Something a user did.")
    IDENTIFY = _value("IDENTIFY", "Traits of a user.")
    GROUP = _value("GROUP", "Traits of an account, or a user's place in it.")
    ALIAS = _value("ALIAS", "Two userIds are one customer.")
    PAGE = _value("PAGE", "A page was seen.")
    SCREEN = _value("SCREEN", "A screen was seen.")
    DELETE = _value("DELETE", "A person asked to be erased.")


@strawberry.enum(description="What became of a message.")
class ReceiptOutcome(Enum):
    """What became of a message."""

    APPLIED = _value("APPLIED", "It changed what is known.")
    SUPERSEDED = _value("SUPERSEDED", "It is stored, but newer facts stand on everything it says.")
    DUPLICATE = _value("DUPLICATE", "It was there already; nothing changed.")
    CONFLICT = _value(
        "CONFLICT", "Another message with the same id says something else; both are stored."
    )
    QUARANTINED = _value("QUARANTINED", "It could not be applied and waits for a retry.")
    ERASED = _value("ERASED", "It was about someone who has been erased; nothing of it is kept.")


@strawberry.enum(description="Why a message is quarantined. More may be added.")
class QuarantineReason(Enum):
    """Why a message is quarantined."""

    NOT_AN_OBJECT = _value("NOT_AN_OBJECT", "It is no JSON object.")
    UNKNOWN_TYPE = _value("UNKNOWN_TYPE", "Its type is missing or unknown.")
    NO_SUBJECT = _value("NO_SUBJECT", "It names neither a user nor an account.")
    ID_TOO_LONG = _value("ID_TOO_LONG", "An id has more than 512 bytes.")
    KEY_TOO_LONG = _value("KEY_TOO_LONG", "A key has more than 256 bytes.")
    TOO_DEEP = _value("TOO_DEEP", "It nests deeper than 32 levels.")
    TOO_LARGE = _value("TOO_LARGE", "It has more bytes than one message may have.")
    FAILED = _value(
        "FAILED",
        "It could not be stored, through a fault of ours; the log of the server says which.",
    )


@strawberry.enum(description="What an effect is about. More may be added.")
class EffectKind(Enum):
    """What an effect is about."""

    SEEN = _value(
        "SEEN", "The customer or account comes to exist, or is seen earlier or later than known."
    )
    IDENTITY = _value("IDENTITY", "An id comes to belong to a customer.")
    TRAIT = _value("TRAIT", "A trait.")
    AUDIENCE = _value("AUDIENCE", "An audience flag.")
    MEMBERSHIP = _value("MEMBERSHIP", "A membership or its role.")
    SIGNED_UP = _value("SIGNED_UP", "When a customer signed up.")
    CREATED = _value("CREATED", "When an account was created.")
    DELETED = _value("DELETED", "When an account was deleted.")
    ERASED = _value("ERASED", "Erasure.")


@strawberry.enum(description="What a key may do.")
class Scope(Enum):
    """What a key may do."""

    INGEST = _value("INGEST", "Post messages.")
    READ = _value("READ", "Query and subscribe.")
    WRITE = _value("WRITE", "Mutate.")
    ADMIN = _value("ADMIN", "All of these, and keys, erasure, quarantine and indexes.")


@strawberry.enum(description="What kind of error. More may be added.")
class UserErrorCode(Enum):
    """What kind of error."""

    REQUIRED = _value("REQUIRED", "Missing or blank.")
    INVALID = _value("INVALID", "Not of the form it must have.")
    TOO_LONG = _value("TOO_LONG", "Too long, too large or too deep.")
    NOT_FOUND = _value("NOT_FOUND", "There is no such thing.")


@strawberry.enum(description="Length of an interval, on UTC boundaries.")
class Interval(Enum):
    """Length of an interval, on UTC boundaries."""

    HOUR = _value("HOUR", "An hour.")
    DAY = _value("DAY", "A day.")
    WEEK = _value("WEEK", "A week, from Monday.")
    MONTH = _value("MONTH", "A calendar month.")


@strawberry.enum(description="Which way to sort.")
class Direction(Enum):
    """Which way to sort."""

    ASC = _value("ASC", "Smallest, oldest, A first.")
    DESC = _value("DESC", "Largest, newest, Z first.")


@strawberry.enum(description="What customers can be sorted by, beside traits.")
class CustomerOrderField(Enum):
    """What customers can be sorted by, beside traits."""

    LAST_SEEN_AT = _value("LAST_SEEN_AT", "When last seen.")
    FIRST_SEEN_AT = _value("FIRST_SEEN_AT", "When first seen.")
    SIGNED_UP_AT = _value("SIGNED_UP_AT", "When signed up.")
    NAME = _value("NAME", "Name, by bytes.")
    EMAIL = _value("EMAIL", "Email, by bytes.")
    USER_ID = _value("USER_ID", "The userId, by bytes.")


@strawberry.enum(description="What accounts can be sorted by, beside traits.")
class AccountOrderField(Enum):
    """What accounts can be sorted by, beside traits."""

    LAST_SEEN_AT = _value("LAST_SEEN_AT", "When last seen.")
    FIRST_SEEN_AT = _value("FIRST_SEEN_AT", "When first seen.")
    CREATED_AT = _value("CREATED_AT", "When created.")
    NAME = _value("NAME", "Name, by bytes.")
    GROUP_ID = _value("GROUP_ID", "The groupId, by bytes.")


@strawberry.enum(description="What an account's members can be sorted by, beside traits.")
class AccountMemberOrderField(Enum):
    """What an account's members can be sorted by, beside traits."""

    JOINED_AT = _value("JOINED_AT", "When joined.")
    ROLE = _value("ROLE", "Role, by bytes.")
    LAST_SEEN_AT = _value("LAST_SEEN_AT", "When last seen.")
    FIRST_SEEN_AT = _value("FIRST_SEEN_AT", "When first seen.")
    SIGNED_UP_AT = _value("SIGNED_UP_AT", "When signed up.")
    NAME = _value("NAME", "Name, by bytes.")
    EMAIL = _value("EMAIL", "Email, by bytes.")
    USER_ID = _value("USER_ID", "The userId, by bytes.")
