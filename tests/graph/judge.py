"""What filters, searches and orders mean, said in plain Python row by row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cmp_to_key
from typing import Any

import msgspec

from models import tables
from models.values import EventType
from tests.graph.rows import Rows
from tests.graph.world import NOW

Given = Mapping[str, Any]
_UNITS = {"W": 7 * 86_400, "D": 86_400, "H": 3_600, "M": 60, "S": 1}


def micros(text: str) -> int:
    """Return an RFC 3339 text as microseconds."""
    moment = datetime.fromisoformat(text)
    past = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (past.days * 86_400 + past.seconds) * 1_000_000 + past.microseconds


def length(text: str) -> int:
    """Return an ISO 8601 duration as microseconds."""
    parts = re.findall(r"(\d+)([WDHMS])", text)
    return sum(int(number) * _UNITS[unit] for number, unit in parts) * 1_000_000


class Judge:
    """Says of each row whether a filter holds."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def customer(self, row: tables.Customer, given: Given | None) -> bool:
        """Return whether a CustomerFilter holds of a customer."""
        ids = [each.identifier for each in self.rows.identities_of[row.id] if each.kind == 0]
        return _all(
            given,
            lambda each: self.customer(row, each),
            {
                "userId": lambda value: _texts(ids, value),
                "email": lambda value: _text(row.email, value),
                "name": lambda value: _text(row.name, value),
                "signedUpAt": lambda value: _time(row.signed_up_at, value),
                "firstSeenAt": lambda value: _time(row.first_seen_at, value),
                "lastSeenAt": lambda value: _time(row.last_seen_at, value),
                "trait": lambda value: _trait(row.traits, value),
                "audience": lambda value: self._audience(0, row.id, value),
                "accounts": lambda value: _quantified(
                    self.rows.accounts_of[row.id],
                    value,
                    lambda place, wanted: self.account(self.rows.account[place.account_id], wanted),
                ),
                "events": lambda value: self._counted(self.rows.timeline_of[row.id], value),
            },
        )

    def account(self, row: tables.Account, given: Given | None) -> bool:
        """Return whether an AccountFilter holds of an account, deleted or not."""
        return _all(
            given,
            lambda each: self.account(row, each),
            {
                "groupId": lambda value: _text(row.group_id, value),
                "name": lambda value: _text(row.name, value),
                "createdAt": lambda value: _time(row.created_at, value),
                "firstSeenAt": lambda value: _time(row.first_seen_at, value),
                "lastSeenAt": lambda value: _time(row.last_seen_at, value),
                "deleted": lambda value: (row.deleted_at is not None) == value,
                "trait": lambda value: _trait(row.traits, value),
                "audience": lambda value: self._audience(1, row.id, value),
                "members": lambda value: _quantified(
                    self.rows.members_of[row.id],
                    value,
                    lambda place, wanted: self.customer(
                        self.rows.customer[place.customer_id], wanted
                    ),
                ),
                "events": lambda value: self._counted(self.rows.account_events_of[row.id], value),
            },
        )

    def listed_account(self, row: tables.Account, given: Given | None) -> bool:
        """Return the same for a list, from which deleted accounts are absent unless asked for."""
        mentioned = '"deleted"' in msgspec.json.encode(_own(given)).decode()
        return self.account(row, given) and (mentioned or row.deleted_at is None)

    def event(self, row: tables.Event, given: Given | None) -> bool:
        """Return whether an EventFilter holds of an event."""
        return _all(
            given,
            lambda _: False,
            {
                "type": lambda value: EventType(row.type).name in value,
                "name": lambda value: _text(row.name, value),
                "timestamp": lambda value: _time(row.at, value),
                "userId": lambda value: _text(self.sent(row, "userId"), value),
                "anonymousId": lambda value: _text(self.sent(row, "anonymousId"), value),
                "groupId": lambda value: _text(self.sent(row, "groupId"), value),
                "messageId": lambda value: _text(row.message_id, value),
            },
        )

    def sent(self, row: tables.Event, name: str) -> str | None:
        """Return an id that an event was sent with."""
        if name == "groupId":
            return None if row.account_id is None else self.rows.account[row.account_id].group_id
        places = [row.whom] if name == "userId" else [row.device, row.whom]
        for place in places:
            if place is not None and self.rows.identity[place].kind == (name == "anonymousId"):
                return self.rows.identity[place].identifier
        return None

    def found_customer(self, row: tables.Customer, search: str | None) -> bool:
        """Return whether each word of a search begins something of a customer."""
        ids = [each.identifier for each in self.rows.identities_of[row.id]]
        return _found(search, [row.email, row.name, *ids])

    def found_account(self, row: tables.Account, search: str | None) -> bool:
        """Return whether each word of a search begins something of an account."""
        return _found(search, [row.name, row.group_id])

    def role(self, row: tables.Membership, given: Given | None) -> bool:
        """Return whether a StringFilter holds of a role."""
        return given is None or _text(row.role, given)

    def _audience(self, entity: int, owner: int, given: Given) -> bool:
        flags = [flag for flag in self.rows.flags_of[entity, owner] if flag.member == 1]
        held = {self.rows.audience[flag.audience_id].key for flag in flags}
        return (
            ("in" not in given or held >= set(given["in"]))
            and ("inAny" not in given or bool(held & set(given["inAny"])))
            and ("notIn" not in given or not held & set(given["notIn"]))
        )

    def _counted(self, events: Sequence[tables.Event], given: Given) -> bool:
        def fits(row: tables.Event) -> bool:
            within = given.get("within")
            return (
                _text(row.name, given.get("name") or {})
                and ("type" not in given or EventType(row.type).name in given["type"])
                and ("since" not in given or row.at >= micros(given["since"]))
                and ("until" not in given or row.at < micros(given["until"]))
                and (within is None or NOW - length(within) <= row.at <= NOW)
            )

        count = sum(map(fits, events))
        wanted = given.get("count")
        return count >= 1 if wanted is None else _compared(count, wanted)


