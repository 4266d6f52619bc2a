"""Fields of a query that no statement answers with the others: introspection, and the past."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute,
)

from api.graph.past import asks_for_past
from api.graph.plan import Field, Plan

_parts = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def is_introspection(field: Field) -> bool:
    """Return whether a field asks of the schema, and of no row."""
    return field.name in {"__schema", "__type"}


def is_explain(field: Field) -> bool:
    """Return whether a field asks what a message would change."""
    return field.name == "explain"


def is_apart(plan: Plan, field: Field) -> bool:
    """Return whether a root field is answered by itself."""
    if plan.operation is not OperationType.QUERY:
        return False
    return is_introspection(field) or is_explain(field) or asks_for_past(plan.root, field)


def introspect(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    fields: Iterable[Field],
    variables: Mapping[str, Any],
) -> str:
    """Return the JSON object of what these fields ask of the schema."""
    nodes = SelectionSetNode(selections=tuple(field.node for field in fields))
    alone = OperationDefinitionNode(
        operation=OperationType.QUERY,
        variable_definitions=operation.variable_definitions,
        selection_set=nodes,
    )
    fragments = (d for d in document.definitions if isinstance(d, FragmentDefinitionNode))
    asked = DocumentNode(definitions=(alone, *fragments))
    found = execute(schema, asked, variable_values=dict(variables))
    if not isinstance(found, ExecutionResult):
        raise TypeError("the schema answers at once")
    if found.errors:
        raise found.errors[0]
    return msgspec.json.encode(found.data).decode()


def in_order(fields: Sequence[Field], objects: Iterable[str]) -> str:
    """Return the object that these objects are together, its members in the order of the fields."""
    parts: dict[str, msgspec.Raw] = {}
    for text in objects:
        parts |= _parts(text)
    return msgspec.json.encode({field.key: parts[field.key] for field in fields}).decode()
