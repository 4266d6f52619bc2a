"""Change tables under those who use them: indexes that make nobody wait.

Call these before anything else in a revision. PostgreSQL makes such an index outside of any
transaction, so a revision that ended halfway is begun again, and finds half of them done.
"""

from __future__ import annotations

from alembic import op

from models.dialect import beginning


def add_index(
    name: str, table: str, *columns: str, unique: bool = False, where: str | None = None
) -> None:
    """Make an index of a table that may be large and in use, unless it is there; columns are SQL."""
    kind = "UNIQUE INDEX" if unique else "INDEX"
    some = f" WHERE {where}" if where else ""
    of = f"{table} ({', '.join(columns)}){some}"
    if _on_postgres():
        _unfinished(name)
        _outside(f"CREATE {kind} CONCURRENTLY IF NOT EXISTS {name} ON {of}")
    else:
        op.execute(f"CREATE {kind} IF NOT EXISTS {name} ON {of}")


def remove_index(name: str) -> None:
    """Remove an index of a table that may be in use, if it is there."""
    if _on_postgres():
        _outside(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    else:
        op.execute(f"DROP INDEX IF EXISTS {name}")


def bound_index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    """Let an index whose last column is text take text of any length (`dialect.text_indexes`)."""
    if _on_postgres():
        held = beginning(*columns, unique=unique)
        add_index(f"{name}_start", table, "workspace_id", *held, unique=unique)
        remove_index(name)


def unbound_index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    """Undo `bound_index`; there must be no text that is too long."""
    if _on_postgres():
        add_index(name, table, "workspace_id", *columns, unique=unique)
        remove_index(f"{name}_start")


def _on_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"


def _unfinished(name: str) -> None:
    """Remove what is left of an index whose making was broken off: nothing reads it, all write it."""
    sql = f"SELECT 1 FROM pg_index WHERE indexrelid = to_regclass('{name}') AND NOT indisvalid"
    if op.get_bind().exec_driver_sql(sql).first() is not None:
        remove_index(name)


def _outside(sql: str) -> None:
    """Run a statement outside of any transaction, for as long as it takes."""
    with op.get_context().autocommit_block():
        # It waits for others without making them wait.
        op.execute("SET lock_timeout = 0")
        op.execute(sql)
        op.execute("RESET lock_timeout")
