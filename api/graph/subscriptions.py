"""Everything that is sent as it happens, from the top."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry
from strawberry import UNSET

from api.graph import columns, compile_live, ids
from api.graph.arguments import argument
from api.graph.columns import in_sql, sql
from api.graph.inputs import CustomerFilter, EventFilter
from api.graph.types import Customer, Event


@strawberry.enum(description="How a customer changed with regard to a filter.")
class CustomerChangeKind(Enum):
    """How a customer changed with regard to a filter."""

    ENTERED = strawberry.enum_value("ENTERED", description="They match now and did not before.")
    CHANGED = strawberry.enum_value(
        "CHANGED", description="They match, as before, and something about them changed."
    )
    LEFT = strawberry.enum_value(
        "LEFT", description="They matched and do not any more, or are erased."
    )


@strawberry.type(description="A customer changed.")
class CustomerChange:
    """A customer changed."""

    kind: CustomerChangeKind = strawberry.field(
        description="How, with regard to the filter subscribed to.",
        metadata=sql(compile_live.kind),
    )
    customer_id: strawberry.ID = strawberry.field(
        description="Global id of the customer.", metadata=sql(columns.global_id(ids.CUSTOMER))
    )
    customer: Customer | None = strawberry.field(
        description="The customer as they now stand; null once erased or joined into another.",
        metadata=sql(compile_live.customer),
    )
    event: Event | None = strawberry.field(
        description="The event behind it; null for an erasure.",
        metadata=sql(compile_live.event),
    )


@strawberry.type(
    description="What is sent as it happens, over WebSocket or server-sent events. Needs scope `read`."
)
class Subscription:
    """What is sent as it happens."""

    @columns.asked(
        (
            "One customer, each time anything about them changes."
            " By exactly one of the ids; the customer need not exist yet."
        ),
        compile_live.changes,
    )
    def customer_changed(
        self,
        user_id: Annotated[str | None, argument("The id your application uses.")] = UNSET,
        anonymous_id: Annotated[
            str | None, argument("A device id: the customer it belongs to.")
        ] = UNSET,
        id: Annotated[strawberry.ID | None, argument("Global id.")] = UNSET,
    ) -> CustomerChange:
        """Return each change of one customer."""
        in_sql()

    @columns.asked(
        "Customers that come to match, change while they match, or cease to match.",
        compile_live.changes,
    )
    def customers_changed(
        self,
        where: Annotated[CustomerFilter | None, argument("Which customers. Default: all.")] = UNSET,
    ) -> CustomerChange:
        """Return each change of customers that match."""
        in_sql()

    @columns.asked(
        (
            "Events as they are accepted, in the order of the log, late ones too."
            " To go on after a break, give the last `position` seen."
        ),
        compile_live.events,
    )
    def events(
        self,
        where: Annotated[EventFilter | None, argument("Which events. Default: all.")] = UNSET,
        after: Annotated[
            str | None, argument("Begin right behind this `Event.position`. Default: now.")
        ] = UNSET,
    ) -> Event:
        """Return each event."""
        in_sql()