def ordered(rows: Iterable[Any], terms: Sequence[tuple[Callable[[Any], Any], bool]]) -> list[Any]:
    """Return rows sorted by terms of value and whether downward; without a value they come last."""

    def compare(left: Any, right: Any) -> int:
        for value, down in terms:
            a, b = value(left), value(right)
            if (a is None) != (b is None):
                return 1 if a is None else -1
            if a is not None and a != b:
                return (1 if a > b else -1) * (-1 if down else 1)
        return 0

    return sorted(rows, key=cmp_to_key(compare))


def trait_rank(traits: str, key: str) -> Any:
    """Return what a trait sorts by; None where it is missing."""
    values = msgspec.json.decode(traits)
    if key not in values:
        return None
    value = values[key]
    if _kind(value) == "number":
        return (0, value)
    return (1, value.encode()) if isinstance(value, str) else (2,)


def _all(
    given: Given | None,
    whole: Callable[[Given], bool],
    fields: Mapping[str, Callable[[Any], bool]],
) -> bool:
    for name, value in (given or {}).items():
        if value is None:
            continue
        if name == "and":
            holds = all(whole(each) for each in value)
        elif name == "or":
            holds = any(whole(each) for each in value)
        elif name == "not":
            holds = not whole(value)
        else:
            holds = fields[name](value)
        if not holds:
            return False
    return True


def _own(given: Given | None) -> Any:
    kept = ("and", "or", "not", "deleted")
    found = {name: value for name, value in (given or {}).items() if name in kept}
    return {
        name: [_own(each) for each in value]
        if isinstance(value, list)
        else _own(value)
        if isinstance(value, dict)
        else value
        for name, value in found.items()
    }


def _text(value: str | None, given: Given) -> bool:
    return _texts([] if value is None else [value], given)


def _texts(values: Sequence[str], given: Given) -> bool:
    tests: dict[str, Callable[[Any], bool]] = {
        "eq": lambda wanted: wanted in values,
        "ne": lambda wanted: wanted not in values,
        "in": lambda wanted: any(value in wanted for value in values),
        "notIn": lambda wanted: not any(value in wanted for value in values),
        "contains": lambda part: any(part.lower() in value.lower() for value in values),
        "startsWith": lambda part: any(value.lower().startswith(part.lower()) for value in values),
        "exists": lambda wanted: bool(values) == wanted,
    }
    return all(tests[name](wanted) for name, wanted in given.items())


