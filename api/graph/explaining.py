"""What a message would change, as the API shows it."""

from __future__ import annotations

import strawberry

from api.graph import columns, compile_explain
from api.graph.columns import sql
from api.graph.enums import EffectKind, Entity, QuarantineReason, ReceiptOutcome
from api.graph.scalars import Json
from api.graph.types import Event


@strawberry.type(description="One thing that a message says, and whether it would stand.")
class Effect:
    """One thing that a message says."""

    kind: EffectKind = strawberry.field(
        description="What it is about.", metadata=sql(columns.text("kind"))
    )
    entity: Entity = strawberry.field(
        description="Whether that is a customer's or an account's.",
        metadata=sql(columns.text("entity")),
    )
    identifier: str = strawberry.field(
        description="The userId, anonymousId or groupId of that customer or account.",
        metadata=sql(columns.text("identifier")),
    )
    key: str | None = strawberry.field(
        description="Key of the trait or audience, or groupId of the membership; null for other kinds.",
        metadata=sql(columns.text("key")),
    )
    before: Json | None = strawberry.field(
        description="What stands now; null when nothing does.",
        metadata=sql(columns.verbatim("before")),
    )
    after: Json | None = strawberry.field(
        description="What would stand after it; null when nothing would.",
        metadata=sql(columns.verbatim("after")),
    )
    wins: bool = strawberry.field(
        description="Whether the message's word would stand.",
        metadata=sql(columns.verbatim("wins")),
    )
    beaten_by: Event | None = strawberry.field(
        description="The event whose word stands instead; null when it wins.",
        metadata=sql(compile_explain.beaten_by),
    )


@strawberry.type(description="What a message would change.")
class Explanation:
    """What a message would change."""

    outcome: ReceiptOutcome = strawberry.field(
        description="What its receipt would say.",
        metadata=sql(compile_explain.told(lambda found: found.receipt.outcome)),
    )
    reason: QuarantineReason | None = strawberry.field(
        description="Why it would be quarantined; null otherwise.",
        metadata=sql(compile_explain.told(lambda found: found.receipt.reason)),
    )
    notes: list[str] = strawberry.field(
        description="What has to be read with care, such as a time that could not be understood.",
        metadata=sql(compile_explain.told(lambda found: found.notes)),
    )
    effects: list[Effect] = strawberry.field(
        description="Its effects, one for each thing it says.",
        metadata=sql(compile_explain.effects),
    )
