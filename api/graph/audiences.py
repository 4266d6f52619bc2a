"""Audiences as the API shows them: flags of one customer or account, and the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import UNSET

from api.graph import columns, compile_buckets, compile_traits
from api.graph.activity import AudienceActivityBucket, Length, Since, Until
from api.graph.arguments import After, First, argument
from api.graph.columns import in_sql, sql
from api.graph.enums import Entity, FlagOrigin, Interval
from api.graph.inputs import AccountFilter, CustomerFilter
from api.graph.scalars import Moment
from api.graph.types import Node

if TYPE_CHECKING:
    from api.graph.connections import AudienceAccountConnection, AudienceCustomerConnection

_CONNECTIONS = strawberry.lazy("api.graph.connections")


@strawberry.type(description="One stay in an audience.")
class AudienceInterval:
    """One stay in an audience."""

    entered_at: Moment = strawberry.field(
        description="When they came in.", metadata=sql(columns.moment("entered_at"))
    )
    left_at: Moment | None = strawberry.field(
        description="When they went out; null while they are in.",
        metadata=sql(columns.moment("left_at", nullable=True)),
    )


@strawberry.type(
    description="A customer or account as seen by one audience: a boolean trait, with its history."
)
class AudienceFlag:
    """A customer or account as seen by one audience."""

    key: str = strawberry.field(
        description="The audience's key.", metadata=sql(compile_traits.flag_key)
    )
    member: bool = strawberry.field(description="In it now?", metadata=sql(columns.flag("member")))
    since: Moment = strawberry.field(
        description="When `member` last changed, by event time.",
        metadata=sql(columns.moment("since")),
    )
    origin: FlagOrigin = strawberry.field(
        description="Whether an audience builder computed the flag, or it is a plain boolean trait.",
        metadata=sql(columns.choice("origin", compile_traits.ORIGINS)),
    )
    computation_id: str | None = strawberry.field(
        description="Id of the computation that wrote it, when that was sent.",
        metadata=sql(columns.text("computation_id")),
    )

    @columns.asked("When they were in it, oldest first.", compile_traits.flag_intervals)
    def intervals(
        self,
        last: Annotated[int, argument("At most this many, the latest ones. At most 100.")] = 100,
    ) -> list[AudienceInterval]:
        """Return when they were in it."""
        in_sql()

    audience: Audience = strawberry.field(
        description="The audience's entry in the catalog.",
        metadata=sql(compile_traits.audience_of_flag),
    )


@strawberry.type(
    description="A boolean trait that customers or accounts have, seen as a set of members."
)
class Audience(Node):
    """A boolean trait seen as a set of members."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(compile_traits.audience_id)
    )
    key: str = strawberry.field(
        description="The key: the snake-cased name.", metadata=sql(columns.text("key"))
    )
    entity: Entity = strawberry.field(
        description="Whether its members are customers or accounts.",
        metadata=sql(columns.choice("entity", [entity.name for entity in Entity])),
    )
    origin: FlagOrigin = strawberry.field(
        description="`ENGAGE` once any write of the key came from an audience builder.",
        metadata=sql(compile_traits.audience_origin),
    )
    computation_id: str | None = strawberry.field(
        description="Id of the computation that wrote it last, when that was sent.",
        metadata=sql(compile_traits.audience_computation_id),
    )
    first_changed_at: Moment = strawberry.field(
        description="When anyone first entered or left.",
        metadata=sql(compile_traits.audience_first_changed_at),
    )
    last_changed_at: Moment = strawberry.field(
        description="When anyone last entered or left.",
        metadata=sql(compile_traits.audience_last_changed_at),
    )
    member_count: int = strawberry.field(
        description="How many are in it now. Counted only when asked for.",
        metadata=sql(compile_traits.audience_member_count),
    )

    @columns.asked(
        "Customers who are in it, the latest entered first. Empty for an audience of accounts.",
        compile_traits.audience_customers,
    )
    def customers(
        self,
        where: Annotated[CustomerFilter | None, argument("Which of them. Default: all.")] = UNSET,
        as_of: Annotated[
            Moment | None,
            argument("Who was in it at this moment; `where` still speaks of now. Default: now."),
        ] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
    ) -> Annotated[AudienceCustomerConnection, _CONNECTIONS]:
        """Return the customers who are in it."""
        in_sql()

    @columns.asked(
        "Accounts that are in it, the latest entered first. Empty for an audience of customers.",
        compile_traits.audience_accounts,
    )
    def accounts(
        self,
        where: Annotated[
            AccountFilter | None, argument("Which of them. Default: all that are not deleted.")
        ] = UNSET,
        as_of: Annotated[
            Moment | None,
            argument("Which were in it at this moment; `where` still speaks of now. Default: now."),
        ] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
    ) -> Annotated[AudienceAccountConnection, _CONNECTIONS]:
        """Return the accounts that are in it."""
        in_sql()

    @columns.asked(
        (
            "Who came and went per interval, oldest first, empty intervals included."
            " UTC boundaries; at most 1,000 intervals."
        ),
        compile_buckets.activity,
    )
    def activity(
        self, since: Since, until: Until = UNSET, interval: Length = Interval.DAY
    ) -> list[AudienceActivityBucket]:
        """Return who came and went per interval."""
        in_sql()
