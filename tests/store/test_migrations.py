"""The migrations lead to the tables of this version, and back."""

from __future__ import annotations

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (fills the metadata)
from models.migrate import current, head, upgrade
from tests.databases import url_of


async def test_the_migrations_make_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    await upgrade(url_of(path))
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()


async def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    url = url_of(tmp_path / "new.db")
    await upgrade(url)
    await upgrade(url)
    assert await current(url) == head()


async def test_every_key_and_index_leads_with_the_workspace(tmp_path: Path) -> None:
    """But for the workspaces themselves, and the hash by which a key says which is meant."""
    path = tmp_path / "new.db"
    await upgrade(url_of(path))
    engine = create_engine(f"sqlite:///{path}")
    inspector = inspect(engine)
    leading: set[tuple[str, str | None]] = set()
    for table in sorted(set(inspector.get_table_names()) - {"workspaces", "alembic_version"}):
        leading.add((table, inspector.get_pk_constraint(table)["constrained_columns"][0]))
        leading |= {(table, one["column_names"][0]) for one in inspector.get_indexes(table)}
        unique = inspector.get_unique_constraints(table)
        leading |= {(table, one["column_names"][0]) for one in unique}
    engine.dispose()
    assert {(table, name) for table, name in leading if name != "workspace_id"} == {
        ("api_keys", "hash")
    }