def _time(value: int | None, given: Given) -> bool:
    tests: dict[str, Callable[[int, str], bool]] = {
        "eq": lambda at, wanted: at == micros(wanted),
        "gt": lambda at, wanted: at > micros(wanted),
        "gte": lambda at, wanted: at >= micros(wanted),
        "lt": lambda at, wanted: at < micros(wanted),
        "lte": lambda at, wanted: at <= micros(wanted),
        "within": lambda at, wanted: NOW - length(wanted) <= at <= NOW,
    }
    for name, wanted in given.items():
        if name == "exists":
            if (value is not None) != wanted:
                return False
        elif value is None or not tests[name](value, wanted):
            return False
    return True


def _compared(value: int, given: Given) -> bool:
    tests: dict[str, Callable[[Any], bool]] = {
        "eq": lambda wanted: value == wanted,
        "ne": lambda wanted: value != wanted,
        "in": lambda wanted: value in wanted,
        "notIn": lambda wanted: value not in wanted,
        "gt": lambda wanted: value > wanted,
        "gte": lambda wanted: value >= wanted,
        "lt": lambda wanted: value < wanted,
        "lte": lambda wanted: value <= wanted,
    }
    return all(tests[name](wanted) for name, wanted in given.items())


def _trait(traits: str, given: Given) -> bool:
    values = msgspec.json.decode(traits)
    there = given["key"] in values
    value = values.get(given["key"])
    tests: dict[str, Callable[[Any], bool]] = {
        "eq": lambda wanted: there and equal(value, wanted),
        "ne": lambda wanted: not (there and equal(value, wanted)),
        "in": lambda wanted: there and any(equal(value, each) for each in wanted),
        "notIn": lambda wanted: not (there and any(equal(value, each) for each in wanted)),
        "gt": lambda wanted: _comparable(value, wanted) and value > wanted,
        "gte": lambda wanted: _comparable(value, wanted) and value >= wanted,
        "lt": lambda wanted: _comparable(value, wanted) and value < wanted,
        "lte": lambda wanted: _comparable(value, wanted) and value <= wanted,
        "contains": lambda part: isinstance(value, str) and part.lower() in value.lower(),
        "startsWith": lambda part: (
            isinstance(value, str) and value.lower().startswith(part.lower())
        ),
        "exists": lambda wanted: there == wanted,
    }
    return all(tests[name](wanted) for name, wanted in given.items() if name != "key")


def equal(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal, types kept apart."""
    if _kind(left) != _kind(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(equal(left[key], right[key]) for key in left)
    return bool(left == right)


def _comparable(left: Any, right: Any) -> bool:
    return _kind(left) == _kind(right) and _kind(left) in {"number", "text"}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return {str: "text", list: "list", dict: "object", type(None): "null"}[type(value)]


def _quantified(places: Sequence[Any], given: Given, holds: Callable[[Any, Given], bool]) -> bool:
    role = given.get("role")
    counted = [place for place in places if role is None or _text(place.role, role)]
    asked = {name: wanted for name, wanted in given.items() if wanted is not None}
    if set(asked) == {"role"}:
        return bool(counted)
    return (
        ("some" not in asked or any(holds(place, asked["some"]) for place in counted))
        and ("none" not in asked or not any(holds(place, asked["none"]) for place in counted))
        and ("every" not in asked or all(holds(place, asked["every"]) for place in counted))
    )


def _found(search: str | None, texts: Sequence[str | None]) -> bool:
    def begins(word: str, text: str) -> bool:
        if text.startswith(word):
            return True
        return word.isalnum() and any(
            text.startswith(word, at) and not text[at - 1].isalnum() for at in range(1, len(text))
        )

    there = [text.lower() for text in texts if text is not None]
    return all(any(begins(word, text) for text in there) for word in (search or "").lower().split())
