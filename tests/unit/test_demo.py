"""What someone who explores the demo will find there, whenever they start it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from graphql import StringValueNode, Visitor, parse, visit

from api import demo

Messages = tuple[dict[str, Any], ...]

SECONDS = 1_000_000
HOUR = 3_600 * SECONDS
DAY = 24 * HOUR


@cache
def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * SECONDS)


NOON = moment("2026-11-25T12:00:00+00:00")
NOWS = (
    NOON,
    moment("2027-02-28T23:59:59.999999+00:00"),  # A Sunday, at its last moment.
)


@cache
def story(now: int) -> Messages:
    return tuple(demo.messages(now))


@pytest.fixture(params=NOWS)
def now(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def messages(now: int) -> Messages:
    return story(now)


def at(message: dict[str, Any]) -> int:
    return moment(message["timestamp"])


def tracked(messages: Iterable[dict[str, Any]], event: str) -> list[dict[str, Any]]:
    return [message for message in messages if message.get("event") == event]


def account_of(message: dict[str, Any]) -> str | None:
    group_id = message.get("groupId", message["context"].get("groupId"))
    return None if group_id is None else str(group_id)


def mark(message: dict[str, Any]) -> str | None:
    key = message["context"].get("personas", {}).get("computation_key")
    return None if key is None else str(key)


def flags(messages: Messages, kind: str) -> Iterator[tuple[str, str, int, Any]]:
    """Yield key, whose, when and value of each marked write of one kind of call."""
    for message in messages:
        key = mark(message)
        if key is not None and message["type"] == kind:
            said = message["traits"] if "traits" in message else message["properties"]
            yield key, str(message.get("userId") or account_of(message)), at(message), said[key]


def members(messages: Messages) -> dict[str, dict[str, str]]:
    """Return each account's users and their roles at the end, by adds and removals alone."""
    roles: dict[str, dict[str, str]] = defaultdict(dict)
    for message in messages:
        account = account_of(message)
        if account is None:
            continue
        match message.get("event"):
            case "Account Added User":
                roles[account][message["userId"]] = message["properties"]["role"]
            case "Account Removed User":
                del roles[account][message["userId"]]
            case "Account Deleted":
                roles[account].clear()
            case _:
                pass
    return roles


# Time


def test_the_same_moment_tells_the_same_story_to_the_byte() -> None:
    again = tuple(demo.messages(NOON))
    assert json.dumps(again) == json.dumps(story(NOON))


def test_an_hour_later_the_story_has_only_grown_at_its_end() -> None:
    earlier, later = story(NOON), tuple(demo.messages(NOON + HOUR))
    assert later[: len(earlier)] == earlier
    assert len(later) > len(earlier)


def test_nothing_happens_or_is_received_after_now(now: int, messages: Messages) -> None:
    times = ("timestamp", "originalTimestamp", "sentAt", "receivedAt")
    assert max(moment(message[key]) for message in messages for key in times) <= now
    assert {message[key][19::4] for message in messages for key in times} == {".Z"}


def test_the_oldest_comes_first(messages: Messages) -> None:
    assert all(at(a) <= at(b) for a, b in pairwise(messages))


def test_the_story_reaches_from_half_a_year_ago_to_today(now: int, messages: Messages) -> None:
    assert 170 * DAY < now - at(messages[0]) <= 183 * DAY
    assert now - at(messages[-1]) < DAY


# Numbers


def test_the_numbers_are_those_of_a_small_company(messages: Messages) -> None:
    assert 12_000 <= len(messages) <= 20_000
    assert 270 <= len({m["userId"] for m in tracked(messages, "Signed Up")}) <= 330
    assert len({m["context"]["groupId"] for m in tracked(messages, "Account Created")}) == 40


