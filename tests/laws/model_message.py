"""From a delivery to an event or a quarantine entry: sections 1, 2, 3 and 9 of the contract."""

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

from tests.laws.model_bytes import (
    canonical,
    clean,
    depth,
    longest_key_bytes,
    number_text,
    sha256_32,
)

TYPES = frozenset({"track", "identify", "group", "alias", "page", "screen", "delete"})
SECOND_US = 1_000_000
YEAR_10000_US = (
    (date(9999, 12, 31).toordinal() + 1 - date(1970, 1, 1).toordinal()) * 86_400 * SECOND_US
)
EPOCH_MS_FROM = 31_557_600_000
CLOCK_DRIFT_US_MAX = 10 * SECOND_US
FUTURE_US_MAX = 300 * SECOND_US
ID_BYTES_MAX = 512
KEY_BYTES_MAX = 256
DEPTH_MAX = 32
MESSAGE_BYTES_MAX = 128 * 1024

Stamp = tuple[int, str, str]


@dataclass(frozen=True)
class Delivery:
    """One message as it came in, with what the door knows: when, where, and the type its path says."""

    body: Any
    received_at: int
    door: str = "segment"
    kind: str | None = None


@dataclass(frozen=True)
class Event:
    """One stored message, ids and times as read."""

    message_id: str
    digest: str
    at: int
    received_at: int
    type: str
    user: str | None
    anonymous: str | None
    previous: str | None
    group: str | None
    body: dict[str, Any]

    @property
    def stamp(self) -> Stamp:
        """Return what orders events (2): text by bytes, which is by code points."""
        return (self.at, self.message_id, self.digest)

    @cached_property
    def context(self) -> dict[str, Any]:
        """Return the context, empty where none that can be read was sent."""
        return an_object(self.body.get("context"))

    @cached_property
    def properties(self) -> dict[str, Any]:
        """Return the properties, empty where none that can be read were sent."""
        return an_object(self.body.get("properties"))

    @cached_property
    def track_name(self) -> str | None:
        """Return the name of a track as it is matched (4); None for other types and nameless tracks."""
        name = self.body.get("event")
        if self.type != "track" or not isinstance(name, str) or not name.strip():
            return None
        return name.strip().lower().removeprefix("user ")

    @cached_property
    def marked_keys(self) -> frozenset[str]:
        """Return the keys that Engage marks in this message (5)."""
        marks = [an_object(self.context.get("personas")).get("computation_key")]
        if self.type == "track":
            marks += [self.properties.get("audience_key"), self.properties.get("trait_key")]
        return frozenset(key for key in marks if isinstance(key, str))

    @property
    def computation_id(self) -> str | None:
        """Return the id of the computation that sent this, when that was sent."""
        sent = an_object(self.context.get("personas")).get("computation_id")
        return sent if isinstance(sent, str) else None


@dataclass(frozen=True)
class Quarantined:
    """One body that could not be applied. `body` is the canonical text that makes it one entry (6)."""

    message_id: str
    reason: str
    at: int
    received_at: int
    user: str | None
    anonymous: str | None
    body: str


def read(delivery: Delivery) -> Event | Quarantined:
    """Return what is stored of one delivery. A function of the delivery alone."""
    body = clean(delivery.body)
    if isinstance(body, dict) and delivery.kind is not None:
        body["type"] = delivery.kind
    fields = an_object(body)
    kind = fields.get("type") if fields.get("type") is not None else fields.get("action")
    kind = kind.lower() if isinstance(kind, str) else kind
    ids = {
        name: read_id(fields.get(name))
        for name in ("userId", "anonymousId", "previousId", "groupId")
    }
    if ids["groupId"] is None:
        ids["groupId"] = read_id(an_object(fields.get("context")).get("groupId"))
    digest = sha256_32(_said(kind, ids, fields))
    at = _happened_at(fields, delivery)
    message_id = read_id(fields.get("messageId"))
    if message_id is None:
        message_id = f"derived:{digest}"
        if _said_time(fields) is None:
            message_id += f":{delivery.received_at}"
    reason = _refusal(body, kind, {**ids, "messageId": message_id})
    if reason is not None:
        who = ids["userId"], ids["anonymousId"]
        return Quarantined(message_id, reason, at, delivery.received_at, *who, _entry(body))
    return Event(
        message_id, digest, at, delivery.received_at, str(kind),
        ids["userId"], ids["anonymousId"], ids["previousId"], ids["groupId"], fields,
    )  # fmt: skip


