"""The filters and orders of the schema."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET

from api.graph.enums import (
    AccountMemberOrderField,
    AccountOrderField,
    CustomerOrderField,
    Direction,
    EventType,
)
from api.graph.scalars import Json, Moment, Span


def _given(description: str, *, name: str | None = None) -> Any:
    # Nothing stands in for what a filter does not mention.
    return strawberry.field(description=description, name=name, default=UNSET)


@strawberry.input(
    description=(
        "By text. All that is given must hold."
        " What is missing equals nothing, so it matches `ne`, `notIn` and `exists: false` only."
    )
)
class StringFilter:
    """By text."""

    eq: str | None = _given("Is this, to the letter.")
    ne: str | None = _given("Is not this.")
    in_: list[str] | None = _given("Is one of these.", name="in")
    not_in: list[str] | None = _given("Is none of these.")
    contains: str | None = _given("Contains this, ignoring case.")
    starts_with: str | None = _given("Starts with this, ignoring case.")
    exists: bool | None = _given("Is there, or is missing.")


@strawberry.input(
    description="By time. All that is given must hold. What is missing matches `exists: false` only."
)
class DateTimeFilter:
    """By time."""

    eq: Moment | None = _given("At this moment.")
    gt: Moment | None = _given("After this moment.")
    gte: Moment | None = _given("At or after this moment.")
    lt: Moment | None = _given("Before this moment.")
    lte: Moment | None = _given("At or before this moment.")
    within: Span | None = _given("In the last so much time, up to now: `P7D`.")
    exists: bool | None = _given("Is there, or is missing.")


@strawberry.input(description="By a whole number. All that is given must hold.")
class IntFilter:
    """By a whole number."""

    eq: int | None = _given("Is this.")
    ne: int | None = _given("Is not this.")
    in_: list[int] | None = _given("Is one of these.", name="in")
    not_in: list[int] | None = _given("Is none of these.")
    gt: int | None = _given("Is greater.")
    gte: int | None = _given("Is greater or equal.")
    lt: int | None = _given("Is less.")
    lte: int | None = _given("Is less or equal.")


@strawberry.input(
    description=(
        'By one trait: `{key: "total billed", gte: 500}`. All that is given must hold.'
        ' Types are kept apart: `1` equals `1.0`, not `"1"` or `true`;\n'
        "numbers compare with numbers and text with text, anything else matches no comparison."
        " A missing trait equals nothing, so it matches\n"
        "`ne`, `notIn` and `exists: false` only; null is refused, ask `exists`."
    )
)
class TraitFilter:
    """By one trait."""

    key: str = strawberry.field(description="The key as sent.")
    eq: Json | None = _given("Is this.")
    ne: Json | None = _given("Is not this.")
    in_: list[Json] | None = _given("Is one of these.", name="in")
    not_in: list[Json] | None = _given("Is none of these.")
    gt: Json | None = _given("Is greater: numbers by size, text by bytes.")
    gte: Json | None = _given("Is greater or equal.")
    lt: Json | None = _given("Is less.")
    lte: Json | None = _given("Is less or equal.")
    contains: str | None = _given("Is text that contains this, ignoring case.")
    starts_with: str | None = _given("Is text that starts with this, ignoring case.")
    exists: bool | None = _given("Is there, or is missing.")


@strawberry.input(description="By audience keys. All that is given must hold.")
class AudienceFilter:
    """By audience keys."""

    in_: list[str] | None = _given("Is in all of these.", name="in")
    in_any: list[str] | None = _given("Is in at least one of these.")
    not_in: list[str] | None = _given("Is in none of these.")


@strawberry.input(
    description=(
        "By how often something happened. Five reports in the last 30 days:"
        ' `{name: {eq: "Report Viewed"}, within: "P30D", count: {gte: 5}}`.\n'
        "Not once: `count: {eq: 0}`."
    )
)
class EventCountFilter:
    """By how often something happened."""

    name: StringFilter | None = _given("Name of the track event, page or screen.")
    type: list[EventType] | None = _given("Any of these kinds of call.")
    since: Moment | None = _given("Not before this moment.")
    until: Moment | None = _given("Before this moment.")
    within: Span | None = _given("In the last so much time, up to now.")
    count: IntFilter | None = _given("How often. Default: at least once.")


@strawberry.input(description="Which events. All that is given must hold.")
class EventFilter:
    """Which events."""

    type: list[EventType] | None = _given("Any of these kinds of call.")
    name: StringFilter | None = _given("Name of the track event, page or screen.")
    timestamp: DateTimeFilter | None = _given("By when it happened.")
    user_id: StringFilter | None = _given("By userId as sent.")
    anonymous_id: StringFilter | None = _given("By anonymousId as sent.")
    group_id: StringFilter | None = _given("By groupId as sent.")
    message_id: StringFilter | None = _given("By messageId.")


@strawberry.input(
    description=(
        "Which customers. All that is given must hold; `{}` holds for everyone. `not` is the exact complement.\n"
        "Admins of account `a1` who are in audience `vip`:"
        ' `{accounts: {some: {groupId: {eq: "a1"}}, role: {eq: "admin"}}, audience: {in: ["vip"]}}`.'
    )
)
class CustomerFilter:
    """Which customers."""

    and_: list[CustomerFilter] | None = _given("All of these hold.", name="and")
    or_: list[CustomerFilter] | None = _given("At least one of these holds.", name="or")
    not_: CustomerFilter | None = _given("This does not hold.", name="not")
    user_id: StringFilter | None = _given("By userId, joined ones included.")
    email: StringFilter | None = _given("By email.")
    name: StringFilter | None = _given("By name.")
    signed_up_at: DateTimeFilter | None = _given("By when they signed up.")
    first_seen_at: DateTimeFilter | None = _given("By when they were first seen.")
    last_seen_at: DateTimeFilter | None = _given("By when they were last seen.")
    trait: TraitFilter | None = _given("By one trait; for several use `and`.")
    audience: AudienceFilter | None = _given("By audiences they are in.")
    accounts: CustomerAccountsFilter | None = _given("By accounts they are members of.")
    events: EventCountFilter | None = _given("By what they did, and how often.")


@strawberry.input(
    description=(
        "Which accounts. All that is given must hold."
        " Where `deleted` is not mentioned anywhere in a filter, deleted accounts are left out."
    )
)
class AccountFilter:
    """Which accounts."""

    and_: list[AccountFilter] | None = _given("All of these hold.", name="and")
    or_: list[AccountFilter] | None = _given("At least one of these holds.", name="or")
    not_: AccountFilter | None = _given("This does not hold.", name="not")
    group_id: StringFilter | None = _given("By groupId.")
    name: StringFilter | None = _given("By name.")
    created_at: DateTimeFilter | None = _given("By when it was created.")
    first_seen_at: DateTimeFilter | None = _given("By when it was first seen.")
    last_seen_at: DateTimeFilter | None = _given("By when it was last seen.")
    deleted: bool | None = _given(
        "Only deleted ones, or only ones that are not."
        " Deleted ones are left out wherever a filter does not mention this."
    )
    trait: TraitFilter | None = _given("By one trait; for several use `and`.")
    audience: AudienceFilter | None = _given("By audiences it is in.")
    members: AccountMembersFilter | None = _given("By its members.")
    events: EventCountFilter | None = _given("By what was done in it, and how often.")


@strawberry.input(description="By memberships. All that is given must hold.")
class CustomerAccountsFilter:
    """By memberships."""

    role: StringFilter | None = _given(
        "Only memberships with such a role count below; alone: has one of them."
    )
    some: AccountFilter | None = _given("Has a membership in such an account.")
    none: AccountFilter | None = _given("Has no membership in such an account.")
    every: AccountFilter | None = _given(
        "Each membership is in such an account; holds for those who have none."
    )


@strawberry.input(description="By members. All that is given must hold.")
class AccountMembersFilter:
    """By members."""

    role: StringFilter | None = _given(
        "Only members with such a role count below; alone: has one of them."
    )
    some: CustomerFilter | None = _given("Has such a member.")
    none: CustomerFilter | None = _given("Has no such member.")
    every: CustomerFilter | None = _given(
        "Each member is such a one; holds for accounts without members."
    )


_ONE_KEY = (
    "exactly one of `field` and `trait`. Those without a value come last in either direction."
)
_TRAIT = "numbers by size before text by bytes before anything else."


@strawberry.input(description=f"One key to sort customers by: {_ONE_KEY}")
class CustomerOrder:
    """One key to sort customers by."""

    field: CustomerOrderField | None = _given("A typed field.")
    trait: str | None = _given(f"A trait: {_TRAIT}")
    direction: Direction = strawberry.field(description="Which way.", default=Direction.DESC)


@strawberry.input(description=f"One key to sort accounts by: {_ONE_KEY}")
class AccountOrder:
    """One key to sort accounts by."""

    field: AccountOrderField | None = _given("A typed field.")
    trait: str | None = _given(f"A trait: {_TRAIT}")
    direction: Direction = strawberry.field(description="Which way.", default=Direction.DESC)


@strawberry.input(description=f"One key to sort an account's members by: {_ONE_KEY}")
class AccountMemberOrder:
    """One key to sort an account's members by."""

    field: AccountMemberOrderField | None = _given("A field of the membership or of the customer.")
    trait: str | None = _given(f"A trait of the customer: {_TRAIT}")
    direction: Direction = strawberry.field(description="Which way.", default=Direction.DESC)
