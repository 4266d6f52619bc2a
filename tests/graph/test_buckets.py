"""What happens per interval is what a calendar and plain counting say, by one statement."""

from __future__ import annotations

from typing import Any

import pytest

from tests.graph.graphs import Asking
from tests.graph.oracle import answer
from tests.graph.rows import Rows, read_rows

STATS = "start end events activeCustomers newCustomers newAccounts audienceEntries"
ACTIVITY = "start end entered left members"
EVERYTHING = f"""
query($since: DateTime!, $until: DateTime, $interval: Interval! = DAY) {{
  stats(since: $since, until: $until, interval: $interval) {{ {STATS} __typename }}
  few: stats(since: $since, until: $until, interval: $interval) {{ newAccounts again: newAccounts }}
  audiences {{ nodes {{ key entity
    activity(since: $since, until: $until, interval: $interval) {{ {ACTIVITY} }} }} }}
  audience(key: "vip") {{ activity(since: $since, interval: WEEK) {{ members }} }}
  firms: audience(key: "vip", entity: ACCOUNT) {{
    activity(since: $since, interval: MONTH) {{ left }} memberCount }}
  node(id: "{"aud_" + b"cvip".hex()}") {{ ... on Audience {{
    activity(since: $since, until: $until) {{ entered members }} }} }}
}}
"""

RANGES: dict[str, dict[str, Any]] = {
    "a month of days": {"since": "2026-02-10T11:12:13.5Z", "until": "2026-03-12T00:00:00Z"},
    "days up to now": {"since": "2026-06-01T00:00:00Z"},
    "weeks over the year's end": {"since": "2025-12-30T00:00:00Z", "interval": "WEEK"},
    "months": {"since": "2025-11-30T23:59:59.999999Z", "interval": "MONTH"},
    "hours of a day elsewhere": {
        "since": "2026-02-03T00:30:00+05:30",
        "until": "2026-02-04T00:00:00+05:30",
        "interval": "HOUR",
    },
    "one instant": {"since": "2026-07-18T00:00:00Z", "until": "2026-07-18T00:00:00.000001Z"},
}


@pytest.mark.parametrize("name", RANGES)
async def test_each_interval_counts_what_a_calendar_says(
    world: Asking, rows: Rows, name: str
) -> None:
    found = await world.get(EVERYTHING, RANGES[name])
    assert found == answer(rows, EVERYTHING, RANGES[name])
    assert len(world.database.asked) == 1


async def test_all_intervals_together_count_what_lists_count(world: Asking) -> None:
    found = await world.get(
        """{ stats(since: "2020-01-01", interval: MONTH) { events newCustomers newAccounts }
          events { totalCount } customers { totalCount }
          accounts(where: {or: [{deleted: true}, {deleted: false}]}) { totalCount }
          audiences { nodes { memberCount activity(since: "2020-01-01", interval: MONTH) {
            entered left members } } } }"""
    )
    for name, counted in (
        ("events", "events"),
        ("customers", "newCustomers"),
        ("accounts", "newAccounts"),
    ):
        assert found[name]["totalCount"] == sum(each[counted] for each in found["stats"]) > 0
    for audience in found["audiences"]["nodes"]:
        months = audience["activity"]
        assert months[-1]["members"] == audience["memberCount"]
        assert months[-1]["members"] == sum(each["entered"] - each["left"] for each in months)


async def test_late_events_joins_and_erasure_change_the_past(empty: Asking) -> None:
    query = f"""{{ stats(since: "2026-03-01", until: "2026-03-04") {{ {STATS} }}
      audience(key: "vip") {{ activity(since: "2026-03-01", until: "2026-03-04") {{ {ACTIVITY} }} }} }}"""

    def day(number: int, **message: Any) -> dict[str, Any]:
        return {"timestamp": f"2026-03-0{number}T12:00:00Z", **message}

    async def counts() -> tuple[list[list[int]], list[list[int]]]:
        found = await empty.get(query)
        assert found == answer(await read_rows(empty.database.inner, 1), query)
        days = [
            [each[name] for name in ("events", "activeCustomers", "newCustomers")]
            for each in found["stats"]
        ]
        audience = found["audience"] or {"activity": []}
        moves = [
            [each[name] for name in ("entered", "left", "members")] for each in audience["activity"]
        ]
        return days, moves

    assert await counts() == ([[0, 0, 0]] * 3, [])
    await empty.deliver([day(3, type="identify", userId="u1", traits={"vip": True})])
    await empty.deliver([day(3, type="track", userId="u2", event="Seen")])
    assert await counts() == ([[0, 0, 0], [0, 0, 0], [2, 2, 2]], [[0, 0, 0], [0, 0, 0], [1, 0, 1]])
    # Late: they were in before, and out in between.
    await empty.deliver([day(1, type="identify", userId="u1", traits={"vip": True})])
    await empty.deliver([day(2, type="identify", userId="u1", traits={"vip": False})])
    late = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert await counts() == ([[1, 1, 1], [1, 1, 0], [2, 2, 1]], late)
    # Joined: two who were there on one day are one.
    await empty.deliver([day(3, type="alias", userId="u1", previousId="u2")])
    assert await counts() == ([[1, 1, 1], [1, 1, 0], [3, 1, 0]], late)
    await empty.deliver([day(4, type="delete", userId="u1")])
    assert await counts() == ([[0, 0, 0]] * 3, [])


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        ('since: "2026-01-01", until: "2026-01-01"', "`until` is not later than `since`"),
        ('since: "2026-01-01", interval: HOUR', "these are 4,801 intervals, and 1,000 are allowed"),
        ('since: "1970-01-01", until: "9999-12-01", interval: MONTH', "these are 96,359 intervals"),
        ('since: "9999-12-01", until: "9999-12-31T23:59:59Z"', "would end after the year 9999"),
        (
            'since: "9999-12-30", until: "9999-12-31T01:00:00Z", interval: WEEK',
            "after the year 9999",
        ),
        ('since: "9999-11-30", until: "9999-12-31", interval: MONTH', "after the year 9999"),
    ],
)
async def test_a_range_that_cannot_be_cut_is_refused_with_advice(
    empty: Asking, arguments: str, advice: str
) -> None:
    await empty.deliver([{"type": "identify", "userId": "u1", "traits": {"vip": True}}])
    for query in (
        f"{{ stats({arguments}) {{ start }} }}",
        f'{{ audience(key: "vip") {{ activity({arguments}) {{ members }} }} }}',
    ):
        empty.database.asked.clear()
        [error] = (await empty.ask(query))["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert advice in error["message"]
        assert empty.database.asked == []


async def test_a_thousand_intervals_are_answered(empty: Asking) -> None:
    query = '{ stats(since: "2026-01-01T00:30:00Z", until: "2026-02-11T16:00:00Z", interval: HOUR) { start end events } }'
    found = (await empty.get(query))["stats"]
    assert len(found) == 1_000
    assert found[0]["start"] == "2026-01-01T00:00:00.000000Z"
    assert found[-1]["end"] == "2026-02-11T16:00:00.000000Z"


async def test_the_first_week_of_time_begins_on_its_monday(empty: Asking) -> None:
    query = '{ stats(since: "1970-01-01", until: "1970-01-06", interval: WEEK) { start end } }'
    assert (await empty.get(query))["stats"] == [
        {"start": "1969-12-29T00:00:00.000000Z", "end": "1970-01-05T00:00:00.000000Z"},
        {"start": "1970-01-05T00:00:00.000000Z", "end": "1970-01-12T00:00:00.000000Z"},
    ]
