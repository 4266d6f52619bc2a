"""Questions that fit the schema, of every field there is, with hostile values in every argument."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    get_named_type,
    is_leaf_type,
)

from tests.chaos.hostile_values import cursor, encode, global_id, text, value

_SCHEMA = Path(__file__).parents[2] / "schema.graphql"
_DEPTH_MAX = 3
_SHAPES: Mapping[str, Callable[[random.Random], Any]] = {
    "ID": lambda rng: rng.choice((global_id, global_id, text))(rng),
    "Int": lambda rng: rng.choice((0, 1, 3, 100, 101, -1, 2**31 - 1, 2**31, 1.5)),
    "Float": lambda rng: rng.choice((0, -1.5, 1e308, 5e-324, 2**53 + 1)),
    "Boolean": lambda rng: rng.choice((True, False)),
    "DateTime": lambda rng: rng.choice(
        ("2026-11-23T11:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", text(rng))
    ),
    "String": lambda rng: rng.choice((cursor, text, text))(rng),
}


_DOCUMENTS = 100
"""So many are asked again and again with other values, as those of real pages are."""


def question(rng: random.Random, fashion: int) -> bytes:
    """Return a query, mutation or subscription of any field, its arguments as their types ask, or nearly.

    The documents are those of a fashion: compiling one takes ten times as long as answering it.
    """
    document, kinds = _document(fashion, rng.randrange(_DOCUMENTS))
    variables = {f"v{place}": _shaped(rng, kind, 0) for place, kind in enumerate(kinds)}
    return encode({"query": document, "variables": variables, "operationName": "Q"})


@lru_cache(_DOCUMENTS)
def _document(fashion: int, number: int) -> tuple[str, Sequence[GraphQLInputType]]:
    """Return a document and the types of its variables."""
    rng = random.Random(f"{fashion}/{number}")
    schema = _schema()
    roots = (schema.query_type, schema.query_type, schema.mutation_type, schema.subscription_type)
    root = rng.choice(roots)
    assert root is not None
    kinds: list[GraphQLInputType] = []
    selection = _selection(rng, root, kinds, 0)
    operation = {schema.mutation_type: "mutation", schema.subscription_type: "subscription"}
    declared = ", ".join(f"$v{place}: {kind}" for place, kind in enumerate(kinds))
    head = f"({declared})" if kinds else ""
    return f"{operation.get(root, 'query')} Q{head} {selection}", kinds


def _selection(
    rng: random.Random, owner: GraphQLObjectType, kinds: list[GraphQLInputType], depth: int
) -> str:
    """Return one or two fields of a type, and what they lead to."""
    words = ["__typename"] if depth else []
    for name in rng.sample(list(owner.fields), min(len(owner.fields), rng.choice((1, 1, 2)))):
        field = owner.fields[name]
        given = []
        for key, argument in field.args.items():
            if isinstance(argument.type, GraphQLNonNull) or rng.random() < 0.4:
                given.append(f"{key}: $v{len(kinds)}")
                kinds.append(argument.type)
        below = _below(rng, get_named_type(field.type), kinds, depth)
        arguments = f"({', '.join(given)})" if given else ""
        words.append(f"f{len(words)}_{depth}: {name}{arguments}{below}")
    return f"{{ {' '.join(words)} }}"


def _below(rng: random.Random, inner: Any, kinds: list[GraphQLInputType], depth: int) -> str:
    if is_leaf_type(inner):
        return ""
    if depth >= _DEPTH_MAX or not isinstance(inner, GraphQLObjectType):
        return " { __typename }"
    return " " + _selection(rng, inner, kinds, depth + 1)


def _shaped(rng: random.Random, kind: GraphQLInputType, depth: int) -> Any:
    """Return a value of a type, or now and then anything."""
    if rng.random() < 0.08:
        return value(rng)
    match kind:
        case GraphQLNonNull():
            made = _shaped(rng, kind.of_type, depth)
        case GraphQLList():
            made = [_shaped(rng, kind.of_type, depth) for _ in range(rng.choice((0, 1, 1, 2)))]
        case GraphQLEnumType():
            made = rng.choice(list(kind.values))
        case GraphQLInputObjectType():
            made = {
                name: _shaped(rng, field.type, depth + 1)
                for name, field in kind.fields.items()
                if isinstance(field.type, GraphQLNonNull)
                or rng.random() < (0.3 if depth < _DEPTH_MAX else 0.05)
            }
        case _:
            made = _SHAPES.get(str(kind), value)(rng)
    return made


@cache
def _schema() -> GraphQLSchema:
    return build_schema(_SCHEMA.read_text())
