"""What operators do: keys to be made and revoked, people to be erased, and what that removed."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry import UNSET

from api.graph import compile_admin, compile_roots
from api.graph.columns import sql
from api.graph.enums import Scope
from api.graph.facts import MutationPayload, Receipt
from api.graph.scalars import Moment
from api.graph.viewer import ApiKey


def _given(description: str) -> Any:
    return strawberry.field(description=description, default=UNSET)


def _needed(description: str) -> Any:
    return strawberry.field(description=description)


@strawberry.input(description="Whom to erase, by exactly one of `id`, `userId` and `anonymousId`.")
class EraseCustomerInput:
    """Whom to erase."""

    id: strawberry.ID | None = _given("Global id.")
    user_id: str | None = _given(
        "The id your application uses. Any joined userId finds the customer."
    )
    anonymous_id: str | None = _given("A device id: the customer it belongs to.")
    message_id: str | None = _given(
        "Makes the call idempotent: the same id and content again change nothing. Default: one is made."
    )
    timestamp: Moment | None = _given("When it happened. Default: now.")


@strawberry.input(description="What a new key may do.")
class CreateApiKeyInput:
    """What a new key may do."""

    name: str = _needed("What it is for.")
    scopes: list[Scope] = _needed("What it may do, at least one.")
    expires_at: Moment | None = _given("When it ceases to work. Default: never.")


@strawberry.input(description="Which key to revoke.")
class RevokeApiKeyInput:
    """Which key to revoke."""

    id: strawberry.ID = _needed("Global id of the key.")


def _count(description: str, of: Any) -> Any:
    return strawberry.field(description=description, metadata=sql(compile_admin.erased(of)))


@strawberry.type(description="What an erasure removed.")
class Erasure:
    """What an erasure removed."""

    events: int = _count("Events whose bodies were removed.", lambda gone: gone.events)
    traits: int = _count("Traits, their history included.", lambda gone: gone.traits)
    audience_flags: int = _count("Audience flags.", lambda gone: gone.audience_flags)
    memberships: int = _count("Memberships.", lambda gone: gone.memberships)
    identifiers: int = _count("Identifiers.", lambda gone: gone.identifiers)
    quarantined: int = _count("Quarantined messages.", lambda gone: gone.quarantined)


@strawberry.type(description="What was erased.")
class ErasePayload(MutationPayload):
    """What was erased."""

    erased_customer_id: strawberry.ID | None = strawberry.field(
        description="Global id of the customer who is no more; null when there are userErrors.",
        metadata=sql(compile_admin.erased_customer_id),
    )
    erasure: Erasure | None = strawberry.field(
        description="What was removed; null when there are userErrors.",
        metadata=sql(compile_admin.erasure),
    )
    receipt: Receipt | None = strawberry.field(
        description="What became of the message; null when there are userErrors.",
        metadata=sql(compile_roots.stated_receipt),
    )


@strawberry.type(description="The key after the mutation.")
class ApiKeyPayload(MutationPayload):
    """The key after the mutation."""

    api_key: ApiKey | None = strawberry.field(
        description="The key as it now stands; null when there are userErrors.",
        metadata=sql(compile_admin.made_key),
    )


@strawberry.type(description="The new key.")
class CreateApiKeyPayload(MutationPayload):
    """The new key."""

    api_key: ApiKey | None = strawberry.field(
        description="The key; null when there are userErrors.",
        metadata=sql(compile_admin.made_key),
    )
    secret: str | None = strawberry.field(
        description="The key's secret, shown this once; null when there are userErrors.",
        metadata=sql(compile_admin.secret),
    )
