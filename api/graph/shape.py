"""What of the variables a statement's text may depend on: their structure, never their text. Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    get_named_type,
    is_enum_type,
    is_input_object_type,
)


@dataclass(frozen=True, slots=True)
class Bound:
    """A value of which the statement's text says nothing: it is bound."""


@dataclass(frozen=True, slots=True)
class Exact:
    """A value that the statement's text may show: a flag, an enum's value, a page's size."""

    value: Any


@dataclass(frozen=True, slots=True)
class Several:
    """A list of scalars, bound as one; for ids the text of the statement knows how many."""

    count: int


@dataclass(frozen=True, slots=True)
class Fields:
    """An input object, by the fields that were given."""

    fields: tuple[tuple[str, Shape], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list of input objects."""

    items: tuple[Shape, ...]


Shape = Bound | Exact | Several | Fields | Items | None
"""The structure of a value; None for null."""

BOUND = Bound()

Shaper = Callable[[Any], Shape]


def shaper(kind: GraphQLInputType, *, top: bool = True) -> Shaper:
    """Return what reads the shape of coerced values of an input type."""
    if isinstance(kind, GraphQLNonNull):
        return shaper(kind.of_type, top=top)
    named = get_named_type(kind)
    if isinstance(kind, GraphQLList):
        if is_input_object_type(named):
            # Looked up only when asked, because filters hold filters.
            return lambda value: _items(value, shaper(kind.of_type, top=False))
        counted = named.name == "ID"
        return lambda value: None if value is None else Several(len(value)) if counted else BOUND
    if is_input_object_type(named):
        return lambda value: _fields(value, named.fields)
    # Sizes of pages stand at the top; numbers inside filters are only compared with.
    shown = is_enum_type(named) or named.name == "Boolean" or (top and named.name == "Int")
    return lambda value: None if value is None else Exact(value) if shown else BOUND


def key(shapes: Mapping[str, Shape]) -> Hashable:
    """Return what two sets of variables share exactly if one statement serves both."""
    return tuple(shapes.items())


def _items(value: Any, each: Shaper) -> Shape:
    return None if value is None else Items(tuple(each(item) for item in value))


def _fields(value: Any, fields: Mapping[str, Any]) -> Shape:
    if value is None:
        return None
    return Fields(
        tuple((name, shaper(fields[name].type, top=False)(item)) for name, item in value.items())
    )
