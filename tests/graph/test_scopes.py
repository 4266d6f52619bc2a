"""Every field of the roots says which scope it needs, and no other key gets through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_introspection_query,
    get_named_type,
    is_composite_type,
)
from graphql.execution.values import VariableValues

from api.auth import Caller, Scope
from api.graph.failures import Failure
from api.graph.request import GraphRequest
from api.graph.schema import schema
from api.graph.scopes import SCOPES
from tests.graph.graphs import KEY, Asking
from tests.graph.test_contract import contract
from tests.graph.world import NOW

NONE = VariableValues({}, {})
FORBIDDEN = pytest.raises(Failure, match="needs scope")


def may(key: Scope, needed: Scope) -> bool:
    return key in {needed, Scope.ADMIN}


@pytest.mark.parametrize("root", ["Query", "Mutation", "Subscription"])
def test_each_field_of_a_root_says_which_scope_it_needs(root: str) -> None:
    found = schema().type_map.get(root)
    names = set(found.fields) if isinstance(found, GraphQLObjectType) else set()
    assert names <= SCOPES[root].keys(), "declare it in api/graph/scopes.py"
    promised = contract().type_map[root]
    assert isinstance(promised, GraphQLObjectType)
    extra = SCOPES[root].keys() - names - promised.fields.keys()
    assert extra == set(), "it is declared, but neither served nor promised"


def fields() -> Iterator[tuple[str, str]]:
    for root in ("Query", "Mutation"):
        kind = schema().type_map[root]
        assert isinstance(kind, GraphQLObjectType)
        yield from ((root, name) for name in kind.fields)


@pytest.mark.parametrize(("root", "name"), list(fields()))
async def test_each_field_answers_keys_of_its_scope_and_no_others(
    asking: Asking, root: str, name: str
) -> None:
    kind = schema().type_map[root]
    assert isinstance(kind, GraphQLObjectType)
    operation = f"{root.lower()} {{ {selection(name, kind.fields[name])} }}"
    for key in Scope:
        answer = await replace(asking, scopes=frozenset({key})).ask(operation)
        codes = [error["extensions"]["code"] for error in answer.get("errors", ())]
        assert (codes == ["FORBIDDEN"]) is not may(key, SCOPES[root][name]), (key, answer)
        assert set(codes) <= {"FORBIDDEN", "BAD_USER_INPUT"}, answer


@pytest.mark.parametrize("name", sorted(SCOPES["Subscription"]))
async def test_each_subscription_is_for_keys_of_its_scope_and_no_others(
    asking: Asking, name: str
) -> None:
    kind = schema().type_map["Subscription"]
    assert isinstance(kind, GraphQLObjectType)
    document = f"subscription {{ {selection(name, kind.fields[name])} }}"
    ready = asking.graph.documents.get(document, None).ready(NONE)
    for key in Scope:
        request = GraphRequest(Caller(asking.workspace, KEY, frozenset({key})), NOW, "request-1")
        with nullcontext() if may(key, SCOPES["Subscription"][name]) else FORBIDDEN:
            asking.graph.check_scopes(ready, request)


@pytest.mark.parametrize(
    "query", ["{ __schema { queryType { name } } }", get_introspection_query()]
)
@pytest.mark.parametrize("key", Scope)
async def test_the_schema_is_shown_to_keys_that_may_query_and_to_no_others(
    asking: Asking, key: Scope, query: str
) -> None:
    answer = await replace(asking, scopes=frozenset({key})).ask(query)
    if may(key, Scope.READ):
        assert answer["data"]["__schema"]["queryType"]["name"] == "Query"
    else:
        assert "data" not in answer
        assert [each["extensions"]["code"] for each in answer["errors"]] == ["FORBIDDEN"]


async def test_one_field_that_is_not_allowed_refuses_all(asking: Asking) -> None:
    reader = replace(asking, scopes=frozenset({Scope.READ}))
    assert await reader.code("{ viewer { scopes } ... on Query { log: auditLog { totalCount } } }")
    skipped = "{ viewer { scopes } auditLog @skip(if: true) { totalCount } }"
    assert (await reader.get(skipped))["viewer"]["scopes"] == ["READ"]
    writer = replace(asking, scopes=frozenset({Scope.WRITE}))
    both = """mutation { identify(input: {userId: "both", traits: {}}) { __typename }
      createApiKey(input: {name: "n", scopes: [ADMIN]}) { secret } }"""
    assert await writer.code(both) == "FORBIDDEN"
    assert (await reader.get('{ customer(userId: "both") { id } }'))["customer"] is None


def selection(name: str, field: GraphQLField) -> str:
    """Return a field with whatever it cannot do without."""
    given = ", ".join(
        f"{argument}: {literal(definition.type)}"
        for argument, definition in field.args.items()
        if isinstance(definition.type, GraphQLNonNull)
    )
    inner = " { __typename }" if is_composite_type(get_named_type(field.type)) else ""
    return f"{name}({given}){inner}" if given else f"{name}{inner}"


def literal(kind: GraphQLInputType) -> str:
    if isinstance(kind, GraphQLNonNull):
        return literal(kind.of_type)
    if isinstance(kind, GraphQLList):
        return "[]"
    if isinstance(kind, GraphQLInputObjectType):
        inner = ", ".join(
            f"{name}: {literal(field.type)}"
            for name, field in kind.fields.items()
            if isinstance(field.type, GraphQLNonNull)
        )
        return f"{{{inner}}}"
    if isinstance(kind, GraphQLEnumType):
        return str(next(iter(kind.values)))
    known = {"DateTime": '"2026-07-19T00:00:00Z"', "JSON": "{}", "Boolean": "true"}
    return known.get(get_named_type(kind).name, '"x"')
