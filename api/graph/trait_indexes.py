"""What `indexTrait` takes and gives."""

from __future__ import annotations

import strawberry

from api.graph import compile_trait_keys as compiled
from api.graph.columns import sql
from api.graph.enums import Entity
from api.graph.facts import MutationPayload
from api.graph.trait_keys import TraitKey


@strawberry.input(description="Which trait to make fast.")
class IndexTraitInput:
    """Which trait to make fast."""

    key: str = strawberry.field(description="The key as sent.")
    entity: Entity = strawberry.field(description="Whose trait it is.", default=Entity.CUSTOMER)
    indexed: bool = strawberry.field(description="False gives the index up.", default=True)


@strawberry.type(description="The trait key after the mutation.")
class TraitKeyPayload(MutationPayload):
    """The trait key after the mutation."""

    trait_key: TraitKey | None = strawberry.field(
        description="The trait key as it now stands; null when there are userErrors.",
        metadata=sql(compiled.stated_trait_key),
    )
