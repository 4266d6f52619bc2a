"""SQLite plans for many rows from the first on, though it has seen none."""

from __future__ import annotations

import sqlite3

import pytest

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


def test_what_an_operator_has_measured_stays(sqlite_template: SqliteTemplate) -> None:
    connection = sqlite3.connect(file_of(sqlite_template.copy()))
    before = connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0]
    connection.execute("ANALYZE")
    after = connection.execute("SELECT count(*) FROM sqlite_stat1").fetchone()[0]
    connection.close()
    assert before > 30 > after
