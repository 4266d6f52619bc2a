"""SQLite plans for many rows from the first on, though it has seen none."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlmodel import SQLModel

from models import dialect
from models.database_sqlite import KEYS_MAX
from tests.databases import SqliteTemplate, file_of

OF_ONE = "SELECT id FROM identities WHERE workspace_id = 1 AND customer_id = 5"


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (
            f"SELECT * FROM events WHERE workspace_id = 1 AND whom IN ({OF_ONE}) ORDER BY at DESC",
            "ix_events_whom",
        ),
        (
            "SELECT * FROM events WHERE workspace_id = 1 AND account_id = 5 ORDER BY at DESC",
            "ix_events_account",
        ),
        ("SELECT * FROM events WHERE workspace_id = 1 ORDER BY at DESC", "ix_events_at"),
        (OF_ONE, "ix_identities_customer"),
        ("SELECT * FROM customers WHERE workspace_id = 1 AND email = 'x'", "ix_customers_email"),
    ],
)
def test_a_new_file_is_read_by_the_index_that_fits(
    sqlite_template: SqliteTemplate, sql: str, index: str
) -> None:
    connection = sqlite3.connect(file_of(sqlite_template.copy()))
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}"))
    connection.close()
    assert index in plan


def measure(connection: sqlite3.Connection, table: str, rows: int) -> None:
    """Leave the statistics as an ANALYZE does that meets so many rows."""
    known = connection.execute("SELECT rowid, stat FROM sqlite_stat1 WHERE tbl = ?", (table,))
    stats = []
    for row, stat in known.fetchall():
        planted, *alike = map(int, stat.split())
        fewer = [rows, *(max(1, each * rows // planted) for each in alike)]
        stats.append((" ".join(map(str, fewer)), row))
    connection.executemany("UPDATE sqlite_stat1 SET stat = ? WHERE rowid = ?", stats)
    connection.commit()
    connection.execute("ANALYZE sqlite_schema")


@pytest.mark.parametrize(
    ("table", "by"),
    [
        ("identities", ("key",)),
        ("identities", ("customer_id",)),
        ("customers", ("id",)),
        ("accounts", ("key",)),
        ("flags", ("entity", "owner_id", "audience_id")),
        ("links", ("device", "owner")),
        ("memberships", ("customer_id", "account_id")),
        ("events", ("whom",)),
    ],
)
@pytest.mark.parametrize("rows_measured", [None, 20, 1_000_000])
def test_keys_are_looked_up_and_nothing_else_is_read(
    sqlite_template: SqliteTemplate, table: str, by: tuple[str, ...], rows_measured: int | None
) -> None:
    with closing(sqlite3.connect(file_of(sqlite_template.copy()))) as connection:
        if rows_measured is not None:
            measure(connection, table, rows_measured)
        columns = tuple(each.name for each in SQLModel.metadata.tables[table].columns)
        sql = dialect.lookup(table, columns, by, KEYS_MAX)
        count = 1 + KEYS_MAX * len(by)
        rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", [1] * count).fetchall()
    plan = [row[3] for row in rows]
    searches = [step for step in plan if step.startswith("SEARCH t ")]
    assert len(searches) == 1
    assert all(f"{name}=?" in searches[0] for name in by)
    assert not [step for step in plan if "BLOOM" in step or "AUTOMATIC" in step]
    assert "SCAN t" not in plan


def test_what_an_operator_has_measured_stays(sqlite_template: SqliteTemplate) -> None:
    connection = sqlite3.connect(file_of(sqlite_template.copy()))
    before = connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0]
    connection.execute("ANALYZE")
    after = connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0]
    connection.close()
    assert before > 30 > after
