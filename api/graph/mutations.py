"""Facts stated by internal tools, from the top."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

import strawberry

from api.graph import (
    administering,
    administration,
    compile_roots,
    declaring,
    erasing,
    facts,
    quarantine,
    retrying,
    stating,
    trait_indexes,
)
from api.graph.acting import Act
from api.graph.arguments import argument
from api.graph.columns import in_sql

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def _states(mutation: stating.Mutation, description: str) -> Callable[[Resolver], Resolver]:
    metadata = {"sql": compile_roots.payload, "states": mutation}
    made: Callable[[Resolver], Resolver] = strawberry.mutation(
        description=description, metadata=metadata
    )
    return made


def _does(act: Act, description: str) -> Callable[[Resolver], Resolver]:
    metadata = {"sql": compile_roots.payload, "does": act}
    made: Callable[[Resolver], Resolver] = strawberry.mutation(
        description=description, metadata=metadata
    )
    return made


@strawberry.type(
    description=(
        "Facts stated by internal tools. Needs scope `write`, or `admin` where it says so.\n"
        "Each builds the message that says the same thing and takes the same way as a posted one;"
        " the answer comes after it is durable.\n"
        "What the caller could mend comes back in `userErrors`, and then nothing was written."
    )
)
class Mutation:
    """Facts stated by internal tools."""

    @_states(stating.SIGN_UP, "A user signed up: the same as the Track event `Signed Up`.")
    def sign_up(
        self, input: Annotated[facts.SignUpInput, argument("What to state.")]
    ) -> facts.CustomerPayload:
        """State: a user signed up."""
        in_sql()

    @_states(
        stating.IDENTIFY,
        "Traits of a user: the same as an Identify call. Creates the customer where there is none.",
    )
    def identify(
        self, input: Annotated[facts.IdentifyInput, argument("What to state.")]
    ) -> facts.CustomerPayload:
        """State: traits of a user."""
        in_sql()

    @_states(
        stating.CREATE_ACCOUNT,
        "An account was created: the same as the Track event `Account Created`.",
    )
    def create_account(
        self, input: Annotated[facts.CreateAccountInput, argument("What to state.")]
    ) -> facts.AccountPayload:
        """State: an account was created."""
        in_sql()

    @_states(
        stating.UPDATE_ACCOUNT,
        "Traits of an account: the same as a Group call without a user. Creates the account where there is none.",
    )
    def update_account(
        self, input: Annotated[facts.UpdateAccountInput, argument("What to state.")]
    ) -> facts.AccountPayload:
        """State: traits of an account."""
        in_sql()

    @_states(
        stating.DELETE_ACCOUNT,
        "An account was deleted: the same as the Track event `Account Deleted`. Its history stays and its memberships end.",
    )
    def delete_account(
        self, input: Annotated[facts.DeleteAccountInput, argument("What to state.")]
    ) -> facts.AccountPayload:
        """State: an account was deleted."""
        in_sql()

    @_states(
        stating.ADD_USER,
        "A user joined an account, or has a new role there: the same as the Track event `Account Added User`.",
    )
    def add_user_to_account(
        self, input: Annotated[facts.AddUserToAccountInput, argument("What to state.")]
    ) -> facts.MembershipPayload:
        """State: a user joined an account, or has a new role there."""
        in_sql()

    @_states(
        stating.REMOVE_USER,
        "A user left an account: the same as the Track event `Account Removed User`.",
    )
    def remove_user_from_account(
        self, input: Annotated[facts.RemoveUserFromAccountInput, argument("What to state.")]
    ) -> facts.MembershipPayload:
        """State: a user left an account."""
        in_sql()

    @_states(stating.TRACK, "Anything else that happened: the same as a Track call.")
    def track(
        self, input: Annotated[facts.TrackInput, argument("What to state.")]
    ) -> facts.EventPayload:
        """State: anything else that happened."""
        in_sql()

    @_does(
        retrying.retry_quarantined,
        "Try a quarantined message again, as it is or corrected. Needs scope `admin`.",
    )
    def retry_quarantined(
        self, input: Annotated[quarantine.RetryInput, argument("Which one, and what to correct.")]
    ) -> facts.ReceiptPayload:
        """Try a quarantined message again."""
        in_sql()

    @_does(
        erasing.erase_customer,
        "Erase a person for good: traits, payloads, identifiers and whatever is quarantined."
        " Replaying old events does not bring them back.\n"
        "Needs scope `admin`. To say that an account is gone, use `deleteAccount`.",
    )
    def erase_customer(
        self, input: Annotated[administration.EraseCustomerInput, argument("Whom to erase.")]
    ) -> administration.ErasePayload:
        """Erase a person."""
        in_sql()

    @_does(
        declaring.index_trait,
        "Make filters and orders on a trait fast, or stop paying for it. Needs scope `admin`.",
    )
    def index_trait(
        self, input: Annotated[trait_indexes.IndexTraitInput, argument("Which trait.")]
    ) -> trait_indexes.TraitKeyPayload:
        """Make a trait fast."""
        in_sql()

    @_does(
        administering.create_api_key,
        "Create an API key. Its secret is in this answer and nowhere else. Needs scope `admin`.",
    )
    def create_api_key(
        self, input: Annotated[administration.CreateApiKeyInput, argument("What the key may do.")]
    ) -> administration.CreateApiKeyPayload:
        """Create an API key."""
        in_sql()

    @_does(
        administering.revoke_api_key,
        "Revoke an API key. It stops working within seconds. Revoking twice is no error."
        " Needs scope `admin`.",
    )
    def revoke_api_key(
        self, input: Annotated[administration.RevokeApiKeyInput, argument("Which key.")]
    ) -> administration.ApiKeyPayload:
        """Revoke an API key."""
        in_sql()
