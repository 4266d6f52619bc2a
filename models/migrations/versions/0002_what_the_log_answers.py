"""What the log answers: audit, and indexes that are asked for."""

import sqlalchemy as sa
from alembic import op

from models.dialect import BIG, KEY, TEXT
from models.dialect_migrate import add_index, bound_index, remove_index, unbound_index

revision = "0002_since_0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    # First, what PostgreSQL does outside of a transaction.
    bound_index("ix_customers_email", "customers", "email")
    bound_index("ix_accounts_name", "accounts", "name")
    bound_index("ux_audiences_key", "audiences", "entity", "key", unique=True)
    add_index(
        "ix_accounts_deleted_at",
        "accounts",
        "workspace_id",
        "deleted_at",
        where="deleted_at IS NOT NULL",
    )
    op.create_table(
        "imports",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("received_at", BIG, nullable=False),
        sa.Column("lines", BIG, nullable=False),
        sa.Column("bytes_read", BIG, nullable=False),
        sa.Column("digest", KEY, nullable=False),
        sa.Column("counts", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "key", name=op.f("pk_imports")),
        sqlite_with_rowid=False,
    )

    op.add_column("api_keys", sa.Column("requests_per_minute", BIG, nullable=True))
    op.create_table(
        "audit",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("api_key", KEY, nullable=True),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("succeeded", sa.SmallInteger(), nullable=False),
        sa.Column("message_id", TEXT, nullable=True),
        sa.Column("outcome", TEXT, nullable=True),
        sa.Column("mark", KEY, nullable=True),
        sa.Column("report", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_audit")),
    )
    op.create_index("ux_audit_key", "audit", ["workspace_id", "key"], unique=True)
    op.create_index("ix_audit_at", "audit", ["workspace_id", "at", "key"])
    op.create_index(
        "ix_audit_mark",
        "audit",
        ["workspace_id", "mark"],
        sqlite_where=sa.text("mark IS NOT NULL"),
        postgresql_where=sa.text("mark IS NOT NULL"),
    )
    _kept_indexes()


def _kept_indexes() -> None:
    op.create_table(
        "kept_indexes",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("id", BIG, sa.Identity(always=False), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("state", sa.SmallInteger(), nullable=False),
        sa.Column("hot", sa.SmallInteger(), nullable=False),
        sa.Column("asked_at", BIG, nullable=False),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("done", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "id", name=op.f("pk_kept_indexes")),
    )
    op.create_table(
        "trait_values",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("index_id", BIG, nullable=False),
        sa.Column("owner_id", BIG, nullable=False),
        sa.Column("key", KEY, nullable=False),
        sa.Column("place", TEXT, nullable=False),
        sa.Column("folded", TEXT, nullable=True),
        sa.Column("cut", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "workspace_id", "index_id", "owner_id", name=op.f("pk_trait_values")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_trait_values_place", "trait_values", ["workspace_id", "index_id", "place", "key"]
    )
    for name, columns, some in (
        ("ix_trait_values_folded", ["workspace_id", "index_id", "folded"], "folded IS NOT NULL"),
        ("ix_trait_values_cut", ["workspace_id", "index_id"], "cut = 1"),
    ):
        where = sa.text(some)
        op.create_index(name, "trait_values", columns, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "words",
        sa.Column("workspace_id", BIG, nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("word", TEXT, nullable=False),
        sa.Column("owner_id", BIG, nullable=False),
        sa.PrimaryKeyConstraint("workspace_id", "kind", "word", "owner_id", name=op.f("pk_words")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Go back to the one before."""
    op.drop_table("words")
    op.drop_table("trait_values")
    op.drop_table("kept_indexes")
    op.drop_table("audit")
    op.drop_column("api_keys", "requests_per_minute")
    op.drop_table("imports")
    remove_index("ix_accounts_deleted_at")
    unbound_index("ux_audiences_key", "audiences", "entity", "key", unique=True)
    unbound_index("ix_accounts_name", "accounts", "name")
    unbound_index("ix_customers_email", "customers", "email")
