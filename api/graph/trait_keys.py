"""The catalog of trait keys as the API shows it."""

from __future__ import annotations

import strawberry

from api.graph import columns
from api.graph import compile_trait_keys as compiled
from api.graph.columns import sql
from api.graph.enums import Entity, FlagOrigin, TraitType
from api.graph.scalars import Json
from api.graph.types import Node


@strawberry.type(description="A trait key in use.")
class TraitKey(Node):
    """A trait key in use."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(compiled.key_id)
    )
    key: str = strawberry.field(description="The key as sent.", metadata=sql(columns.text("key")))
    entity: Entity = strawberry.field(
        description="Whether customers or accounts have it.",
        metadata=sql(columns.choice("entity", [entity.name for entity in Entity])),
    )
    types: list[TraitType] = strawberry.field(
        description="Kinds of value it has now. More than one is worth a look.",
        metadata=sql(compiled.types),
    )
    count: int = strawberry.field(
        description="How many customers or accounts have it now.",
        metadata=sql(columns.number("owners")),
    )
    examples: list[Json] = strawberry.field(
        description="Up to five values, for a filter's placeholder.",
        metadata=sql(compiled.examples),
    )
    indexed: bool = strawberry.field(
        description="Whether filters and orders on it are fast.",
        metadata=sql(compiled.is_indexed),
    )
    origin: FlagOrigin = strawberry.field(
        description="Whether an audience builder computes it.", metadata=sql(compiled.origin)
    )
