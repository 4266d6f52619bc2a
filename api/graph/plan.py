"""Turn a validated operation into what is to be read, whatever way it was written down. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLArgument,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    Node,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    Visitor,
    get_named_type,
    is_abstract_type,
    is_composite_type,
    visit,
)
from graphql.execution.values import VariableValues
from graphql.utilities.coerce_input_value import coerce_default_value, coerce_input_literal

from api.graph.failures import Code, Failure, bad_input
from api.graph.shape import BOUND, Bound, Exact, Fields, Items, Several, Shape, shaper

FIELDS_MAX = 5_000
"""Fields of a plan. Few tokens can name very many through fragments under several aliases."""

CONDITIONS_MAX = 500
"""Fields of input objects in one operation; a filter with more is no filter any more."""

Read = Callable[[VariableValues], Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar or a list of scalars: how to read it at each request, and what is known before."""

    read: Read
    shape: Shape

    def known(self) -> Any:
        """Return the value, which the statement's text may show."""
        if not isinstance(self.shape, Exact):
            raise TypeError("a statement's text must not depend on a value that is bound")
        return self.shape.value

    def count(self) -> int:
        """Return how many a list of ids holds."""
        if not isinstance(self.shape, Several):
            raise TypeError("only of a list of ids is it known how many there are")
        return self.shape.count


@dataclass(frozen=True, slots=True)
class Group:
    """An input object as given: its fields, null where null was said."""

    fields: Mapping[str, Value]


Value = Leaf | Group | list["Value"] | None


@dataclass(frozen=True, slots=True)
class Field:
    """One field to be read under one response key."""

    key: str
    name: str
    type: str
    arguments: Mapping[str, Value]
    selection: Selection | None
    node: FieldNode

    def given(self, name: str) -> Value:
        """Return an argument; None where it is absent or null."""
        return self.arguments.get(name)


Selection = Mapping[str, tuple[Field, ...]]
"""Fields by the name of the object type they are read of; an interface has several."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation asks for."""

    operation: OperationType
    root: str
    fields: tuple[Field, ...]


def plan(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    shapes: Mapping[str, Shape],
) -> Plan:
    """Return the plan of a valid operation whose variables have these shapes."""
    root = schema.get_root_type(operation.operation)
    if root is None:
        raise bad_input(f"the schema has no {operation.operation.value}", operation)
    planner = _Planner(schema, document, shapes)
    fields = planner.fields(root, [operation.selection_set])
    return Plan(operation.operation, root.name, fields)


