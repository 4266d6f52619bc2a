"""What happened per interval, as the API shows it."""

from __future__ import annotations

from typing import Annotated

import strawberry

from api.graph import columns, compile_buckets
from api.graph.arguments import argument
from api.graph.columns import sql
from api.graph.compile_buckets import counted
from api.graph.enums import Interval
from api.graph.scalars import Moment

Since = Annotated[Moment, argument("From here, moved back to the start of its interval.")]
Until = Annotated[Moment | None, argument("Up to here. Default: now.")]
Length = Annotated[Interval, argument("Length of an interval.")]


def _moment(column: str, description: str) -> Moment:
    field: Moment = strawberry.field(description=description, metadata=sql(columns.moment(column)))
    return field


def _start() -> Moment:
    return _moment("begun", "Start of the interval, included.")


def _end() -> Moment:
    return _moment("ended", "End of the interval, excluded.")


@strawberry.type(description="Activity in one interval.")
class StatsBucket:
    """Activity in one interval."""

    start: Moment = _start()
    end: Moment = _end()
    events: int = strawberry.field(
        description="Events, by event time.",
        metadata=sql(counted("events", compile_buckets.events)),
    )
    active_customers: int = strawberry.field(
        description="Customers with an event.",
        metadata=sql(counted("active", compile_buckets.active_customers)),
    )
    new_customers: int = strawberry.field(
        description="Customers first seen.",
        metadata=sql(counted("customers", compile_buckets.new_customers)),
    )
    new_accounts: int = strawberry.field(
        description="Accounts created.",
        metadata=sql(counted("accounts", compile_buckets.new_accounts)),
    )
    audience_entries: int = strawberry.field(
        description="Times a customer or account entered an audience.",
        metadata=sql(counted("entries", compile_buckets.audience_entries)),
    )


@strawberry.type(description="Comings and goings of an audience in one interval.")
class AudienceActivityBucket:
    """Comings and goings of an audience in one interval."""

    start: Moment = _start()
    end: Moment = _end()
    entered: int = strawberry.field(
        description="How many came in.", metadata=sql(compile_buckets.noted("entered"))
    )
    left: int = strawberry.field(
        description="How many went out.", metadata=sql(compile_buckets.noted("departed"))
    )
    members: int = strawberry.field(
        description="How many were in at the end.", metadata=sql(compile_buckets.members)
    )
