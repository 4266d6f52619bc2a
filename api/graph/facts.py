"""What a mutation takes and what it answers."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET

from api.graph import columns, compile_receipts, compile_roots
from api.graph.columns import sql
from api.graph.compile_receipts import either
from api.graph.enums import QuarantineReason, ReceiptOutcome, UserErrorCode
from api.graph.quarantine import QuarantinedMessage
from api.graph.scalars import Json, Moment
from api.graph.types import Account, Customer, Event, Membership


def _given(description: str) -> Any:
    return strawberry.field(description=description, default=UNSET)


def _needed(description: str) -> Any:
    return strawberry.field(description=description)


_SET = "What to set, an object; null unsets a key, an absent key keeps."
_MESSAGE_ID = (
    "Makes the call idempotent: the same id and content again change nothing. Default: one is made."
)
_WHEN = "When it happened. Default: now."


@strawberry.input(description="A user signed up.")
class SignUpInput:
    """A user signed up."""

    user_id: str = _needed("The user.")
    email: str | None = _given("Their email.")
    name: str | None = _given("Their name.")
    traits: Json | None = _given("More traits, an object; `email` and `name` above go first.")
    group_id: str | None = _given("The account they signed up to; they become a member.")
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.input(description="Traits of a user.")
class IdentifyInput:
    """Traits of a user."""

    user_id: str = _needed("The user.")
    traits: Json = _needed(_SET)
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.input(description="An account was created.")
class CreateAccountInput:
    """An account was created."""

    group_id: str = _needed("The account.")
    name: str | None = _given("Its name.")
    user_id: str | None = _given("Who created it; they become a member.")
    traits: Json | None = _given("More traits, an object; `name` above goes first.")
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.input(description="Traits of an account.")
class UpdateAccountInput:
    """Traits of an account."""

    group_id: str = _needed("The account.")
    traits: Json = _needed(_SET)
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.input(description="An account was deleted.")
class DeleteAccountInput:
    """An account was deleted."""

    group_id: str = _needed("The account.")
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.input(description="A user joined an account.")
class AddUserToAccountInput:
    """A user joined an account."""

    user_id: str = _needed("The user.")
    group_id: str = _needed("The account.")
    role: str | None = _given("Their role. Absent: the role they have stays.")
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.input(description="A user left an account.")
class RemoveUserFromAccountInput:
    """A user left an account."""

    user_id: str = _needed("The user.")
    group_id: str = _needed("The account.")
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.input(
    description="Something happened. At least one of `userId`, `anonymousId` and `groupId` says to whom."
)
class TrackInput:
    """Something happened."""

    event: str = _needed("Name of the event: `Invoice Paid`.")
    user_id: str | None = _given("The user.")
    anonymous_id: str | None = _given("The device, when the user is not known.")
    group_id: str | None = _given("The account it happened in.")
    properties: Json | None = _given("Whatever describes it, an object.")
    message_id: str | None = _given(_MESSAGE_ID)
    timestamp: Moment | None = _given(_WHEN)


@strawberry.type(description="What the caller could mend.")
class UserError:
    """What the caller could mend."""

    field: list[str] | None = strawberry.field(
        description='Path to the offending part below `input`, such as ["traits", "name"]; null when it is the whole.'
    )
    code: UserErrorCode = strawberry.field(description="What kind of error, for programs.")
    message: str = strawberry.field(description="What is wrong and what to do, for people.")


@strawberry.type(description="What became of one message.")
class Receipt:
    """What became of one message."""

    message_id: str = strawberry.field(
        description="The message's own id, as sent, or `derived:...` where none was sent.",
        metadata=sql(
            either(
                columns.text("message_id"),
                compile_roots.receipt(lambda stated: stated.receipt.message_id),
            )
        ),
    )
    outcome: ReceiptOutcome = strawberry.field(
        description="What became of it.",
        metadata=sql(
            either(
                compile_receipts.receipt_outcome,
                compile_roots.receipt(lambda stated: stated.receipt.outcome),
            )
        ),
    )
    reason: QuarantineReason | None = strawberry.field(
        description="Why it is quarantined; null otherwise.",
        metadata=sql(
            either(
                compile_receipts.receipt_reason,
                compile_roots.receipt(lambda stated: stated.receipt.reason),
            )
        ),
    )
    received_at: Moment = strawberry.field(
        description="When it arrived.",
        metadata=sql(either(columns.moment("received_at"), compile_roots.receipt_received_at)),
    )
    notes: list[str] = strawberry.field(
        description="What had to be read with care, such as a time that could not be understood.",
        metadata=sql(
            either(
                compile_receipts.receipt_notes,
                compile_roots.receipt(lambda stated: stated.receipt.notes),
            )
        ),
    )
    event: Event | None = strawberry.field(
        description="The event it is; null when it is quarantined or erased.",
        metadata=sql(either(compile_receipts.receipt_event, compile_roots.stated_event)),
    )
    quarantined: QuarantinedMessage | None = strawberry.field(
        description="Where it waits; null unless it is quarantined.",
        metadata=sql(
            either(compile_receipts.receipt_quarantined, compile_roots.stated_quarantined)
        ),
    )


@strawberry.interface(description="What every mutation answers.")
class MutationPayload:
    """What every mutation answers."""

    user_errors: list[UserError] = strawberry.field(
        description="What the caller could mend; empty when the mutation was accepted.",
        metadata=sql(compile_roots.no_errors),
    )


def _receipt() -> Any:
    return strawberry.field(
        description="What became of the message; null when there are userErrors.",
        metadata=sql(compile_roots.stated_receipt),
    )


_CUSTOMER = "The customer as they now stand; null when there are userErrors."
_ACCOUNT = "The account as it now stands; null when there are userErrors."


@strawberry.type(description="The customer after the mutation.")
class CustomerPayload(MutationPayload):
    """The customer after the mutation."""

    customer: Customer | None = strawberry.field(
        description=_CUSTOMER, metadata=sql(compile_roots.stated_customer)
    )
    receipt: Receipt | None = _receipt()


@strawberry.type(description="The account after the mutation.")
class AccountPayload(MutationPayload):
    """The account after the mutation."""

    account: Account | None = strawberry.field(
        description=_ACCOUNT, metadata=sql(compile_roots.stated_account)
    )
    receipt: Receipt | None = _receipt()


@strawberry.type(description="The membership after the mutation.")
class MembershipPayload(MutationPayload):
    """The membership after the mutation."""

    membership: Membership | None = strawberry.field(
        description="The membership as it now stands; null when they are no member, as after a removal.",
        metadata=sql(compile_roots.stated_membership),
    )
    customer: Customer | None = strawberry.field(
        description=_CUSTOMER, metadata=sql(compile_roots.stated_customer)
    )
    account: Account | None = strawberry.field(
        description=_ACCOUNT, metadata=sql(compile_roots.stated_account)
    )
    receipt: Receipt | None = _receipt()


@strawberry.type(description="The event that was stated.")
class EventPayload(MutationPayload):
    """The event that was stated."""

    event: Event | None = strawberry.field(
        description="The event; null when there are userErrors.",
        metadata=sql(compile_roots.stated_event),
    )
    customer: Customer | None = strawberry.field(
        description="The customer it is about, as they now stand.",
        metadata=sql(compile_roots.stated_customer),
    )
    account: Account | None = strawberry.field(
        description="The account it is about, as it now stands.",
        metadata=sql(compile_roots.stated_account),
    )
    receipt: Receipt | None = _receipt()


@strawberry.type(description="What became of a retried message.")
class ReceiptPayload(MutationPayload):
    """What became of a retried message."""

    receipt: Receipt | None = _receipt()
