"""Time cut into hours, days, weeks and months of UTC. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from models.values import Micros

INTERVALS_MAX = 1_000
"""Intervals of one answer: a chart has fewer points, and each is counted by itself."""

Span = tuple[Micros, Micros]
"""An interval: its start, and the end, which is no longer part of it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICRO = timedelta(microseconds=1)
_HOUR = 3_600 * 1_000_000
_DAY = 24 * _HOUR
# 1970 began on a Thursday; the Monday before it was three days earlier.
_FIXED = {"HOUR": (_HOUR, 0), "DAY": (_DAY, 0), "WEEK": (7 * _DAY, -3 * _DAY)}
_LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - _EPOCH) // _MICRO


class BadRange(Exception):
    """A stretch of time that cannot be cut so; the message says what to send."""


def spans(since: Micros, until: Micros, interval: str) -> list[Span]:
    """Return the intervals that begin before `until`, from the one that holds `since` on."""
    if until <= since:
        raise BadRange("`until` is not later than `since`: send a later one, or leave it out")
    if interval == "MONTH":
        found = _months(since, until)
    else:
        found = _equal(since, until, *_FIXED[interval])
    if found[-1][1] > _LAST:
        raise BadRange("the last interval would end after the year 9999: send an earlier `until`")
    return found


def _check_count(count: int) -> None:
    if count > INTERVALS_MAX:
        raise BadRange(
            f"these are {count:,} intervals, and {INTERVALS_MAX:,} are allowed:"
            " send a longer `interval`, or a later `since`"
        )


def _equal(since: Micros, until: Micros, length: int, origin: int) -> list[Span]:
    first = (since - origin) // length
    behind = -((origin - until) // length)
    _check_count(behind - first)
    starts = (origin + number * length for number in range(first, behind))
    return [(start, start + length) for start in starts]


def _months(since: Micros, until: Micros) -> list[Span]:
    first, last = _month_of(since), _month_of(until - 1)
    _check_count(last - first + 1)
    return [(_start_of(month), _start_of(month + 1)) for month in range(first, last + 1)]


def _month_of(at: Micros) -> int:
    when = _EPOCH + at * _MICRO
    return when.year * 12 + when.month - 1


def _start_of(month: int) -> Micros:
    year, number = divmod(month, 12)
    if year > 9999:  # noqa: PLR2004 (the last year that can be written)
        return _LAST + 1
    return (datetime(year, number + 1, 1, tzinfo=UTC) - _EPOCH) // _MICRO