def an_object(value: Any) -> dict[str, Any]:
    """Return `value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def read_id(value: Any) -> str | None:
    """Return an id as read (3): numbers become text; all but non-blank text is absent."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    return value if isinstance(value, str) and value.strip() else None


def read_time(value: Any) -> int | None:
    """Return microseconds since 1970, finer digits cut off; None where it cannot be read (2)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    read = _iso_us(value) if isinstance(value, str) else _epoch_us(Decimal(number_text(value)))
    return read if read is not None and 0 <= read < YEAR_10000_US else None


_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(Z|([+-])(\d\d):?(\d\d)?)?)?",
    re.ASCII,
)


def _iso_us(text: str) -> int | None:
    # Calendar dates in the extended form only; week and ordinal dates are beyond what is tested.
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    ahead = int(found[10] or 0) * 60 + int(found[11] or 0)
    if (
        hour > 23
        or minute > 59
        or second > 59
        or int(found[10] or 0) > 23
        or int(found[11] or 0) > 59
    ):
        return None
    try:
        days = date(year, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    minutes = days * 1440 + hour * 60 + minute - (-ahead if found[9] == "-" else ahead)
    return (minutes * 60 + second) * SECOND_US + int((found[7] or "0")[:6].ljust(6, "0"))


def _epoch_us(number: Decimal) -> int:
    unit = SECOND_US if number < EPOCH_MS_FROM else 1000
    return int((number * unit).to_integral_value("ROUND_FLOOR"))


def _said_time(fields: dict[str, Any]) -> int | None:
    # Section 2: `timestamp`, else `originalTimestamp`; an unreadable one is absent.
    first = read_time(fields.get("timestamp"))
    return first if first is not None else read_time(fields.get("originalTimestamp"))


def _happened_at(fields: dict[str, Any], delivery: Delivery) -> int:
    at = _said_time(fields)
    if at is None:
        return delivery.received_at
    sent_at = read_time(fields.get("sentAt"))
    if delivery.door == "sdk" and sent_at is not None and fields.get("receivedAt") is None:
        drift = delivery.received_at - sent_at
        if abs(drift) > CLOCK_DRIFT_US_MAX:
            at += drift
    return delivery.received_at if at > delivery.received_at + FUTURE_US_MAX else at


def _said(kind: Any, ids: dict[str, str | None], fields: dict[str, Any]) -> dict[str, Any]:
    # Section 1: what makes two messages one. Absent, null and an empty context are left out.
    said: dict[str, Any] = {"type": kind, **ids}
    for name in ("event", "name", "timestamp", "originalTimestamp", "traits", "properties"):
        said[name] = fields.get(name)
    context = an_object(fields.get("context"))
    kept = {name: context.get(name) for name in ("traits", "personas", "active")}
    said["context"] = {name: value for name, value in kept.items() if value is not None} or None
    return {name: value for name, value in said.items() if value is not None}


def _refusal(body: Any, kind: Any, ids: dict[str, str | None]) -> str | None:
    # Where several hold, the first in the order of the schema's enum is said.
    subjects = [ids["userId"], ids["anonymousId"]] + ([] if kind == "delete" else [ids["groupId"]])
    refusals = {
        "NOT_AN_OBJECT": not isinstance(body, dict),
        "UNKNOWN_TYPE": kind not in TYPES if isinstance(kind, str) else True,
        "NO_SUBJECT": all(subject is None for subject in subjects),
        "ID_TOO_LONG": any(len(name.encode()) > ID_BYTES_MAX for name in ids.values() if name),
        "KEY_TOO_LONG": longest_key_bytes(body) > KEY_BYTES_MAX,
        "TOO_DEEP": depth(body) > DEPTH_MAX,
        "TOO_LARGE": len(canonical(body).encode()) > MESSAGE_BYTES_MAX,
    }
    return next((reason for reason, holds in refusals.items() if holds), None)


def _entry(body: Any) -> str:
    # Section 6, one entry a body: a retry re-stamps sentAt and _metadata and nothing else.
    if isinstance(body, dict):
        body = {key: value for key, value in body.items() if key not in {"sentAt", "_metadata"}}
    return canonical(body)
