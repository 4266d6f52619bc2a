"""Customers, accounts and events as the API shows them; each field says how it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry import UNSET

from api.graph import columns, compile_history, compile_reads, compile_traits
from api.graph.arguments import (
    After,
    Before,
    CustomerSearch,
    First,
    Keys,
    Last,
    argument,
)
from api.graph.columns import in_sql, sql
from api.graph.enums import EventType, FlagOrigin
from api.graph.inputs import (
    AccountFilter,
    AccountMemberOrder,
    CustomerFilter,
    EventFilter,
    StringFilter,
)
from api.graph.scalars import Json, Moment

if TYPE_CHECKING:
    from api.graph.audiences import AudienceFlag
    from api.graph.connections import (
        AccountMemberConnection,
        CustomerAccountConnection,
        EventConnection,
        TraitChangeConnection,
    )

_CONNECTIONS = strawberry.lazy("api.graph.connections")
_AUDIENCES = strawberry.lazy("api.graph.audiences")


@strawberry.interface(description="Anything with a global id.")
class Node:
    """Anything with a global id."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent, unique over all types."
    )


@strawberry.interface(
    description="What a customer and an account have in common, so that one fragment serves both."
)
class Profile(Node):
    """What a customer and an account have in common."""

    id: strawberry.ID = strawberry.field(description="Global id: opaque, permanent.")
    name: str | None = strawberry.field(
        description="What to call them.", metadata=sql(columns.text("name"))
    )
    first_seen_at: Moment = strawberry.field(
        description="When first seen, by event time.",
        metadata=sql(columns.moment("first_seen_at")),
    )
    last_seen_at: Moment = strawberry.field(
        description="When last seen, by event time.", metadata=sql(columns.moment("last_seen_at"))
    )

    @columns.asked("Traits as one object, keys as sent.", compile_traits.traits)
    def traits(self, keys: Keys = UNSET) -> Json:
        """Return traits as one object."""
        in_sql()

    @columns.asked(
        "One trait with where it comes from; null when it is not set.", compile_traits.trait
    )
    def trait(
        self, key: Annotated[str, argument("The key as sent: `total billed`.")]
    ) -> Trait | None:
        """Return one trait."""
        in_sql()

    @columns.asked(
        "Traits one by one with where they come from, by key.", compile_traits.trait_entries
    )
    def trait_entries(self, keys: Keys = UNSET) -> list[Trait]:
        """Return traits one by one."""
        in_sql()

    @columns.asked(
        "Every write of one trait, those that lost included, the newest by event time first.",
        compile_history.history,
    )
    def trait_history(
        self,
        key: Annotated[str, argument("The key as sent.")],
        first: First = UNSET,
        after: After = UNSET,
    ) -> Annotated[TraitChangeConnection, _CONNECTIONS]:
        """Return every write of one trait."""
        in_sql()

    @columns.asked("Audience flags, by key.", compile_traits.flags)
    def audiences(
        self,
        keys: Keys = UNSET,
        member: Annotated[
            bool | None,
            argument("Only audiences they are in, or only those they are not. Default: both."),
        ] = UNSET,
        origin: Annotated[
            FlagOrigin | None, argument("Only flags that come from here. Default: all.")
        ] = UNSET,
    ) -> list[Annotated[AudienceFlag, _AUDIENCES]]:
        """Return audience flags."""
        in_sql()

    @columns.asked(
        "Whether they are in an audience now; false when the key was never written.",
        compile_traits.in_audience,
    )
    def in_audience(self, key: Annotated[str, argument("The audience's key.")]) -> bool:
        """Return whether they are in an audience."""
        in_sql()

    @columns.asked("Their timeline, the newest by event time first.", compile_reads.timeline)
    def events(
        self,
        where: Annotated[EventFilter | None, argument("Which events. Default: all.")] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
        last: Last = UNSET,
        before: Before = UNSET,
    ) -> Annotated[EventConnection, _CONNECTIONS]:
        """Return their timeline."""
        in_sql()


