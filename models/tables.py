"""What is stored, table by table, with the constraints that keep it true."""

from __future__ import annotations

from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import SQLModel

from models import columns, tables_indexes  # noqa: F401 (fills the metadata)
from models.dialect import CLUSTERED, text_indexes

_big, _id, _key = columns.big, columns.row_number, columns.key
_small, _text = columns.small, columns.text


class Workspace(SQLModel, table=True):
    """A tenant. Every other table leads with its number."""

    __tablename__: ClassVar[Any] = "workspaces"
    __table_args__ = (UniqueConstraint("name"),)

    id: int = _id()
    name: str = _text()
    created_at: int = _big()
    # Keys the hashes that remain of erased identifiers; exported with the log.
    erasure_key: bytes = _key()


class ApiKey(SQLModel, table=True):
    """A key to the API; of its secret only the SHA-256."""

    __tablename__: ClassVar[Any] = "api_keys"
    # The one look-up made before the workspace is known: the row says which it is.
    __table_args__ = (UniqueConstraint("hash"), UniqueConstraint("workspace_id", "key"))

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    key: bytes = _key()
    hash: bytes = _key()
    name: str = _text()
    prefix: str = _text()
    scopes: str = _text()
    created_at: int = _big()
    expires_at: int | None = _big(nullable=True)
    revoked_at: int | None = _big(nullable=True)
    last_used_at: int | None = _big(nullable=True)
    # Null where the setting for all keys holds.
    requests_per_minute: int | None = _big(nullable=True)


class Event(SQLModel, table=True):
    """The log: one row for each message, never changed but by erasure."""

    __tablename__: ClassVar[Any] = "events"
    __table_args__ = (
        # The key begins with a hash of the messageId: one index answers duplicate, conflict and receipt.
        Index("ux_events_key", "workspace_id", "key", unique=True),
        Index("ix_events_whom", "workspace_id", "whom", "at"),
        Index(
            "ix_events_account",
            "workspace_id",
            "account_id",
            "at",
            **columns.where("account_id IS NOT NULL"),
        ),
        Index("ix_events_at", "workspace_id", "at"),
    )

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    key: bytes = _key()
    message_id: str = _text()
    type: int = _small()
    name: str | None = _text(nullable=True)
    at: int = _big()
    received_at: int = _big()
    # The identity it is about; null for an account alone, and once erased.
    whom: int | None = _big(nullable=True)
    # The anonymousId beside a userId, as an identity.
    device: int | None = _big(nullable=True)
    account_id: int | None = _big(nullable=True)
    # 0 visible; 1 erased: what is left says something of an account at most; 2 a delete.
    veil: int = _small()
    # What kinds of key it writes, in bits: 1 traits, 2 a place, 4 account traits, 8 alive or deleted.
    written: int = _small()
    notes: str | None = _text(nullable=True)
    body: str = _text()


class Identity(SQLModel, table=True):
    """A userId or anonymousId, and the customer it belongs to now."""

    __tablename__: ClassVar[Any] = "identities"
    __table_args__ = (
        Index("ux_identities_key", "workspace_id", "key", unique=True),
        Index("ix_identities_customer", "workspace_id", "customer_id"),
        Index(
            "ix_identities_hash",
            "workspace_id",
            "hash",
            **columns.where("hash IS NOT NULL"),
        ),
        CheckConstraint("kind in (0, 1)", name="kind"),
        CLUSTERED,
    )

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    key: bytes = _key()
    kind: int = _small()
    identifier: str = _text()
    folded: str = _text()
    customer_id: int = _big()
    # Whether it was ever carried as userId or anonymousId, not only named by an alias.
    seen: int = _small()
    # The earliest link of an anonymousId: whose it is, and the stamp of the event that says so.
    owner: int | None = _big(nullable=True)
    link_at: int | None = _big(nullable=True)
    link_message_id: str | None = _text(nullable=True)
    link_digest: str | None = _text(nullable=True)
    # The keyed hash by which erased links and aliases know it; null where none can name it.
    hash: bytes | None = _key(nullable=True)


class Link(SQLModel, table=True):
    """An anonymousId carried with a userId, and the earliest event that did so."""

    __tablename__: ClassVar[Any] = "links"
    __table_args__ = (Index("ix_links_owner", "workspace_id", "owner", "device"), CLUSTERED)

    workspace_id: int = _big(primary_key=True)
    device: int = _big(primary_key=True)
    owner: int = _big(primary_key=True)
    at: int = _big()
    message_id: str = _text()
    digest: str = _text()


