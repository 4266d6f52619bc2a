"""The schema: what it is made of, and how it is written down."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import strawberry
from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    get_named_type,
)
from strawberry.schema.config import StrawberryConfig

from api.graph.mutations import Mutation
from api.graph.queries import Query
from api.graph.scalars import SCALARS
from api.graph.subscriptions import Subscription
from api.graph.types import Account, Customer, Event


@lru_cache(maxsize=1)
def strawberry_schema() -> strawberry.Schema:
    """Return the schema as Strawberry knows it."""
    return strawberry.Schema(
        query=Query,
        mutation=Mutation,
        subscription=Subscription,
        types=[Customer, Account, Event],
        config=StrawberryConfig(scalar_map=SCALARS, disable_field_suggestions=False),
    )


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """Return the schema as it is executed: below the root, fields are read of what statements gave."""
    built: GraphQLSchema = strawberry_schema()._schema  # noqa: SLF001 (Strawberry has no other name for it)
    roots = {built.query_type, built.mutation_type}
    for kind in built.type_map.values():
        if kind.name.startswith("__"):
            continue
        if isinstance(kind, GraphQLInterfaceType):
            kind.resolve_type = _type_of
        if isinstance(kind, GraphQLObjectType):
            # A type is told by what the statement wrote, not by a Python class.
            kind.is_type_of = None
            for field in kind.fields.values():
                field.resolve = _root(field) if kind in roots else _reader(field.type)
    return built


def print_schema() -> str:
    """Return the text of `schema.graphql`."""
    return strawberry_schema().as_str().rstrip() + "\n"


def _root(field: GraphQLField) -> Any:
    declared = field.extensions["strawberry-definition"].metadata
    mutation, act = declared.get("states"), declared.get("does")
    if act is not None:

        async def do(_: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            return await info.context.act(info.path.key, act, arguments["input"])

        return do
    if mutation is None:
        return lambda _, info, **__: info.context.query(info.path.key)

    async def state(_: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
        return await info.context.mutate(info.path.key, mutation, arguments["input"])

    return state


def _type_of(value: Any, _: GraphQLResolveInfo[Any], __: Any) -> str:
    name: str = value[""]
    return name


def _reader(kind: GraphQLOutputType) -> Any:
    named = get_named_type(kind)
    if not isinstance(named, GraphQLEnumType):
        return _read
    names = named.values
    many = isinstance(getattr(kind, "of_type", kind), GraphQLList)

    def read(source: Any, info: GraphQLResolveInfo[Any], **_: Any) -> Any:
        said = source[info.path.key]
        if said is None:
            return None
        return [names[each].value for each in said] if many else names[said].value

    return read


def _read(source: Any, info: GraphQLResolveInfo[Any], **_: Any) -> Any:
    # A statement answers by response key, which is where this value goes.
    return source[info.path.key]