@strawberry.type(
    description=(
        "A person: everything said of one user, under any of their ids."
        " Typed fields are read from the reserved traits\n"
        "in any spelling (`firstName`, `first_name`); `traits` has every key just as it was sent."
    )
)
class Customer(Profile):
    """A person."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(columns.global_id("cus"))
    )
    user_id: str | None = strawberry.field(
        description="The id your application uses; null while only a device is known. Of joined ids, the one that stands.",
        metadata=sql(columns.text("user_id")),
    )
    anonymous_ids: list[str] = strawberry.field(
        description="Device ids that belong to this customer.",
        metadata=sql(compile_reads.identifiers(device=True)),
    )
    aliases: list[str] = strawberry.field(
        description="Other userIds that were joined into this customer.",
        metadata=sql(compile_reads.identifiers(device=False)),
    )
    email: str | None = strawberry.field(
        description="Trait `email`, as sent.", metadata=sql(columns.text("email"))
    )
    name: str | None = strawberry.field(
        description="Trait `name`, else first and last name.", metadata=sql(columns.text("name"))
    )
    first_name: str | None = strawberry.field(
        description="Trait `firstName`.", metadata=sql(columns.text("first_name"))
    )
    last_name: str | None = strawberry.field(
        description="Trait `lastName`.", metadata=sql(columns.text("last_name"))
    )
    phone: str | None = strawberry.field(
        description="Trait `phone`.", metadata=sql(columns.text("phone"))
    )
    title: str | None = strawberry.field(
        description="Trait `title`: their job.", metadata=sql(columns.text("title"))
    )
    avatar: str | None = strawberry.field(
        description="Trait `avatar`: address of a picture.", metadata=sql(columns.text("avatar"))
    )
    signed_up_at: Moment | None = strawberry.field(
        description="When they signed up: the earliest `Signed Up`. Null when none was sent.",
        metadata=sql(columns.moment("signed_up_at", nullable=True)),
    )

    @columns.asked(
        "Accounts the customer is a member of now, the latest joined first.",
        compile_reads.accounts_of_customer,
    )
    def accounts(
        self,
        where: Annotated[AccountFilter | None, argument("Which accounts. Default: all.")] = UNSET,
        role: Annotated[StringFilter | None, argument("In which role. Default: any.")] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
    ) -> Annotated[CustomerAccountConnection, _CONNECTIONS]:
        """Return the accounts the customer is a member of."""
        in_sql()


@strawberry.type(description="A company, team or other group of customers.")
class Account(Profile):
    """A company, team or other group of customers."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(columns.global_id("acc"))
    )
    group_id: str = strawberry.field(
        description="The id your application uses.", metadata=sql(columns.text("group_id"))
    )
    name: str | None = strawberry.field(
        description="Trait `name`.", metadata=sql(columns.text("name"))
    )
    website: str | None = strawberry.field(
        description="Trait `website`.", metadata=sql(columns.text("website"))
    )
    industry: str | None = strawberry.field(
        description="Trait `industry`.", metadata=sql(columns.text("industry"))
    )
    employees: int | None = strawberry.field(
        description="Trait `employees`; null when it is no whole number of 32 bits (the map has it as sent).",
        metadata=sql(columns.number("employees", nullable=True)),
    )
    plan: str | None = strawberry.field(
        description="Trait `plan`.", metadata=sql(columns.text("plan"))
    )
    created_at: Moment = strawberry.field(
        description="When it was created: the earliest `Account Created`, else when it was first seen.",
        metadata=sql(columns.moment("created_at")),
    )
    deleted_at: Moment | None = strawberry.field(
        description="When it was deleted; null while it is alive.",
        metadata=sql(columns.moment("deleted_at", nullable=True)),
    )

    @columns.asked(
        "Customers who are members now, the latest joined first unless ordered otherwise.",
        compile_reads.members_of_account,
    )
    def members(
        self,
        where: Annotated[CustomerFilter | None, argument("Which customers. Default: all.")] = UNSET,
        role: Annotated[StringFilter | None, argument("In which role. Default: any.")] = UNSET,
        search: CustomerSearch = UNSET,
        order_by: Annotated[
            list[AccountMemberOrder] | None,
            argument("What to sort by, first key first. Default: the latest joined first."),
        ] = UNSET,
        first: First = UNSET,
        after: After = UNSET,
    ) -> Annotated[AccountMemberConnection, _CONNECTIONS]:
        """Return the customers who are members."""
        in_sql()