class Alias(SQLModel, table=True):
    """Two userIds joined by an alias: the earliest time and the newest stamp that say so."""

    __tablename__: ClassVar[Any] = "aliases"
    __table_args__ = (Index("ix_aliases_owner", "workspace_id", "owner", "previous"), CLUSTERED)

    workspace_id: int = _big(primary_key=True)
    previous: int = _big(primary_key=True)
    owner: int = _big(primary_key=True)
    first_at: int = _big()
    at: int = _big()
    message_id: str = _text()
    digest: str = _text()


class Customer(SQLModel, table=True):
    """A person: what the fold of all their events comes to."""

    __tablename__: ClassVar[Any] = "customers"
    __table_args__ = (
        Index("ix_customers_last_seen_at", "workspace_id", "last_seen_at"),
        Index("ix_customers_first_seen_at", "workspace_id", "first_seen_at"),
        *text_indexes("ix_customers_email", "email"),
    )

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    # Of the identity that stands for the whole: the root userId, or the one anonymousId.
    key: bytes = _key()
    user_id: str | None = _text(nullable=True)
    email: str | None = _text(nullable=True)
    name: str | None = _text(nullable=True)
    first_name: str | None = _text(nullable=True)
    last_name: str | None = _text(nullable=True)
    phone: str | None = _text(nullable=True)
    title: str | None = _text(nullable=True)
    avatar: str | None = _text(nullable=True)
    email_folded: str | None = _text(nullable=True)
    name_folded: str | None = _text(nullable=True)
    signed_up_at: int | None = _big(nullable=True)
    first_seen_at: int = _big()
    last_seen_at: int = _big()
    traits: str = _text()
    registers: str = _text()


class Account(SQLModel, table=True):
    """A company, team or other group."""

    __tablename__: ClassVar[Any] = "accounts"
    __table_args__ = (
        Index("ux_accounts_key", "workspace_id", "key", unique=True),
        Index("ix_accounts_last_seen_at", "workspace_id", "last_seen_at"),
        Index("ix_accounts_created_at", "workspace_id", "created_at"),
        # Few are deleted, and what an audience lost by that is counted per interval.
        Index(
            "ix_accounts_deleted_at",
            "workspace_id",
            "deleted_at",
            **columns.where("deleted_at IS NOT NULL"),
        ),
        *text_indexes("ix_accounts_name", "name"),
    )

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    key: bytes = _key()
    group_id: str = _text()
    name: str | None = _text(nullable=True)
    website: str | None = _text(nullable=True)
    industry: str | None = _text(nullable=True)
    employees: int | None = _big(nullable=True)
    plan: str | None = _text(nullable=True)
    group_id_folded: str = _text()
    name_folded: str | None = _text(nullable=True)
    created_at: int = _big()
    # Set while it is deleted, so that a list needs no arithmetic.
    deleted_at: int | None = _big(nullable=True)
    # The last deletion, revived or not: members who joined before it are gone.
    last_deletion_at: int | None = _big(nullable=True)
    first_seen_at: int = _big()
    last_seen_at: int = _big()
    traits: str = _text()
    registers: str = _text()


class Membership(SQLModel, table=True):
    """A customer's place in an account, live or over."""

    __tablename__: ClassVar[Any] = "memberships"
    __table_args__ = (
        Index("ix_memberships_account", "workspace_id", "account_id", "joined_at", "customer_id"),
        CLUSTERED,
    )

    workspace_id: int = _big(primary_key=True)
    customer_id: int = _big(primary_key=True)
    account_id: int = _big(primary_key=True)
    # Null while they are no member. Shown only if later than the account's last deletion.
    joined_at: int | None = _big(nullable=True)
    role: str | None = _text(nullable=True)
    registers: str = _text()
    last_add_at: int | None = _big(nullable=True)


class Audience(SQLModel, table=True):
    """The number of a key that was ever written as a boolean."""

    __tablename__: ClassVar[Any] = "audiences"
    __table_args__ = text_indexes("ux_audiences_key", "entity", "key", unique=True)

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    # 0 customers, 1 accounts.
    entity: int = _small()
    key: str = _text()
    folded: str = _text()


class Flag(SQLModel, table=True):
    """A customer or account as seen by one audience."""

    __tablename__: ClassVar[Any] = "flags"
    __table_args__ = (
        Index("ix_flags_audience", "workspace_id", "audience_id", "member", "since", "owner_id"),
        CLUSTERED,
    )

    workspace_id: int = _big(primary_key=True)
    entity: int = _small(primary_key=True)
    owner_id: int = _big(primary_key=True)
    audience_id: int = _big(primary_key=True)
    # 1 in, 0 out, null where the newest write is no boolean: then there is no flag to show.
    member: int | None = _small(nullable=True)
    since: int = _big()
    # 1 once any stored write of the key was marked by Engage.
    origin: int = _small()
    computation_id: str | None = _text(nullable=True)
    # Every change of the value: [[at, 1 | 0 | null], ...], oldest first.
    runs: str = _text()


