"""A plan is what an operation asks for, whatever way it was written down."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    OperationDefinitionNode,
    build_schema,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import VariableValues

from api.graph import shape
from api.graph.document import Document
from api.graph.failures import Failure
from api.graph.plan import Field, Group, Leaf, Plan

SCHEMA = build_schema(
    """
    type Query { thing(id: ID, order: [Order!], where: Where, first: Int = 3): Thing named: Named }
    interface Named { name(short: Boolean! = false): String! }
    type Thing implements Named { name(short: Boolean! = false): String! same: Thing other: Named }
    type Person implements Named { name(short: Boolean! = false): String! age: Int }
    input Order { field: Kind direction: Kind! = DOWN }
    input Where { eq: String in: [String!] and: [Where!] flag: Boolean any: Any }
    enum Kind { UP DOWN }
    scalar Any
    """
)


def a_plan(text: str, variables: dict[str, Any] | None = None) -> tuple[Plan, VariableValues]:
    """Return the plan of a document that is valid."""
    document = parse(text)
    assert validate(SCHEMA, document) == []
    operation = get_operation_ast(document)
    assert isinstance(operation, OperationDefinitionNode)
    read = Document(SCHEMA, document, operation)
    found = read.variables(variables or {})
    return read.ready(found).plan, found


def keys(fields: tuple[Field, ...]) -> list[str]:
    """Return the response keys of fields, in order."""
    return [field.key for field in fields]


def only(field: Field) -> tuple[Field, ...]:
    """Return what is asked of an object type."""
    assert field.selection is not None
    [fields] = field.selection.values()
    return fields


def test_fields_said_twice_are_one_with_all_that_is_asked_of_it() -> None:
    found, _ = a_plan(
        """{ thing { name } ...f thing { b: name __typename } }
        fragment f on Query { thing { same { name } } thing { same { b: name } } }"""
    )
    [thing] = found.fields
    assert keys(only(thing)) == ["name", "same", "b", "__typename"]
    assert keys(only(only(thing)[1])) == ["name", "b"]


def test_aliases_part_what_one_name_joins() -> None:
    found, _ = a_plan("{ a: thing(first: 1) { name } b: thing(first: 2) { name } }")
    assert keys(found.fields) == ["a", "b"]
    firsts = [field.arguments["first"] for field in found.fields]
    assert [leaf.known() for leaf in firsts if isinstance(leaf, Leaf)] == [1, 2]


@pytest.mark.parametrize("flag", [True, False])
def test_directives_take_constants_and_variables(*, flag: bool) -> None:
    found, _ = a_plan(
        """query($on: Boolean!, $off: Boolean! = false) { thing {
          a: name @include(if: $on) b: name @skip(if: $on) c: name @skip(if: true)
          d: name @include(if: $off) ... @include(if: $on) { e: name } ...f @skip(if: $on) } }
        fragment f on Thing { g: name }""",
        {"on": flag},
    )
    assert keys(only(found.fields[0])) == (["a", "e"] if flag else ["b", "g"])


def test_an_interface_is_asked_of_each_type_that_can_stand_there() -> None:
    found, _ = a_plan(
        "{ named { name ... on Person { age } ... on Thing { same { name } } ...f __typename } }"
        " fragment f on Named { short: name(short: true) }"
    )
    assert found.fields[0].selection is not None
    asked = {kind: keys(fields) for kind, fields in found.fields[0].selection.items()}
    assert asked == {
        "Person": ["name", "age", "short", "__typename"],
        "Thing": ["name", "same", "short", "__typename"],
    }


def test_an_absent_argument_has_its_default_and_a_null_one_has_not() -> None:
    found, _ = a_plan(
        "query($n: Int, $id: ID) { thing(id: $id) { name } a: thing(first: $n) { name } }"
    )
    assert set(found.fields[0].arguments) == {"first"}
    first = found.fields[1].arguments["first"]
    assert isinstance(first, Leaf)
    assert first.known() == 3
    nulled, _ = a_plan("query($n: Int) { thing(first: $n, id: null) { name } }", {"n": None})
    assert nulled.fields[0].arguments == {"first": None, "id": None}


def test_values_are_read_from_literals_variables_and_both() -> None:
    found, variables = a_plan(
        """query($w: Where!, $text: String!, $any: Any, $k: Kind!) { thing(
          where: {and: [$w, {eq: $text, in: [$text, "b"], any: {x: [$any, 1]}}]},
          order: {field: $k}) { name } }""",
        {"w": {"eq": "x", "flag": True}, "text": "a", "any": None, "k": "UP"},
    )
    arguments = found.fields[0].arguments
    where, order = arguments["where"], arguments["order"]
    assert isinstance(where, Group)
    assert _read(where, variables) == {
        "and": [{"eq": "x", "flag": True}, {"eq": "a", "in": ["a", "b"], "any": {"x": [None, 1]}}]
    }
    assert _read(order, variables) == [{"field": "UP", "direction": "DOWN"}]


def test_what_is_bound_is_not_known() -> None:
    found, variables = a_plan(
        "query($t: String) { thing(where: {eq: $t, flag: true}) { name } }", {"t": "x"}
    )
    where = found.fields[0].arguments["where"]
    assert isinstance(where, Group)
    text, flag = where.fields["eq"], where.fields["flag"]
    assert isinstance(text, Leaf)
    assert isinstance(flag, Leaf)
    assert text.read(variables) == "x"
    with pytest.raises(TypeError):
        text.known()
    assert flag.known() is True


def test_shapes_differ_by_structure_and_never_by_text() -> None:
    kind = SCHEMA.type_map["Where"]
    assert isinstance(kind, GraphQLInputObjectType)
    shaper = shape.shaper(kind)
    assert shaper({"eq": "a", "in": ["x"]}) == shaper({"eq": "b", "in": []})
    assert shaper({"eq": "a"}) != shaper({"eq": None})
    assert shaper({"eq": "a"}) != shaper({"in": ["a"]})
    assert shaper({"flag": True}) != shaper({"flag": False})
    assert shaper({"and": [{}]}) != shaper({"and": [{}, {}]})
    assert shaper({"any": {"a": 1}}) == shaper({"any": "x"})
    assert hash(shape.key({"w": shaper({"and": [{"eq": "a"}]})}))


def test_null_where_none_may_be_is_refused() -> None:
    text = "query($k: Kind) { thing(order: [{direction: $k}]) { name } }"
    a_plan(text)
    with pytest.raises(Failure, match="must not be null"):
        a_plan(text, {"k": None})


def test_many_fragments_do_not_make_a_plan_without_end() -> None:
    parts = [
        f"fragment f{n} on Thing {{ {' '.join(f'a{m}: same {{ ...f{n + 1} }}' for m in range(9))} }}"
        for n in range(4)
    ]
    with pytest.raises(Failure, match="fields"):
        a_plan("{ thing { ...f0 } } " + " ".join(parts) + " fragment f4 on Thing { name }")


def test_introspection_is_left_to_the_executor() -> None:
    found, _ = a_plan('{ __schema { types { name } } __type(name: "x") { name } __typename }')
    assert [(field.name, field.selection) for field in found.fields] == [
        ("__schema", None),
        ("__type", None),
        ("__typename", None),
    ]


def _read(value: Any, variables: VariableValues) -> Any:
    if isinstance(value, Leaf):
        return value.read(variables)
    if isinstance(value, Group):
        return {name: _read(each, variables) for name, each in value.fields.items()}
    if isinstance(value, list):
        return [_read(each, variables) for each in value]
    return value
