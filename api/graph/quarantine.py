"""What waits in quarantine as the API shows it, and what a retry takes."""

from __future__ import annotations

import strawberry
from strawberry import UNSET

from api.graph import columns, compile_receipts
from api.graph.columns import sql
from api.graph.enums import QuarantineReason
from api.graph.scalars import Json, Moment
from api.graph.types import Node


@strawberry.type(description="A message that could not be applied, kept whole.")
class QuarantinedMessage(Node):
    """A message that could not be applied."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(columns.global_id("qua"))
    )
    message_id: str = strawberry.field(
        description="The message's own id, as sent, or `derived:...` where none was sent.",
        metadata=sql(columns.text("message_id")),
    )
    reason: QuarantineReason = strawberry.field(
        description="Why it is held.", metadata=sql(columns.text("reason"))
    )
    advice: str = strawberry.field(
        description="What is wrong, where, and what to do about it.",
        metadata=sql(compile_receipts.advice),
    )
    received_at: Moment = strawberry.field(
        description="When it arrived.", metadata=sql(columns.moment("received_at"))
    )
    retried_at: Moment | None = strawberry.field(
        description="When it was last retried in vain.",
        metadata=sql(columns.moment("retried_at", nullable=True)),
    )
    message: Json = strawberry.field(
        description="The message as it arrived.", metadata=sql(columns.verbatim("body"))
    )


@strawberry.input(description="Which quarantined message to try again.")
class RetryInput:
    """Which quarantined message to try again."""

    id: strawberry.ID = strawberry.field(description="Global id of the quarantined message.")
    message: Json | None = strawberry.field(
        description="The whole message as it should have been. Absent: as it is.", default=UNSET
    )
