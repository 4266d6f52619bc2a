"""What happens per interval, counted by walking a calendar: slow, obvious, and none of our SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from models import tables
from tests.graph.rows import Rows
from tests.graph.world import NOW

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Span = tuple[datetime, datetime]


def when(at: int) -> datetime:
    """Return microseconds as a time."""
    return EPOCH + timedelta(microseconds=at)


def intervals(since: str, interval: str, until: str | None = None) -> Iterator[Span]:
    """Yield the intervals from the one that holds `since` on, while they begin before `until`."""
    end = when(NOW + 1) if until is None else _read(until)
    start = _read(since).replace(minute=0, second=0, microsecond=0)
    if interval != "HOUR":
        start = start.replace(hour=0)
    while (interval == "WEEK" and start.weekday()) or (interval == "MONTH" and start.day > 1):
        start -= timedelta(days=1)
    while start < end:
        following = _next(start, interval)
        yield start, following
        start = following


def _read(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _next(start: datetime, interval: str) -> datetime:
    if interval == "MONTH":
        following = start + timedelta(days=31)
        return following.replace(day=1)
    return (
        start
        + {
            "HOUR": timedelta(hours=1),
            "DAY": timedelta(days=1),
            "WEEK": timedelta(weeks=1),
        }[interval]
    )


def shown(moment: datetime) -> str:
    """Return a time as a DateTime is printed."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def stats(rows: Rows, **given: Any) -> list[dict[str, Any]]:
    """Return the activity of a workspace."""
    return [_stats_of(rows, span) for span in intervals(**given)]


def _stats_of(rows: Rows, span: Span) -> dict[str, Any]:
    within = _within(span)
    events = [row for row in rows.shown if within(row.at)]
    people = {rows.identity[row.whom].customer_id for row in events if row.whom is not None}
    stays = [(stay, rows.audience[stay.audience_id]) for stay in rows.intervals]
    return {
        "start": shown(span[0]),
        "end": shown(span[1]),
        "events": len(events),
        "activeCustomers": len(people),
        "newCustomers": sum(within(row.first_seen_at) for row in rows.customers),
        "newAccounts": sum(within(row.created_at) for row in rows.accounts),
        "audienceEntries": sum(
            within(stay.entered_at)
            for stay, audience in stays
            if (deleted := _deleted(rows, audience, stay)) is None or stay.entered_at < deleted
        ),
    }


def activity(rows: Rows, audience: tables.Audience, **given: Any) -> list[dict[str, Any]]:
    """Return who came into an audience and who went."""
    stays = [_stay(rows, audience, stay) for stay in rows.intervals_in[audience.id]]
    stays = [(entered, left) for entered, left in stays if left is None or entered < left]
    found = []
    for span in intervals(**given):
        within, end = _within(span), (span[1] - EPOCH) // timedelta(microseconds=1)
        found.append(
            {
                "start": shown(span[0]),
                "end": shown(span[1]),
                "entered": sum(within(entered) for entered, _ in stays),
                "left": sum(left is not None and within(left) for _, left in stays),
                "members": sum(
                    entered < end and (left is None or left >= end) for entered, left in stays
                ),
            }
        )
    return found


def _stay(rows: Rows, audience: tables.Audience, stay: tables.Interval) -> tuple[int, int | None]:
    ends = [at for at in (stay.left_at, _deleted(rows, audience, stay)) if at is not None]
    return stay.entered_at, min(ends, default=None)


def _deleted(rows: Rows, audience: tables.Audience, stay: tables.Interval) -> int | None:
    return rows.account[stay.owner_id].deleted_at if audience.entity else None


def _within(span: Span) -> Callable[[int], bool]:
    return lambda at: span[0] <= when(at) < span[1]
