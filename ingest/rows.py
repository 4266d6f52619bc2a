"""The rows of customers and accounts, as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest import pack, typed
from ingest.fold import Membership
from ingest.indexes import Shown
from models.database import Row
from models.values import Micros

if TYPE_CHECKING:
    from ingest.working import Company, Person

CUSTOMER_COLUMNS = (
    "id",
    "key",
    "user_id",
    *typed.CUSTOMER_FIELDS,
    "email_folded",
    "name_folded",
    "signed_up_at",
    "first_seen_at",
    "last_seen_at",
    "traits",
    "registers",
)
ACCOUNT_COLUMNS = (
    "id",
    "key",
    "group_id",
    "group_id_folded",
    *typed.ACCOUNT_FIELDS,
    "name_folded",
    "created_at",
    "deleted_at",
    "last_deletion_at",
    "first_seen_at",
    "last_seen_at",
    "traits",
    "registers",
)
MEMBERSHIP_COLUMNS = ("customer_id", "account_id", "joined_at", "role", "registers", "last_add_at")


def customer_row(person: Person) -> Row:
    """Return the row of a customer."""
    fold = person.fold
    fields = typed.customer_fields(fold.traits)
    return (
        person.id,
        person.key,
        person.user_id,
        *fields.values(),
        _folded(fields["email"]),
        _folded(fields["name"]),
        fold.signed_up,
        fold.first_seen,
        fold.last_seen,
        pack.pack_traits(fold),
        pack.pack_customer(fold),
    )


def account_row(company: Company) -> Row:
    """Return the row of an account."""
    fold = company.fold
    fields = typed.account_fields(fold.traits)
    created: Micros | None = fold.first_seen if fold.created is None else fold.created
    return (
        company.id,
        company.key,
        company.group_id,
        company.group_id.lower(),
        *fields.values(),
        _folded(fields["name"]),
        created,
        fold.deleted_at,
        fold.deleted,
        fold.first_seen,
        fold.last_seen,
        pack.pack_traits(fold),
        pack.pack_account(fold),
    )


def membership_row(customer: int, account: int, place: Membership) -> Row:
    """Return the row of a customer's place in an account."""
    return (
        *(customer, account, place.joined, pack.role_text(place)),
        *(pack.pack_membership(place), place.last_add),
    )


def _folded(text: str | None) -> str | None:
    return None if text is None else text.lower()


def shown_customer(row: Row) -> tuple[int, Shown]:
    """Return what is indexed of a customer's row, by its number."""
    return row[0], Shown(row[1], row[-2], (row[_EMAIL], row[_EMAIL + 1]))


def shown_account(row: Row) -> tuple[int, Shown]:
    """Return what is indexed of an account's row, by its number."""
    return row[0], Shown(row[1], row[-2], (row[3], row[_NAME]))


_EMAIL = CUSTOMER_COLUMNS.index("email_folded")
_NAME = ACCOUNT_COLUMNS.index("name_folded")
