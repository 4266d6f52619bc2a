"""When a message happened (docs/semantics.md, section 2). Pure: no clock of its own."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from models.values import Micros

SECOND = 1_000_000
FUTURE_MAX = 5 * 60 * SECOND
SKEW_MIN = 10 * SECOND
# From here on a number is milliseconds: as seconds it would lie in the year 2970.
_MILLISECONDS_FROM = 31_557_600_000
_YEAR_10000 = 253_402_300_800 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class When(NamedTuple):
    """The time a message counts for, whether the message said it, and what had to be noted."""

    at: Micros
    said: bool
    notes: tuple[str, ...]


def when(message: dict[str, Any], received_at: Micros, *, corrected: bool) -> When:
    """Return when `message` happened.

    `corrected` is true at the doors where Segment has already moved the time by the sender's skew.
    """
    notes: list[str] = []
    at = None
    for field in ("timestamp", "originalTimestamp"):
        value = message.get(field)
        if value is not None:
            at = read(value)
            if at is not None:
                break
            notes.append(f"{field} could not be read as a time between 1970 and 9999")
    if at is None:
        return When(received_at, said=False, notes=tuple(notes))
    if not corrected and message.get("receivedAt") is None:
        at = _unskewed(at, message.get("sentAt"), received_at)
    if at > received_at + FUTURE_MAX:
        notes.append(
            f"timestamp lies in the future ({text(at)}); taken as the time it was received"
        )
        at = received_at
    return When(at, said=True, notes=tuple(notes))


def read(value: Any) -> Micros | None:
    """Return a JSON value as a time, None where it is none or lies outside 1970-9999."""
    if isinstance(value, str):
        at = _read_text(value)
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    else:
        at = _read_number(value)
    return at if at is not None and 0 <= at < _YEAR_10000 else None


def text(at: Micros) -> str:
    """Return a time as the API prints it: `2026-03-01T10:00:00.000000Z`."""
    seconds, micros = divmod(at, SECOND)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


def _unskewed(at: Micros, sent_at: Any, received_at: Micros) -> Micros:
    sent = read(sent_at)
    if sent is None or abs(received_at - sent) <= SKEW_MIN:
        return at
    moved = at + received_at - sent
    # A clock so wrong that the result is no time says nothing about this event.
    return moved if 0 <= moved < _YEAR_10000 else at


def _read_text(value: str) -> Micros | None:
    try:
        moment = datetime.fromisoformat(value.strip().upper())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    past = moment - _EPOCH
    return (past.days * 86_400 + past.seconds) * SECOND + past.microseconds


def _read_number(value: int | float) -> Micros | None:  # noqa: PYI041 (integers take a way of their own)
    # An integer is finite, and may be too long to be asked.
    if isinstance(value, float) and not math.isfinite(value):
        return None
    scale = SECOND if abs(value) < _MILLISECONDS_FROM else 1_000
    if isinstance(value, int):
        return value * scale
    return math.floor(Decimal(repr(value)) * scale)
