"""The served schema holds the public contract: every name, and what each says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    find_breaking_changes,
    parse,
    validate,
)

from api.auth import Scope
from api.graph.compile import renders
from api.graph.schema import print_schema, schema
from tests.graph.graphs import Asking

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "tests" / "contract" / "contract.graphql"
PAGES = ROOT / "tests" / "contract" / "documents"


def contract() -> GraphQLSchema:
    """Return the contract as a schema."""
    return build_schema(CONTRACT.read_text())


def test_nothing_of_the_contract_is_broken() -> None:
    assert find_breaking_changes(contract(), schema()) == []


# What is served beyond the contract: enums that say that they may grow.
ADDED = {"QuarantineReason.FAILED"}


def test_what_is_served_beyond_the_contract_is_what_this_says() -> None:
    added = find_breaking_changes(schema(), contract())
    told = {change.description for change in added}
    assert told == {f"Enum value {name} was removed." for name in ADDED}


def test_each_type_field_and_argument_says_what_the_contract_says() -> None:
    ours, theirs = dict(_said(schema())), dict(_said(contract()))
    assert all(ours.values())
    shared = {name: said for name, said in ours.items() if name not in ADDED}
    differing = {name: said for name, said in shared.items() if theirs.get(name) != said}
    assert differing == {}


def test_the_schema_in_the_repository_is_the_one_that_is_served() -> None:
    text = (ROOT / "schema.graphql").read_text()
    assert text == print_schema(), "run `calyx schema`"
    assert find_breaking_changes(build_schema(text), schema()) == []


def test_each_field_says_how_it_is_read() -> None:
    built, known = schema(), renders(schema())
    read_by_name = {"edges", "nodes", "pageInfo", "totalCount", "cursor", "node"}
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            if kind.name in {"PageInfo", "UserError"}:
                continue
            for name in kind.fields:
                relay = kind.name.endswith(("Connection", "Edge")) and name in read_by_name
                assert relay or (kind.name, name) in known, f"{kind.name}.{name}"


def _said(built: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    for kind in built.type_map.values():
        if kind.name.startswith("__") or kind.name in {"String", "Int", "Boolean", "ID", "Float"}:
            continue
        yield kind.name, kind.description
        if isinstance(kind, GraphQLEnumType):
            for name, value in kind.values.items():
                yield f"{kind.name}.{name}", value.description
        if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in kind.fields.items():
                yield f"{kind.name}.{name}", field.description
                arguments: dict[str, Any] = getattr(field, "args", {})
                for argument, definition in arguments.items():
                    yield f"{kind.name}.{name}({argument}:)", definition.description


def test_each_page_fits_the_schema() -> None:
    pages = {path.stem: path.read_text() for path in PAGES.glob("*.graphql")}
    assert pages
    assert [name for name, text in pages.items() if validate(schema(), parse(text))] == []


VARIABLES: dict[str, dict[str, Any]] = {
    "AccountAdmins": {"groupId": "a0", "audience": "vip", "trait": "total billed"},
    "AudiencePage": {"key": "vip", "since": "2026-06-01T00:00:00Z"},
    "MessageDoctor": {"messageId": "m1", "message": {"type": "identify", "userId": "u7"}},
    "Overview": {"since": "2026-06-01T00:00:00Z"},
    "AccountPage": {"groupId": "a0", "search": "u"},
    "AudienceList": {"search": "v"},
    "CustomerList": {"count": True, "columns": ["plan"], "first": 5, "search": "a"},
    "CustomerAsOf": {"userId": "u7", "then": "2026-03-01T00:00:00Z"},
    "CustomerPage": {"userId": "u7"},
    "TraitHistory": {"id": "cus_" + "0" * 32, "key": "plan"},
    "CustomerTimeline": {"id": "cus_" + "0" * 32},
    "SearchBox": {"typed": "ad"},
    "FilterBuilder": {"entity": "CUSTOMER", "typed": "pl"},
}


@pytest.mark.parametrize("name", sorted(path.stem for path in PAGES.glob("*.graphql")))
async def test_each_query_of_a_page_is_one_statement(world: Asking, name: str) -> None:
    text = (PAGES / f"{name}.graphql").read_text()
    for definition in parse(text).definitions:
        if not isinstance(definition, OperationDefinitionNode) or definition.name is None:
            continue
        if definition.operation is OperationType.QUERY:
            world.database.asked.clear()
            name_of_query = definition.name.value
            asking = replace(world, scopes=frozenset({Scope.ADMIN}))
            await asking.get(text, VARIABLES.get(name), operationName=name_of_query)
            assert len(world.database.asked) == 1 + ("asOf" in text)
