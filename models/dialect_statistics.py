"""What SQLite's planner is told of the tables, so that it plans for many rows from the first on.

Without statistics it takes `workspace_id = ?` for as good a choice as any other equality, and reads
a whole workspace by time to find one customer's timeline. The figures are of a middling database,
written once; an `ANALYZE` of the operator's replaces them. PostgreSQL gathers its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (fills the metadata)

_ROWS = {
    "accounts": 10_000,
    "aliases": 10_000,
    "api_keys": 10,
    "audiences": 100,
    "audit": 10_000,
    "customers": 100_000,
    "erased_edges": 100,
    "erasures": 100,
    "events": 1_000_000,
    "flags": 300_000,
    "identities": 200_000,
    "imports": 1,
    "intervals": 300_000,
    "kept_indexes": 10,
    "links": 100_000,
    "memberships": 150_000,
    "quarantine": 1_000,
    "trait_values": 500_000,
    "words": 1_000_000,
}
# How many rows share one value of a column; what is not here is as good as unique.
_ALIKE = {
    ("accounts", "name"): 2,
    ("aliases", "owner"): 2,
    ("audiences", "entity"): 50,
    ("customers", "email"): 2,
    ("events", "account_id"): 100,
    ("events", "whom"): 20,
    ("flags", "audience_id"): 10_000,
    ("flags", "entity"): 250_000,
    ("flags", "member"): 5_000,
    ("flags", "owner_id"): 4,
    ("identities", "customer_id"): 2,
    ("intervals", "audience_id"): 10_000,
    ("links", "owner"): 2,
    ("memberships", "account_id"): 15,
    ("memberships", "customer_id"): 2,
    ("trait_values", "folded"): 1_000,
    ("trait_values", "index_id"): 100_000,
    ("trait_values", "place"): 1_000,
    ("words", "kind"): 300_000,
    ("words", "word"): 10,
}
# What stands in an index of some rows only: without it, all rows are read to learn that there are none.
_SOME = {"ix_trait_values_cut": 1_000}


def plant(connection: Connection) -> None:
    """Write the statistics into a SQLite database, of the tables of which nobody has gathered any."""
    connection.exec_driver_sql("ANALYZE sqlite_schema")
    known = {row[0] for row in connection.exec_driver_sql("SELECT tbl FROM sqlite_stat1")}
    rows = [row for row in _statistics(connection) if row[0] not in known]
    if rows:
        connection.exec_driver_sql(
            "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows
        )


def _statistics(connection: Connection) -> Iterator[tuple[str, str, str]]:
    for table, rows in _ROWS.items():
        found = connection.exec_driver_sql(f"PRAGMA index_list({table})").all()
        clustered = bool(
            SQLModel.metadata.tables[table].dialect_kwargs.get("sqlite_with_rowid") is False
        )
        for each in found:
            index, unique, origin = each[1:4]
            columns = connection.exec_driver_sql(f"PRAGMA index_info({index})").all()
            # The key of a table without row numbers is the table itself.
            name = table if clustered and origin == "pk" else index
            held = _SOME.get(index, rows)
            yield table, name, _stat(table, held, [column[2] for column in columns], unique=unique)


def _stat(table: str, rows: int, columns: list[str], *, unique: bool) -> str:
    alike = [rows]
    for column in columns:
        value = rows if column == "workspace_id" else _ALIKE.get((table, column), 1)
        alike.append(min(alike[-1], value))
    if unique:
        alike[-1] = 1
    return " ".join(map(str, alike))