class Interval(SQLModel, table=True):
    """One stay in an audience."""

    __tablename__: ClassVar[Any] = "intervals"
    __table_args__ = (
        Index("ix_intervals_entered", "workspace_id", "audience_id", "entered_at"),
        Index("ix_intervals_left", "workspace_id", "audience_id", "left_at"),
        CLUSTERED,
    )

    workspace_id: int = _big(primary_key=True)
    audience_id: int = _big(primary_key=True)
    owner_id: int = _big(primary_key=True)
    entered_at: int = _big(primary_key=True)
    left_at: int | None = _big(nullable=True)


class Quarantine(SQLModel, table=True):
    """A message that could not be applied, kept whole."""

    __tablename__: ClassVar[Any] = "quarantine"
    __table_args__ = (
        Index("ux_quarantine_key", "workspace_id", "key", unique=True),
        Index("ix_quarantine_received_at", "workspace_id", "received_at"),
        Index("ix_quarantine_message_id", "workspace_id", "message_key"),
        Index("ix_quarantine_hash", "workspace_id", "hash"),
    )

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    # Of the body, so that one body is one entry however often it comes.
    key: bytes = _key()
    message_id: str = _text()
    message_key: bytes = _key()
    # The keyed hash of the user or device it names, so that erasing them finds it.
    hash: bytes | None = _key(nullable=True)
    reason: str = _text()
    at: int = _big()
    received_at: int = _big()
    retried_at: int | None = _big(nullable=True)
    erased: int = _small()
    notes: str | None = _text(nullable=True)
    body: str = _text()


class Erasure(SQLModel, table=True):
    """A keyed hash of an erased identifier: what it said until then is ignored for ever."""

    __tablename__: ClassVar[Any] = "erasures"
    __table_args__ = (CLUSTERED,)

    workspace_id: int = _big(primary_key=True)
    hash: bytes = _key(primary_key=True)
    until: int = _big()


class ErasedEdge(SQLModel, table=True):
    """A link or alias that an erased event made, as keyed hashes, so that erasure still spreads along it."""

    __tablename__: ClassVar[Any] = "erased_edges"
    __table_args__ = (Index("ix_erased_edges_other", "workspace_id", "other", "hash"), CLUSTERED)

    workspace_id: int = _big(primary_key=True)
    hash: bytes = _key(primary_key=True)
    other: bytes = _key(primary_key=True)
    # 0 hash is a userId and other a device carried with it; 1 both are userIds of one alias.
    kind: int = _small(primary_key=True)
    first_at: int = _big()


class Import(SQLModel, table=True):
    """How far an import has come that has not ended: it goes on from here."""

    __tablename__: ClassVar[Any] = "imports"
    __table_args__ = (CLUSTERED,)

    workspace_id: int = _big(primary_key=True)
    # Of the beginning of what is imported.
    key: bytes = _key(primary_key=True)
    # What a message counts as received that does not say when it was.
    received_at: int = _big()
    lines: int = _big()
    bytes_read: int = _big()
    # Of all that was read: only what begins so is the same.
    digest: bytes = _key()
    # What became of the messages so far, as JSON.
    counts: str = _text()


class Audit(SQLModel, table=True):
    """One change that was asked for through the API or the command line, done or refused."""

    __tablename__: ClassVar[Any] = "audit"
    __table_args__ = (
        Index("ux_audit_key", "workspace_id", "key", unique=True),
        Index("ix_audit_at", "workspace_id", "at", "key"),
        Index(
            "ix_audit_mark",
            "workspace_id",
            "mark",
            **columns.where("mark IS NOT NULL"),
        ),
    )

    workspace_id: int = _big(primary_key=True)
    id: int = _id()
    key: bytes = _key()
    at: int = _big()
    # The key that was used; null when it was the command line.
    api_key: bytes | None = _key(nullable=True)
    action: str = _text()
    succeeded: int = _small()
    message_id: str | None = _text(nullable=True)
    outcome: str | None = _text(nullable=True)
    # Of an erasure: the keyed hash of what was asked, and as JSON how much it removed.
    mark: bytes | None = _key(nullable=True)
    report: str | None = _text(nullable=True)
