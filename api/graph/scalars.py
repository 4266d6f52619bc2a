"""The scalars of the schema, as read from requests."""

from __future__ import annotations

import re
from typing import Any, NewType

import strawberry
from graphql import (
    FloatValueNode,
    GraphQLError,
    IntValueNode,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
)
from graphql.utilities import value_from_ast_untyped
from strawberry.types.scalar import ScalarDefinition

from ingest import clock
from models.values import Micros

Moment = NewType("Moment", int)
"""A `DateTime` of the schema: microseconds since 1970, UTC."""

Span = NewType("Span", int)
"""A `Duration` of the schema: microseconds."""

Json = NewType("Json", object)
"""A `JSON` value of the schema."""

_RFC_3339 = "https://www.rfc-editor.org/rfc/rfc3339"
_DURATION = re.compile(
    r"P(?=.)(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?=.)(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,10})(?:[.,](\d{1,9}))?S)?)?"
)
_DAY = 86_400
_SHOWN_MAX = 60


def read_moment(value: object) -> Moment:
    """Return a `DateTime` as it came; raise GraphQLError with advice when it is none."""
    at = clock.read(value) if isinstance(value, str) else None
    if at is None:
        raise GraphQLError(
            f"{_shown(value)} is no DateTime between 1970 and 9999: write it as 2026-03-01T10:00:00Z"
        )
    return Moment(at)


def read_span(value: object) -> Span:
    """Return a `Duration` as it came; raise GraphQLError with advice when it is none."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise GraphQLError(
            f"{_shown(value)} is no Duration of weeks, days, hours, minutes and seconds: write it as P30D or PT1H30M"
        )
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:5])
    whole = weeks * 7 * _DAY + days * _DAY + hours * 3_600 + minutes * 60 + seconds
    return Span(whole * clock.SECOND + int((match[6] or "").ljust(6, "0")[:6]))


def print_moment(value: object) -> str:
    """Return a moment as text; what the database has already printed stays as it is."""
    return value if isinstance(value, str) else clock.text(as_micros(value))


def as_micros(value: object) -> Micros:
    """Return a moment as the number it is."""
    if not isinstance(value, int):
        raise GraphQLError(f"{_shown(value)} is no moment")
    return value


def read_json(node: ValueNode, variables: dict[str, Any] | None = None) -> object:
    """Return a JSON value written in the document itself."""
    try:
        _check_numbers(node)
        return value_from_ast_untyped(node, variables)
    except ValueError:
        raise GraphQLError(
            "a number has too many digits: send it in a variable, or as text"
        ) from None


def _check_numbers(node: ValueNode) -> None:
    # Python would make infinity of 1e999, and JSON has none.
    if isinstance(node, FloatValueNode) and float(node.value) in (float("inf"), float("-inf")):
        raise ValueError
    if isinstance(node, IntValueNode):
        int(node.value)
    if isinstance(node, ListValueNode):
        for item in node.values:
            _check_numbers(item)
    if isinstance(node, ObjectValueNode):
        for field in node.fields:
            _check_numbers(field.value)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."


def _as_it_is(value: object) -> object:
    return value


SCALARS: dict[object, ScalarDefinition] = {
    Moment: strawberry.scalar(
        name="DateTime",
        description=(
            "A moment in UTC with microseconds, as RFC 3339 text: `2026-03-01T10:00:00.000000Z`.\n"
            "As input any offset is accepted; a time without one is UTC."
        ),
        specified_by_url=_RFC_3339,
        serialize=print_moment,
        parse_value=read_moment,
    ),
    Span: strawberry.scalar(
        name="Duration",
        description=(
            "A length of time in weeks, days, hours, minutes and seconds, as ISO 8601 text: `P30D`, `PT1H30M`, `P2W`.\n"
            "Years and months are refused, because their length varies."
        ),
        specified_by_url=f"{_RFC_3339}#appendix-A",
        serialize=_as_it_is,
        parse_value=read_span,
    ),
    Json: strawberry.scalar(
        name="JSON",
        description=(
            "Any JSON value: text, number, boolean, null, list or object."
            " It is the value itself, not text that holds JSON.\n"
            "Integers beyond 2^53 stay exact, if need be as decimal text."
        ),
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=_as_it_is,
        parse_value=_as_it_is,
        parse_literal=read_json,
    ),
}
"""What each of these types is in the schema."""
