"""Every difference between the databases, and nothing else."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Text
from sqlalchemy.types import TypeEngine

# SQLite counts rows in 64 bits whatever the type is called; PostgreSQL must be told.
BIG: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

# Compared and sorted by bytes on both; PostgreSQL would otherwise ask the locale.
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")

# Keys are 16 bytes of a hash, so that no hot index holds text.
KEY: TypeEngine[bytes] = LargeBinary()

# A narrow SQLite table without row numbers is one tree instead of two; PostgreSQL ignores the word.
CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}


@lru_cache(maxsize=1_000)
def lookup(table: str, columns: tuple[str, ...], by: tuple[str, ...], count: int) -> str:
    """Return SQLite's statement for the rows of `count` keys; the workspace is `?1`."""
    places = iter(range(2, 2 + count * len(by)))
    keys = ", ".join("(" + ", ".join(f"?{next(places)}" for _ in by) + ")" for _ in range(count))
    # Named by position and cross joined, so that the keys drive and the table's index follows.
    on = " AND ".join(f"t.{name} = k.column{place}" for place, name in enumerate(by, 1))
    wanted = ", ".join(f"t.{name}" for name in columns)
    return (
        f"SELECT {wanted} FROM (VALUES {keys}) AS k "  # noqa: S608 (names come from the code)
        f"CROSS JOIN {table} AS t ON t.workspace_id = ?1 AND {on}"
    )


@lru_cache(maxsize=1_000)
def insert(table: str, columns: tuple[str, ...], key: tuple[str, ...] = ()) -> str:
    """Return SQLite's statement for one row: where `key` is given it replaces the other columns."""
    places = ", ".join("?" * (1 + len(columns)))
    names = ", ".join(f'"{name}"' for name in columns)
    sql = f"INSERT INTO {table} (workspace_id, {names}) VALUES ({places}) "  # noqa: S608
    if not key:
        return sql + "ON CONFLICT DO NOTHING"
    held = ", ".join(f'"{name}"' for name in key)
    changed = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
    return sql + f"ON CONFLICT (workspace_id, {held}) DO UPDATE SET {changed}"


@lru_cache(maxsize=1_000)
def delete(table: str, by: tuple[str, ...]) -> str:
    """Return SQLite's statement that deletes the rows of one key."""
    on = " AND ".join(f'"{name}" = ?' for name in by)
    return f"DELETE FROM {table} WHERE workspace_id = ? AND {on}"  # noqa: S608
