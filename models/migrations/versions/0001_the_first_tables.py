"""The first tables."""

import sqlalchemy as sa
from alembic import op

from models.dialect import BIG, KEY, TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "accounts",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("group_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("website", TEXT, nullable=True),
        sa.Column("industry", TEXT, nullable=True),
        sa.Column("employees", BIG, nullable=True),
        sa.Column("plan", TEXT, nullable=True),
        sa.Column("group_id_folded", TEXT, nullable=False),
        sa.Column("name_folded", TEXT, nullable=True),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("deleted_at", BIG, nullable=True),
        sa.Column("last_deletion_at", BIG, nullable=True),
        sa.Column("first_seen_at", BIG, nullable=False),
        sa.Column("last_seen_at", BIG, nullable=False),
        sa.Column("traits", TEXT, nullable=False),
        sa.Column("registers", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_accounts")),
    )
    op.create_index(
        "ix_accounts_created_at", "accounts", ["workspace_id", "created_at"], unique=False
    )
    op.create_index(
        "ix_accounts_last_seen_at", "accounts", ["workspace_id", "last_seen_at"], unique=False
    )
    op.create_index("ix_accounts_name", "accounts", ["workspace_id", "name"], unique=False)
    op.create_index("ux_accounts_key", "accounts", ["workspace_id", "key"], unique=True)
    op.create_table(
        "aliases",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("previous", BIG, nullable=False),
        sa.Column("owner", BIG, nullable=False),
        sa.Column("first_at", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "previous", "owner", name=op.f("pk_aliases")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_aliases_owner", "aliases", ["workspace_id", "owner", "previous"], unique=False
    )
    op.create_table(
        "api_keys",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("hash", KEY, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("prefix", TEXT, nullable=False),
        sa.Column("scopes", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=True),
        sa.Column("revoked_at", BIG, nullable=True),
        sa.Column("last_used_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
        sa.UniqueConstraint("workspace_id", "key", name=op.f("uq_api_keys_workspace_id_key")),
    )
    op.create_table(
        "audiences",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("entity", sa.SmallInteger(), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("folded", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_audiences")),
    )
    op.create_index("ux_audiences_key", "audiences", ["workspace_id", "entity", "key"], unique=True)
    op.create_table(
        "customers",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("user_id", TEXT, nullable=True),
        sa.Column("email", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("first_name", TEXT, nullable=True),
        sa.Column("last_name", TEXT, nullable=True),
        sa.Column("phone", TEXT, nullable=True),
        sa.Column("title", TEXT, nullable=True),
        sa.Column("avatar", TEXT, nullable=True),
        sa.Column("email_folded", TEXT, nullable=True),
        sa.Column("name_folded", TEXT, nullable=True),
        sa.Column("signed_up_at", BIG, nullable=True),
        sa.Column("first_seen_at", BIG, nullable=False),
        sa.Column("last_seen_at", BIG, nullable=False),
        sa.Column("traits", TEXT, nullable=False),
        sa.Column("registers", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_customers")),
    )
    op.create_index("ix_customers_email", "customers", ["workspace_id", "email"], unique=False)
    op.create_index(
        "ix_customers_first_seen_at", "customers", ["workspace_id", "first_seen_at"], unique=False
    )
    op.create_index(
        "ix_customers_last_seen_at", "customers", ["workspace_id", "last_seen_at"], unique=False
    )
    op.create_table(
        "erased_edges",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("hash", KEY, nullable=False),
        sa.Column("other", KEY, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("first_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "hash", "other", "kind", name=op.f("pk_erased_edges")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_erased_edges_other", "erased_edges", ["workspace_id", "other", "hash"], unique=False
    )
    op.create_table(
        "erasures",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("hash", KEY, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "hash", name=op.f("pk_erasures")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "events",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("type", sa.SmallInteger(), nullable=False),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("at", BIG, nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("whom", BIG, nullable=True),
        sa.Column("device", BIG, nullable=True),
        sa.Column("account_id", BIG, nullable=True),
        sa.Column("veil", sa.SmallInteger(), nullable=False),
        sa.Column("written", sa.SmallInteger(), nullable=False),
        sa.Column("notes", TEXT, nullable=True),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_events")),
    )
    op.create_index(
        "ix_events_account",
        "events",
        ["workspace_id", "account_id", "at"],
        unique=False,
        sqlite_where=sa.text("account_id IS NOT NULL"),
        postgresql_where=sa.text("account_id IS NOT NULL"),
    )
    op.create_index("ix_events_at", "events", ["workspace_id", "at"], unique=False)
    op.create_index("ix_events_whom", "events", ["workspace_id", "whom", "at"], unique=False)
    op.create_index("ux_events_key", "events", ["workspace_id", "key"], unique=True)
    op.create_table(
        "flags",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("entity", sa.SmallInteger(), nullable=False),
        sa.Column("owner_id", BIG, nullable=False),
        sa.Column("audience_id", BIG, nullable=False),
        sa.Column("member", sa.SmallInteger(), nullable=True),
        sa.Column("since", BIG, nullable=False),
        sa.Column("origin", sa.SmallInteger(), nullable=False),
        sa.Column("computation_id", TEXT, nullable=True),
        sa.Column("runs", TEXT, nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "entity", "owner_id", "audience_id", name=op.f("pk_flags")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_flags_audience",
        "flags",
        ["workspace_id", "audience_id", "member", "since", "owner_id"],
        unique=False,
    )
    op.create_table(
        "identities",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("identifier", TEXT, nullable=False),
        sa.Column("folded", TEXT, nullable=False),
        sa.Column("customer_id", BIG, nullable=False),
        sa.Column("seen", sa.SmallInteger(), nullable=False),
        sa.Column("owner", BIG, nullable=True),
        sa.Column("link_at", BIG, nullable=True),
        sa.Column("link_message_id", TEXT, nullable=True),
        sa.Column("link_digest", TEXT, nullable=True),
        sa.Column("hash", KEY, nullable=True),
        sa.CheckConstraint("kind in (0, 1)", name=op.f("ck_identities_kind")),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_identities")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_identities_customer", "identities", ["workspace_id", "customer_id"], unique=False
    )
    op.create_index(
        "ix_identities_hash",
        "identities",
        ["workspace_id", "hash"],
        unique=False,
        sqlite_where=sa.text("hash IS NOT NULL"),
        postgresql_where=sa.text("hash IS NOT NULL"),
    )
    op.create_index("ux_identities_key", "identities", ["workspace_id", "key"], unique=True)
    op.create_table(
        "intervals",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("audience_id", BIG, nullable=False),
        sa.Column("owner_id", BIG, nullable=False),
        sa.Column("entered_at", BIG, nullable=False),
        sa.Column("left_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint(
            "workspace_id", "audience_id", "owner_id", "entered_at", name=op.f("pk_intervals")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_intervals_entered",
        "intervals",
        ["workspace_id", "audience_id", "entered_at"],
        unique=False,
    )
    op.create_index(
        "ix_intervals_left", "intervals", ["workspace_id", "audience_id", "left_at"], unique=False
    )
    op.create_table(
        "links",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("device", BIG, nullable=False),
        sa.Column("owner", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "device", "owner", name=op.f("pk_links")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_links_owner", "links", ["workspace_id", "owner", "device"], unique=False)
    op.create_table(
        "memberships",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("customer_id", BIG, nullable=False),
        sa.Column("account_id", BIG, nullable=False),
        sa.Column("joined_at", BIG, nullable=True),
        sa.Column("role", TEXT, nullable=True),
        sa.Column("registers", TEXT, nullable=False),
        sa.Column("last_add_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint(
            "workspace_id", "customer_id", "account_id", name=op.f("pk_memberships")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_memberships_account",
        "memberships",
        ["workspace_id", "account_id", "joined_at", "customer_id"],
        unique=False,
    )
    op.create_table(
        "quarantine",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("message_id", TEXT, nullable=False),
        sa.Column("message_key", KEY, nullable=False),
        sa.Column("hash", KEY, nullable=True),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("retried_at", BIG, nullable=True),
        sa.Column("erased", sa.SmallInteger(), nullable=False),
        sa.Column("notes", TEXT, nullable=True),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_quarantine")),
    )
    op.create_index("ix_quarantine_hash", "quarantine", ["workspace_id", "hash"], unique=False)
    op.create_index(
        "ix_quarantine_message_id", "quarantine", ["workspace_id", "message_key"], unique=False
    )
    op.create_index(
        "ix_quarantine_received_at", "quarantine", ["workspace_id", "received_at"], unique=False
    )
    op.create_index("ux_quarantine_key", "quarantine", ["workspace_id", "key"], unique=True)
    op.create_table(
        "workspaces",
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("erasure_key", KEY, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workspaces")),
        sa.UniqueConstraint("name", name=op.f("uq_workspaces_name")),
    )


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("workspaces")
    op.drop_table("quarantine")
    op.drop_table("memberships")
    op.drop_table("links")
    op.drop_table("intervals")
    op.drop_table("identities")
    op.drop_table("flags")
    op.drop_table("events")
    op.drop_table("erasures")
    op.drop_table("erased_edges")
    op.drop_table("customers")
    op.drop_table("audiences")
    op.drop_table("api_keys")
    op.drop_table("aliases")
    op.drop_table("accounts")
