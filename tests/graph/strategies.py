"""Filters and orders as callers could write them, over the words of the world and some others."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.graph.world import DEVICES, EVENTS, GROUPS, KEYS, NAMES, ROLES, USERS, VALUES

# The small sigma of the middle of a word, which is not the one at its end.
_NASTY = ["", "'", '"; --', "%", "_", "é", "É", "İ", "\u03c3", "Σ", "nobody"]
_IDS = st.sampled_from([*USERS[:8], "U1", "old-u3", "42", *_NASTY])
_MOMENTS = st.sampled_from(
    [
        "2026-01-01T00:00:00Z",
        "2026-03-01T10:00:00+02:00",
        "2026-06-27T00:00:01.000001Z",
        "2026-07-18T00:00:03Z",
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999Z",
    ]
)
_SPANS = st.sampled_from(["P1D", "P30D", "P26W", "PT36H", "P0D", "P1W2DT3H4M5S"])


def _some(
    fields: dict[str, st.SearchStrategy[Any]], most: int
) -> st.SearchStrategy[dict[str, Any]]:
    chosen = st.lists(st.sampled_from(sorted(fields)), max_size=most, unique=True)
    return chosen.flatmap(
        lambda names: st.fixed_dictionaries({name: fields[name] for name in names})
    )


def texts(values: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Give StringFilters."""
    part = st.one_of(values, st.sampled_from(["a", "AD", "u1", " ", "example", *_NASTY]))
    return _some(
        {
            "eq": values,
            "ne": values,
            "in": st.lists(values, max_size=3),
            "notIn": st.lists(values, max_size=3),
            "contains": part,
            "startsWith": part,
            "exists": st.booleans(),
        },
        2,
    )


def times() -> st.SearchStrategy[dict[str, Any]]:
    """Give DateTimeFilters."""
    fields: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(
        ("eq", "gt", "gte", "lt", "lte"), _MOMENTS
    )
    return _some({**fields, "within": _SPANS, "exists": st.booleans()}, 2)


def numbers() -> st.SearchStrategy[dict[str, Any]]:
    """Give IntFilters."""
    number = st.integers(-1, 6)
    fields: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(
        ("eq", "ne", "gt", "gte", "lt", "lte"), number
    )
    return _some(
        {**fields, "in": st.lists(number, max_size=3), "notIn": st.lists(number, max_size=3)}, 2
    )


def traits() -> st.SearchStrategy[dict[str, Any]]:
    """Give TraitFilters."""
    value = st.sampled_from([each for each in VALUES if each is not None])
    part = st.sampled_from(["p", "PRO", "1", "é", "É", "", "tru"])
    operators = _some(
        {
            **dict.fromkeys(("eq", "ne", "gt", "gte", "lt", "lte"), value),
            "in": st.lists(value, max_size=3),
            "notIn": st.lists(value, max_size=3),
            "contains": part,
            "startsWith": part,
            "exists": st.booleans(),
        },
        2,
    )
    keys = st.sampled_from([*KEYS, "vip", "beta", "email", "no such key"])
    return st.tuples(keys, operators).map(lambda pair: {"key": pair[0], **pair[1]})


def audiences() -> st.SearchStrategy[dict[str, Any]]:
    """Give AudienceFilters."""
    keys = st.lists(
        st.sampled_from(["vip", "beta", "order_completed_last_30days", "$", "o'clock"]), max_size=2
    )
    return _some({"in": keys, "inAny": keys, "notIn": keys}, 2)


def counts() -> st.SearchStrategy[dict[str, Any]]:
    """Give EventCountFilters."""
    return _some(
        {
            "name": texts(st.sampled_from(EVENTS)),
            "type": _types(),
            "since": _MOMENTS,
            "until": _MOMENTS,
            "within": _SPANS,
            "count": numbers(),
        },
        3,
    )


def events() -> st.SearchStrategy[dict[str, Any]]:
    """Give EventFilters."""
    return _some(
        {
            "type": _types(),
            "name": texts(st.sampled_from(EVENTS)),
            "timestamp": times(),
            "userId": texts(_IDS),
            "anonymousId": texts(st.sampled_from([*DEVICES, "u1"])),
            "groupId": texts(st.sampled_from([*GROUPS, "A1"])),
            "messageId": texts(st.sampled_from([f"m{number:04}" for number in range(1, 400, 37)])),
        },
        3,
    )


def customers(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Give CustomerFilters, nested so deep."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "userId": texts(_IDS),
        "email": texts(st.sampled_from(["u1@Example.com", "same@example.com", *_NASTY])),
        "name": texts(st.sampled_from([*NAMES, *_NASTY])),
        "signedUpAt": times(),
        "firstSeenAt": times(),
        "lastSeenAt": times(),
        "trait": traits(),
        "audience": audiences(),
        "events": counts(),
    }
    if depth:
        fields["accounts"] = _quantified(accounts(depth - 1))
        fields.update(_logic(customers(depth - 1)))
    return _some(fields, 2)


def accounts(depth: int = 2) -> st.SearchStrategy[dict[str, Any]]:
    """Give AccountFilters, nested so deep."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "groupId": texts(st.sampled_from([*GROUPS, *_NASTY])),
        "name": texts(st.sampled_from([*NAMES, *_NASTY])),
        "createdAt": times(),
        "firstSeenAt": times(),
        "lastSeenAt": times(),
        "deleted": st.booleans(),
        "trait": traits(),
        "audience": audiences(),
        "events": counts(),
    }
    if depth:
        fields["members"] = _quantified(customers(depth - 1))
        fields.update(_logic(accounts(depth - 1)))
    return _some(fields, 2)


def orders(fields: list[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Give values of `orderBy`."""
    by_field = st.fixed_dictionaries({"field": st.sampled_from(fields)})
    by_trait = st.fixed_dictionaries({"trait": st.sampled_from([*KEYS[:6], "no such key", "vip"])})
    term = st.one_of(by_field, by_trait).flatmap(
        lambda chosen: st.sampled_from([{}, {"direction": "ASC"}, {"direction": "DESC"}]).map(
            lambda direction: {**chosen, **direction}
        )
    )
    return st.lists(term, max_size=3)


CUSTOMER_ORDERS = ["LAST_SEEN_AT", "FIRST_SEEN_AT", "SIGNED_UP_AT", "NAME", "EMAIL", "USER_ID"]
ACCOUNT_ORDERS = ["LAST_SEEN_AT", "FIRST_SEEN_AT", "CREATED_AT", "NAME", "GROUP_ID"]


def _types() -> st.SearchStrategy[list[str]]:
    kinds = ["TRACK", "IDENTIFY", "GROUP", "ALIAS", "PAGE", "SCREEN", "DELETE"]
    return st.lists(st.sampled_from(kinds), max_size=3)


def _quantified(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    roles = [role for role in ROLES if role is not None]
    role = texts(st.sampled_from(roles))
    return _some({"role": role, "some": inner, "none": inner, "every": inner}, 2)


def _logic(inner: st.SearchStrategy[Any]) -> dict[str, st.SearchStrategy[Any]]:
    several = st.lists(inner, max_size=2)
    return {"and": several, "or": several, "not": st.one_of(inner, st.none())}
