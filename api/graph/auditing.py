"""Who asked for which change, as the API shows it."""

from __future__ import annotations

import strawberry

from api.graph import columns, compile_admin
from api.graph.columns import sql
from api.graph.enums import ReceiptOutcome
from api.graph.scalars import Moment
from api.graph.types import Node
from api.graph.viewer import ApiKey


@strawberry.type(description="One change made through the API.")
class AuditEntry(Node):
    """One change made through the API."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(columns.global_id("log"))
    )
    at: Moment = strawberry.field(description="When.", metadata=sql(columns.moment("at")))
    key: ApiKey | None = strawberry.field(
        description="The key that was used; null when it was the command line.",
        metadata=sql(compile_admin.key_of_entry),
    )
    action: str = strawberry.field(
        description="What was asked: the name of the mutation or command.",
        metadata=sql(columns.text("action")),
    )
    succeeded: bool = strawberry.field(
        description="Whether it was done.", metadata=sql(columns.flag("succeeded"))
    )
    message_id: str | None = strawberry.field(
        description="The message it stated, when it stated one.",
        metadata=sql(columns.text("message_id")),
    )
    outcome: ReceiptOutcome | None = strawberry.field(
        description="What became of that message.", metadata=sql(compile_admin.outcome_of_entry)
    )