@strawberry.type(description="A customer's place in an account.")
class Membership:
    """A customer's place in an account."""

    customer: Customer = strawberry.field(
        description="The member.", metadata=sql(compile_reads.customer_of("customer_id"))
    )
    account: Account = strawberry.field(
        description="The account.", metadata=sql(compile_reads.account_of("account_id"))
    )
    role: str | None = strawberry.field(
        description="Their role there, as last stated.", metadata=sql(columns.text("role"))
    )
    joined_at: Moment = strawberry.field(
        description="When they joined, the last time they did.",
        metadata=sql(columns.moment("joined_at")),
    )


@strawberry.type(description="One trait with where it comes from.")
class Trait:
    """One trait with where it comes from."""

    key: str = strawberry.field(
        description="The key as sent: `total billed`.", metadata=sql(compile_traits.trait_key)
    )
    value: Json = strawberry.field(
        description="The value that stands; never null, because null unsets a trait.",
        metadata=sql(compile_traits.trait_value),
    )
    set_at: Moment = strawberry.field(
        description="When it was said, by event time.", metadata=sql(compile_traits.trait_set_at)
    )
    message_id: str = strawberry.field(
        description="Id of the message that said it; among writes at one moment the greater stamp stands.",
        metadata=sql(compile_traits.trait_message_id),
    )
    set_by: Event | None = strawberry.field(
        description="The event that said it; null once its sender was erased.",
        metadata=sql(compile_traits.trait_set_by),
    )
    origin: FlagOrigin = strawberry.field(
        description="Whether an audience builder computed it.",
        metadata=sql(compile_traits.trait_origin),
    )


@strawberry.type(
    description="A message that was accepted: one entry of the log from which everything else is computed."
)
class Event(Node):
    """A message that was accepted."""

    id: strawberry.ID = strawberry.field(
        description="Global id: opaque, permanent.", metadata=sql(columns.global_id("evt"))
    )
    message_id: str = strawberry.field(
        description="The message's own id, as sent, or `derived:...` where none was sent.",
        metadata=sql(columns.text("message_id")),
    )
    type: EventType = strawberry.field(
        description="Kind of call.",
        metadata=sql(columns.choice("type", [kind.name for kind in EventType])),
    )
    name: str | None = strawberry.field(
        description="Name of a track event, page or screen.", metadata=sql(columns.text("name"))
    )
    timestamp: Moment = strawberry.field(
        description="When it happened.", metadata=sql(columns.moment("at"))
    )
    received_at: Moment = strawberry.field(
        description="When it arrived first.", metadata=sql(columns.moment("received_at"))
    )
    user_id: str | None = strawberry.field(
        description="The userId as sent.", metadata=sql(compile_reads.sent_id("userId"))
    )
    anonymous_id: str | None = strawberry.field(
        description="The anonymousId as sent.", metadata=sql(compile_reads.sent_id("anonymousId"))
    )
    group_id: str | None = strawberry.field(
        description="The groupId as sent.", metadata=sql(compile_reads.sent_id("groupId"))
    )
    previous_id: str | None = strawberry.field(
        description="The previousId as sent: the userId that an alias joins.",
        metadata=sql(compile_reads.previous_id),
    )
    properties: Json = strawberry.field(
        description="Properties as sent.", metadata=sql(compile_reads.body_object("properties"))
    )
    traits: Json = strawberry.field(
        description="Traits as sent.", metadata=sql(compile_reads.body_object("traits"))
    )
    context: Json = strawberry.field(
        description="Context as sent.", metadata=sql(compile_reads.body_object("context"))
    )
    position: str = strawberry.field(
        description="Place in the log, to resume `Subscription.events` behind it. Not kept by export and import.",
        metadata=sql(compile_reads.position),
    )
    customer: Customer | None = strawberry.field(
        description="The customer it is about, as they now stand.",
        metadata=sql(compile_reads.customer_of_event),
    )
    account: Account | None = strawberry.field(
        description="The account it is about, as it now stands.",
        metadata=sql(compile_reads.account_of("account_id")),
    )