def test_the_business_grows(now: int, messages: Messages) -> None:
    months = Counter((now - at(message)) // (30 * DAY) for message in messages)
    assert months[0] > months[2] > months[4] > 0
    assert months[0] > 3 * months[4]


def test_people_work_on_working_days(messages: Messages) -> None:
    days = Counter(
        datetime.fromisoformat(m["timestamp"]).weekday()
        for m in tracked(messages, "Task Completed")
    )
    assert 0 < days[5] + days[6] < sum(days.values()) / 10


def test_some_customers_are_heavy_and_most_are_light(messages: Messages) -> None:
    sizes = sorted(Counter(m["userId"] for m in messages if m.get("userId")).values())
    assert sizes[len(sizes) // 2] < 60
    assert sizes[-1] > 250
    assert sum(sizes[-len(sizes) // 10 :]) > sum(sizes) / 3


# Form


def test_every_message_has_a_subject_a_known_type_and_an_id_of_its_own(messages: Messages) -> None:
    kinds = {"track", "identify", "group", "alias", "page", "screen"}
    assert {message["type"] for message in messages} == kinds
    for message in messages:
        assert message.get("userId") or message.get("anonymousId") or account_of(message), message
    assert len({message["messageId"] for message in messages}) == len(messages)


def test_every_message_survives_the_way_through_json(messages: Messages) -> None:
    assert json.loads(json.dumps(messages, allow_nan=False)) == list(messages)


def test_all_addresses_are_in_domains_that_cannot_exist(messages: Messages) -> None:
    emails = {m["traits"]["email"] for m in messages if "email" in m.get("traits", {})}
    assert len(emails) > 250
    assert all(email.isascii() and email.endswith((".example", ".test")) for email in emails)


# Accounts and their people


def test_nobody_becomes_a_member_before_they_exist_nor_of_an_account_before_it_does(
    messages: Messages,
) -> None:
    users: set[str] = set()
    accounts: set[str] = set()
    for message in messages:
        match message.get("event"):
            case "Signed Up":
                users.add(message["userId"])
            case "Account Created":
                accounts.add(message["context"]["groupId"])
            case "Account Added User" | "Account Removed User":
                assert message["userId"] in users
                assert account_of(message) in accounts
            case _:
                assert message["type"] != "group" or account_of(message) in accounts


def test_only_members_are_removed_and_whoever_is_removed_does_not_work_there(
    messages: Messages,
) -> None:
    here: set[tuple[str, str | None]] = set()
    removed: dict[tuple[str, str | None], int] = {}
    for message in messages:
        place = (str(message.get("userId")), account_of(message))
        match message.get("event"):
            case "Account Added User":
                here.add(place)
            case "Account Removed User":
                here.remove(place)
                removed[place] = at(message)
            case "Task Created" | "Task Completed" | "Report Viewed":
                # A visit that began before the removal may end shortly after it.
                assert at(message) - removed.get(place, at(message)) < HOUR
            case _:
                pass
    assert removed


def test_every_account_that_lives_has_one_owner(messages: Messages) -> None:
    roles = members(messages)
    deleted = {m["context"]["groupId"] for m in tracked(messages, "Account Deleted")}
    for account in {
        m["context"]["groupId"] for m in tracked(messages, "Account Created")
    } - deleted:
        assert Counter(roles[account].values())["owner"] == 1
    assert set().union(*(r.values() for r in roles.values())) == {
        "owner",
        "admin",
        "member",
        "viewer",
    }


def test_some_accounts_were_deleted_and_one_of_them_came_back(messages: Messages) -> None:
    deleted = {m["context"]["groupId"]: at(m) for m in tracked(messages, "Account Deleted")}
    revived = {
        account_of(message)
        for message in messages
        if (message["type"] == "group" or message.get("event") == "Account Created")
        and mark(message) is None
        and at(message) > deleted.get(str(account_of(message)), at(message))
    }
    assert len(deleted) == 4
    assert revived == {"phoenix-print-shop"}
    plans = [
        m["traits"].get("plan") for m in messages if account_of(m) in revived and "traits" in m
    ]
    assert list(filter(None, plans)) == ["trial", "team", "free"]
    assert set(members(messages)["phoenix-print-shop"].values()) >= {"owner"}


def test_one_person_is_a_member_of_several_accounts(messages: Messages) -> None:
    accounts = Counter(user for roles in members(messages).values() for user in roles)
    assert max(accounts.values()) >= 3


# Who is who


def test_everyone_looked_around_before_they_signed_up(messages: Messages) -> None:
    first: dict[str, dict[str, Any]] = {}
    for message in messages:
        if message.get("anonymousId"):
            first.setdefault(message["anonymousId"], message)
    devices = {m["anonymousId"] for m in tracked(messages, "Signed Up")}
    assert all(first[device].get("userId") is None for device in devices)
    assert len(first) > len(devices) + 30, "some visitors never sign up"


def test_two_people_share_a_device(messages: Messages) -> None:
    users: dict[str, set[str]] = defaultdict(set)
    for message in messages:
        if message.get("userId") and message.get("anonymousId"):
            users[message["anonymousId"]].add(message["userId"])
    assert sorted(map(len, users.values()))[-2:] == [1, 2]


def test_an_alias_joins_two_users_who_were_both_seen(messages: Messages) -> None:
    aliases = [message for message in messages if message["type"] == "alias"]
    assert aliases
    for alias in aliases:
        before = {m.get("userId") for m in messages if at(m) < at(alias)}
        assert {alias["userId"], alias["previousId"]} <= before
        assert not tracked(
            [m for m in messages if m.get("userId") == alias["previousId"] and at(m) > at(alias)],
            "Task Completed",
        )


# Traits


def test_the_billing_job_states_what_was_paid_without_naming_a_user(messages: Messages) -> None:
    paid: Counter[str | None] = Counter()
    totals: dict[str | None, float] = {}
    for message in messages:
        if message.get("event") == "Invoice Paid":
            paid[account_of(message)] += round(100 * message["properties"]["amount"])
        elif "total billed" in message.get("traits", {}):
            assert message.get("userId") is None
            assert round(100 * message["traits"]["total billed"]) == paid[account_of(message)]
            totals[account_of(message)] = message["traits"]["total billed"]
    assert len({total for total in totals.values() if total > 0}) >= 10


def test_traits_come_in_every_shape_a_reader_must_cope_with(messages: Messages) -> None:
    values: dict[str, list[Any]] = defaultdict(list)
    for message in messages:
        for key, value in message.get("traits", {}).items():
            values[key].append(value)
    assert {type(value) for value in values["employees"]} == {int, str}
    assert {type(value) for value in values["nps"]} == {int, str}
    assert None in values["phone"]
    assert None in values["trial_plan_name"]
    assert all(isinstance(value, dict) for value in values["address"])
    assert all(isinstance(value, list) for value in values["departments"])
    assert {"firstName", "first_name"} <= set(values)
    assert "田中" in values["lastName"]
    assert set(values["plan"]) == {"free", "trial", "team", "enterprise"}


# Audiences


def test_every_audience_is_entered_and_left_and_only_changes_are_told(messages: Messages) -> None:
    told: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for key, who, _, value in [*flags(messages, "identify"), *flags(messages, "group")]:
        told[key, who].append(value)
    seen: dict[str, set[Any]] = defaultdict(set)
    for (key, _), values in told.items():
        assert all(a != b for a, b in pairwise(values))
        seen[key].update(values)
        if key != "logins_30d":
            assert values[0] in (True, "true"), "nobody leaves who never entered"
    assert seen.pop("onboarding_first_week") == {"true", "false"}
    assert len(seen.pop("logins_30d")) > 5
    audiences = "power_users at_risk order_completed_last_30days trial_expiring expansion_ready"
    assert set(seen) == set(audiences.split())
    assert all(values == {True, False} for values in seen.values())


def test_audience_events_say_what_the_traits_say(messages: Messages) -> None:
    by_trait = {(key, who, value) for key, who, _, value in flags(messages, "identify")}
    events = tracked(messages, "Audience Entered") + tracked(messages, "Audience Exited")
    for key, who, _, value in flags(messages, "track"):
        assert (key, who, value) in by_trait
    for event in events:
        key = event["properties"]["audience_key"]
        assert event["properties"][key] == (event["event"] == "Audience Entered")
    assert {event["properties"]["audience_key"] for event in events} == {
        "power_users",
        "trial_expiring",
    }


def test_whoever_is_at_risk_has_been_away_for_three_weeks(messages: Messages) -> None:
    last: dict[str, int] = {}
    checked = 0
    joined = {m["previousId"] for m in messages if m["type"] == "alias"}
    for message in messages:
        user = str(message.get("userId"))
        if mark(message) == "at_risk" and message["traits"]["at_risk"] and user not in joined:
            assert at(message) - last[user] > 21 * DAY
            checked += 1
        elif message["type"] in ("track", "page", "screen") and mark(message) is None:
            last[user] = at(message)
    assert checked > 10


class _Asked(Visitor):
    """Collects the text arguments of a query."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def enter_string_value(self, node: StringValueNode, *_: object) -> None:
        self.texts.append(node.value)


@pytest.fixture
def asked() -> set[str]:
    query = _Asked()
    visit(parse(demo.EXAMPLE_QUERY), query)
    return set(query.texts)


def test_the_example_query_finds_admins_who_are_power_users(
    messages: Messages, asked: set[str]
) -> None:
    account, role, audience = "brightwater-foods", "admin", "power_users"
    assert {account, role, audience} <= asked
    admins = {user for user, held in members(messages)[account].items() if held == role}
    flag = {who: value for key, who, _, value in flags(messages, "identify") if key == audience}
    assert len([user for user in admins if flag.get(user)]) >= 2
    said = {key for message in messages for key in message.get("traits", {})}
    assert asked - {account, role} <= said
