"""Writes of a trait as the API shows them."""

from __future__ import annotations

import strawberry

from api.graph import columns, compile_history
from api.graph.columns import sql
from api.graph.scalars import Json, Moment
from api.graph.types import Event


@strawberry.type(description="One write of a trait, whether or not it still stands.")
class TraitChange:
    """One write of a trait."""

    key: str = strawberry.field(
        description="The key as sent.", metadata=sql(compile_history.said_key)
    )
    value: Json | None = strawberry.field(
        description="The value said; null when the trait was unset.",
        metadata=sql(compile_history.SAID),
    )
    set_at: Moment = strawberry.field(
        description="When it was said, by event time.", metadata=sql(columns.moment("at"))
    )
    message_id: str = strawberry.field(
        description="Id of the message that said it; among writes at one moment the greater stamp stands.",
        metadata=sql(columns.text("message_id")),
    )
    set_by: Event | None = strawberry.field(
        description="The event that said it; null once its sender was erased.",
        metadata=sql(compile_history.set_by),
    )
    current: bool = strawberry.field(
        description="Whether this is the write that stands now.",
        metadata=sql(columns.flag("stands")),
    )
