"""The schema keeps its promises from release to release: described, deprecated before it goes, unbroken."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    DangerousChangeType,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    find_dangerous_changes,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
)

from api.graph.schema import schema

HERE = Path(__file__).parent
RELEASED = (HERE / "released.graphql").read_text()
DECLARED = tomllib.loads((HERE / "breaking.toml").read_text()).get("change", [])

# What a client is told: since when, what to use, and until when it stays at least.
DEPRECATION = re.compile(
    r"Since (\d+)\.(\d+): use `\S[^`]*`(?: .*)?\. Goes in (\d+)\.(\d+) at the earliest\."
)
MINORS_MIN = 2


def elements(built: GraphQLSchema) -> Iterator[tuple[str, Any]]:
    """Yield each type, field, argument, input field, enum value and directive of a schema, by its name."""
    for kind in built.type_map.values():
        if is_introspection_type(kind) or is_specified_scalar_type(kind):
            continue
        yield kind.name, kind
        if isinstance(kind, GraphQLEnumType):
            yield from ((f"{kind.name}.{name}", value) for name, value in kind.values.items())
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in kind.fields.items():
                yield f"{kind.name}.{name}", field
                arguments = getattr(field, "args", {}).items()
                yield from ((f"{kind.name}.{name}({arg}:)", each) for arg, each in arguments)
    for directive in built.directives:
        if not is_specified_directive(directive):
            yield f"@{directive.name}", directive


def undescribed(built: GraphQLSchema) -> set[str]:
    """Return the names of what says nothing of itself."""
    return {name for name, each in elements(built) if not (each.description or "").strip()}


def hasty(built: GraphQLSchema) -> set[str]:
    """Return the names of what is deprecated without saying since when, for what, and until when."""
    reasons = {name: getattr(each, "deprecation_reason", None) for name, each in elements(built)}
    return {name for name, reason in reasons.items() if reason is not None and not _fair(reason)}


def _fair(reason: str) -> bool:
    found = DEPRECATION.fullmatch(reason)
    if found is None:
        return False
    major, minor, last_major, last_minor = map(int, found.groups())
    return last_major > major or (last_major == major and last_minor >= minor + MINORS_MIN)


def breaks(before: GraphQLSchema, after: GraphQLSchema) -> set[str]:
    """Return what breaks clients: also a new value of an enum that did not say it may have more."""
    found = {change.description for change in find_breaking_changes(before, after)}
    for change in find_dangerous_changes(before, after):
        if change.type is DangerousChangeType.VALUE_ADDED_TO_ENUM:
            # "Enum value Kind.OTHER was added."
            name = change.description.split()[2].partition(".")[0]
            # An enum that is only sent to us surprises no client with a value more.
            if name in _answered(before) and "More may be added" not in _said(before, name):
                found.add(change.description)
    return found


def _said(built: GraphQLSchema, name: str) -> str:
    return built.type_map[name].description or ""


def _answered(built: GraphQLSchema) -> set[str]:
    objects = [
        kind
        for kind in built.type_map.values()
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
    ]
    fields = [field for kind in objects for field in kind.fields.values()]
    return {re.sub(r"[\[\]!]", "", str(field.type)) for field in fields}


def test_everything_says_what_it_is() -> None:
    assert undescribed(schema()) == set()


def test_what_is_deprecated_says_since_when_for_what_and_until_when() -> None:
    assert hasty(schema()) == set()


def test_no_client_of_the_last_release_breaks_but_where_it_is_declared_with_a_reason() -> None:
    found = breaks(build_schema(RELEASED), schema())
    assert found == {each["breaks"] for each in DECLARED}, (
        "declare it in tests/contract/breaking.toml"
    )
    assert all(len(each["reason"]) > 20 for each in DECLARED)


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ("type Query { a: Int b: Int }", "type Query { a: Int }", True),
        ("type Query { a: Int }", "type Query { a(b: Int!): Int }", True),
        ("type Query { a: Int! }", "type Query { a: Int }", True),
        ("type Query { a: Int }", "type Query { a(b: Int): Int! b: Int }", False),
        ("type Query { a: E } enum E { X }", "type Query { a: E } enum E { X Y }", True),
        ("type Query { a: [E!]! } enum E { X }", "type Query { a: [E!]! } enum E { X Y }", True),
        (
            'type Query { a: E } "Kinds. More may be added." enum E { X }',
            'type Query { a: E } "Kinds. More may be added." enum E { X Y }',
            False,
        ),
        (
            "type Query { a(b: E): Int } enum E { X }",
            "type Query { a(b: E): Int } enum E { X Y }",
            False,
        ),
    ],
)
def test_what_breaks_clients_is_found(before: str, after: str, *, broken: bool) -> None:
    assert bool(breaks(build_schema(before), build_schema(after))) is broken


def test_what_says_nothing_or_goes_too_soon_is_found() -> None:
    built = build_schema(
        """
        "All." type Query {
          a("A." b: Int, c: Int): Int
          "D." d: E @deprecated(reason: "Since 0.3: use `f`. Goes in 0.5 at the earliest.")
          "E." e: Int @deprecated(reason: "Since 0.3: use `f`. Goes in 0.4 at the earliest.")
          "F." f(g: I): Int @deprecated(reason: "old")
        }
        enum E { X } input I { x: Int }
        """
    )
    assert undescribed(built) == {"Query.a", "Query.a(c:)", "Query.f(g:)", "E", "E.X", "I", "I.x"}
    assert hasty(built) == {"Query.e", "Query.f"}