class _Planner:
    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, shapes: Mapping[str, Shape]
    ) -> None:
        self._schema = schema
        self._shapes = shapes
        self._count = 0
        self._conditions = 0
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }

    def fields(
        self, parent: GraphQLObjectType, sets: Iterable[SelectionSetNode]
    ) -> tuple[Field, ...]:
        grouped: dict[str, list[FieldNode]] = {}
        visited: set[str] = set()
        for selection in sets:
            self._collect(parent, selection, grouped, visited)
        return tuple(self._field(parent, key, nodes) for key, nodes in grouped.items())

    def _collect(
        self,
        parent: GraphQLObjectType,
        selections: SelectionSetNode,
        grouped: dict[str, list[FieldNode]],
        visited: set[str],
    ) -> None:
        for node in selections.selections:
            if not all(self._included(directive) for directive in node.directives or ()):
                continue
            if isinstance(node, FieldNode):
                key = node.alias.value if node.alias else node.name.value
                grouped.setdefault(key, []).append(node)
                continue
            fragment: InlineFragmentNode | FragmentDefinitionNode
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name in visited:
                    continue
                visited.add(name)
                fragment = self._fragments[name]
            elif isinstance(node, InlineFragmentNode):
                fragment = node
            else:
                raise TypeError(f"a selection cannot be {node.kind}")
            if self._applies(fragment, parent):
                self._collect(parent, fragment.selection_set, grouped, visited)

    def _included(self, directive: DirectiveNode) -> bool:
        name = directive.name.value
        if name not in {"skip", "include"}:
            return True
        kind = self._schema.get_directive(name)
        assert kind is not None  # noqa: S101 (both are part of every schema)
        said = self._arguments(kind.args, directive)["if"]
        if not isinstance(said, Leaf):
            raise bad_input(f"@{name} needs true or false", directive)
        return bool(said.known()) == (name == "include")

    def _applies(
        self, fragment: InlineFragmentNode | FragmentDefinitionNode, parent: GraphQLObjectType
    ) -> bool:
        if fragment.type_condition is None:
            return True
        condition = self._schema.get_type(fragment.type_condition.name.value)
        if condition is parent:
            return True
        return (
            condition is not None
            and is_abstract_type(condition)
            and self._schema.is_sub_type(condition, parent)
        )

    def _field(self, parent: GraphQLObjectType, key: str, nodes: list[FieldNode]) -> Field:
        self._count += 1
        if self._count > FIELDS_MAX:
            raise Failure(
                Code.COST_LIMIT, f"the operation reads over {FIELDS_MAX} fields: ask for less"
            )
        node = nodes[0]
        name = node.name.value
        if name.startswith("__"):
            # Introspection is read by the executor, which plans for itself.
            return Field(key, name, "", {}, None, _merged(nodes))
        definition = parent.fields[name]
        named = get_named_type(definition.type)
        selection = None
        if is_composite_type(named):
            sets = [each.selection_set for each in nodes if each.selection_set is not None]
            types = self._types(named)
            selection = {kind.name: self.fields(kind, sets) for kind in types}
        return Field(key, name, named.name, self._arguments(definition.args, node), selection, node)

    def _types(self, named: GraphQLNamedType) -> Sequence[GraphQLObjectType]:
        if is_abstract_type(named):
            return self._schema.get_possible_types(named)
        return [named] if isinstance(named, GraphQLObjectType) else []

    def _arguments(
        self,
        definitions: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLInputField],
        node: FieldNode | DirectiveNode | ObjectValueNode,
    ) -> dict[str, Value]:
        said = node.fields if isinstance(node, ObjectValueNode) else node.arguments or ()
        nodes: dict[str, ValueNode] = {each.name.value: each.value for each in said}
        found: dict[str, Value] = {}
        for name, definition in definitions.items():
            literal = nodes.get(name)
            if literal is not None and not self._is_absent(literal):
                found[name] = self._value(definition.type, literal, name)
                continue
            default = coerce_default_value(definition)
            if default is not Undefined:
                found[name] = _constant(default)
        return found

    def _is_absent(self, literal: ValueNode) -> bool:
        return isinstance(literal, VariableNode) and literal.name.value not in self._shapes

    def _value(self, kind: GraphQLInputType, literal: ValueNode, name: str) -> Value:
        if isinstance(literal, VariableNode):
            shape = self._shapes[literal.name.value]
            if shape is None and isinstance(kind, GraphQLNonNull):
                raise bad_input(
                    f"`{name}` must not be null: leave it out, or send a value", literal
                )
            return self._of_variable(shape, (literal.name.value,))
        if isinstance(literal, NullValueNode):
            return None
        if isinstance(kind, GraphQLNonNull):
            kind = kind.of_type
        named = get_named_type(kind)
        if isinstance(named, GraphQLInputObjectType):
            if isinstance(kind, GraphQLList):
                items = literal.values if isinstance(literal, ListValueNode) else [literal]
                return [self._value(kind.of_type, item, name) for item in items]
            if isinstance(literal, ObjectValueNode):
                self._count_conditions(len(literal.fields), literal)
                return Group(self._arguments(named.fields, literal))
        return self._leaf(kind, literal, name)

    def _leaf(self, kind: GraphQLInputType, literal: ValueNode, name: str) -> Leaf:
        if not _has_variables(literal):
            value = coerce_input_literal(literal, kind)
            return Leaf(_saying(value), shaper(kind)(value))

        def read(variables: VariableValues) -> Any:
            value = coerce_input_literal(literal, kind, variables)
            if value is Undefined:
                raise bad_input(f"`{name}` cannot be used with these variables", literal)
            return value

        if get_named_type(kind).name == "ID" and isinstance(literal, ListValueNode):
            return Leaf(read, Several(len(literal.values)))
        return Leaf(read, BOUND)

    def _of_variable(self, shape: Shape, path: tuple[str | int, ...]) -> Value:
        match shape:
            case None:
                return None
            case Fields(fields):
                self._count_conditions(len(fields), None)
                return Group(
                    {name: self._of_variable(each, (*path, name)) for name, each in fields}
                )
            case Items(items):
                return [self._of_variable(each, (*path, at)) for at, each in enumerate(items)]
            case Bound() | Exact() | Several():
                return Leaf(partial(_follow, path), shape)

    def _count_conditions(self, count: int, node: Node | None) -> None:
        self._conditions += count
        if self._conditions > CONDITIONS_MAX:
            raise Failure(
                Code.COST_LIMIT,
                f"the input has over {CONDITIONS_MAX} conditions: ask for less",
                node,
            )


def _merged(nodes: list[FieldNode]) -> FieldNode:
    """Return the fields of one response key as one, whose conditions were looked at."""
    first = nodes[0]
    sets = [each.selection_set.selections for each in nodes if each.selection_set is not None]
    selected = SelectionSetNode(selections=tuple(chain.from_iterable(sets))) if sets else None
    return FieldNode(
        alias=first.alias,
        name=first.name,
        arguments=first.arguments,
        selection_set=selected,
        loc=first.loc,
    )


def _follow(path: tuple[str | int, ...], variables: VariableValues) -> Any:
    value: Any = variables.coerced
    for step in path:
        value = value[step]
    return value


def _constant(value: Any) -> Leaf | None:
    return None if value is None else Leaf(_saying(value), Exact(value))


def _saying(value: Any) -> Read:
    return lambda _: value


class _Finder(Visitor):
    found = False

    def enter_variable(self, *_: Any) -> None:
        self.found = True


def _has_variables(literal: ValueNode) -> bool:
    finder = _Finder()
    visit(literal, finder)
    return finder.found
