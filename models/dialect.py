"""Every difference between the databases, and nothing else."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, text
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

# SQLite counts rows in 64 bits whatever the type is called; PostgreSQL must be told.
BIG: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

# Compared and sorted by bytes on both; PostgreSQL would otherwise ask the locale.
TEXT: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")

# Keys are 16 bytes of a hash, so that no hot index holds text.
KEY: TypeEngine[bytes] = LargeBinary()

# A narrow SQLite table without row numbers is one tree instead of two; PostgreSQL ignores the word.
CLUSTERED: dict[str, Any] = {"sqlite_with_rowid": False}

# A key in a tree of PostgreSQL has 2,704 bytes at most, in SQLite it has no end. Where a text has
# none either, the index holds how it begins; 300 characters of four bytes leave room for the rest.
_BEGINNING = "substr({}, 1, 300)"
# A range of rows is left at the end of what its first column is: these have few values.
_COARSE = {"entity", "index_id", "kind"}
# Columns of which that is so, and which a look-up of the store goes by.
_BEGUN = {("audiences", "key")}


def start(text: str) -> str:
    """Return what PostgreSQL's index has of a text that may be too long for it."""
    return _BEGINNING.format(text)


def beginning(*columns: str, unique: bool) -> list[str]:
    """Return the columns of an index of PostgreSQL, of whose last one it holds the beginning.

    What is unique must be so by the whole text: a hash of it stands behind.
    """
    *exact, long = columns
    hashed = [f"hashtextextended({long}, 0)"] if unique else []
    return [*exact, start(long), *hashed]


def text_indexes(name: str, *columns: str, unique: bool = False) -> tuple[Index, Index]:
    """Return an index whose last column is text of any length: one for each database."""
    exact = len(columns) - 1
    held = beginning(*columns, unique=unique)
    begun: list[Any] = [*held[:exact], *map(text, held[exact:])]
    whole = Index(name, "workspace_id", *columns, unique=unique, info={"on": "sqlite"})
    on_postgres = {"on": "postgresql"}
    return whole, Index(f"{name}_start", "workspace_id", *begun, unique=unique, info=on_postgres)


def is_meant(index: Index, database: str) -> bool:
    """Return whether an index is one of this kind of database."""
    return bool(index.info.get("on", database) == database)


@lru_cache(maxsize=1_000)
def lookup(table: str, columns: tuple[str, ...], by: tuple[str, ...], count: int) -> str:
    """Return SQLite's statement for the rows of `count` keys; the workspace is `?1`."""
    places = iter(range(2, 2 + count * len(by)))
    keys = ", ".join("(" + ", ".join(f"?{next(places)}" for _ in by) + ")" for _ in range(count))
    # Named by position and cross joined, so that the keys drive and the table's index follows.
    on = " AND ".join(f"t.{name} = k.column{place}" for place, name in enumerate(by, 1))
    wanted = ", ".join(f"t.{name}" for name in columns)
    return (
        f"SELECT {wanted} FROM (VALUES {keys}) AS k "
        f"CROSS JOIN {table} AS t ON t.workspace_id = ?1 AND {on}"
    )


@lru_cache(maxsize=1_000)
def between(table: str, columns: tuple[str, ...], by: str, count: int) -> str:
    """Return SQLite's statement for the rows of `count` spans; the workspace is `?1`."""
    spans = ", ".join(f"(?{place}, ?{place + 1})" for place in range(2, 2 + 2 * count, 2))
    wanted = ", ".join(f"t.{name}" for name in columns)
    return (
        f"SELECT {wanted} FROM (VALUES {spans}) AS k CROSS JOIN {table} AS t"
        f" ON t.workspace_id = ?1 AND t.{by} BETWEEN k.column1 AND k.column2"
    )


@lru_cache(maxsize=1_000)
def count(table: str, by: str, count: int) -> str:
    """Return SQLite's statement for how many rows have each of `count` keys; `?2` is the most to count."""
    keys = ", ".join(f"(?{place})" for place in range(3, 3 + count))
    return _counts(table, f"(VALUES {keys}) AS k", by, "k.column1", "?")


@lru_cache(maxsize=1_000)
def insert(table: str, columns: tuple[str, ...], key: tuple[str, ...] = ()) -> str:
    """Return SQLite's statement for one row: where `key` is given it replaces the other columns."""
    places = ", ".join("?" * (1 + len(columns)))
    names = ", ".join(f'"{name}"' for name in columns)
    sql = f"INSERT INTO {table} (workspace_id, {names}) VALUES ({places}) "
    if not key:
        return sql + "ON CONFLICT DO NOTHING"
    held = ", ".join(f'"{name}"' for name in key)
    changed = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
    return sql + f"ON CONFLICT (workspace_id, {held}) DO UPDATE SET {changed}"


@lru_cache(maxsize=1_000)
def delete(table: str, by: tuple[str, ...]) -> str:
    """Return SQLite's statement that deletes the rows of one key."""
    on = " AND ".join(f'"{name}" = ?' for name in by)
    return f"DELETE FROM {table} WHERE workspace_id = ? AND {on}"


@lru_cache(maxsize=1_000)
def numbered(sql: str) -> str:
    """Return a statement written with `?1` as PostgreSQL numbers its values: `$1`."""
    return _PLACE.sub(r"$\1", sql)


@lru_cache(maxsize=1_000)
def lookup_arrays(table: str, columns: tuple[str, ...], by: tuple[str, ...]) -> str:
    """Return PostgreSQL's statement for the rows of many keys; `$1` is the workspace.

    Rows that others may want to change are locked, in the order in which the keys are given: so two
    who want the same, and sort them, never wait for each other.
    """
    ours, asked = [f't."{name}"' for name in by], [f'k."{name}"' for name in by]
    same = []
    if (table, by[-1]) in _BEGUN:
        same = [f"{ours[-1]} = {asked[-1]}"]
        ours[-1], asked[-1] = start(ours[-1]), start(asked[-1])
    if len(by) > 1 and by[0] in _COARSE:
        same.append(f"{ours.pop(0)} = {asked.pop(0)}")
    key, place = ", ".join(asked), ", ".join(ours)
    lock = " FOR UPDATE" if table in LOCKED else ""
    return _each(table, columns, _arrays(table, by, 2), same, (place, key, key), lock)


@lru_cache(maxsize=1_000)
def follow_arrays(
    table: str, columns: tuple[str, ...], through: tuple[str, str, str], *, waits: bool
) -> str:
    """Return PostgreSQL's statement for the rows that rows of other keys point to; `$1` is the workspace.

    They are locked in the order of their numbers; unless it `waits` it fails where one is locked.
    """
    other, by, number = through
    found = lookup_arrays(other, (number,), (by,))
    keys = f'(SELECT DISTINCT "{number}" FROM ({found}) AS t ORDER BY 1 OFFSET 0) AS k(id)'
    lock = " FOR UPDATE" if waits else " FOR UPDATE NOWAIT"
    return _each(table, columns, keys, [], ("t.id", "k.id", "k.id"), lock)


@lru_cache(maxsize=1_000)
def between_arrays(table: str, columns: tuple[str, ...], by: str) -> str:
    """Return PostgreSQL's statement for the rows of many spans; `$1` is the workspace."""
    kind = _kind(table, by)
    spans = f"unnest($2::{kind}[], $3::{kind}[]) AS k(low, high)"
    return _each(table, columns, spans, [], (f't."{by}"', "k.low", "k.high"))


@lru_cache(maxsize=1_000)
def count_arrays(table: str, by: str) -> str:
    """Return PostgreSQL's statement for how many rows have each of many keys; `$2` is the most to count."""
    return _counts(table, f"unnest($3::{_kind(table, by)}[]) AS k(id)", by, "k.id", "$")


class Change(NamedTuple):
    """Many rows of one table that are written; of those that are claimed it is counted how many were."""

    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...] = ()
    order: str = ""
    claims: bool = False


@lru_cache(maxsize=1_000)
def change_arrays(changes: tuple[Change, ...]) -> str:
    """Return PostgreSQL's statement that makes several changes at once; `$1` is the workspace.

    What is claimed is first, and its counts are the answer. No two changes may meet in a row.
    """
    parts: list[str] = []
    counts: list[str] = []
    place = 2
    for number, change in enumerate(changes):
        sql = insert_arrays(change.table, change.columns, change.key, change.order, place)
        parts.append(f"w{number} AS ({sql}{' RETURNING 1' if change.claims else ''})")
        if change.claims:
            counts.append(f"(SELECT count(*) FROM w{number})")
        place += len(change.columns)
    return f"WITH {', '.join(parts)} SELECT {', '.join(counts) or '1'}"


@lru_cache(maxsize=1_000)
def insert_arrays(
    table: str,
    columns: tuple[str, ...],
    key: tuple[str, ...] = (),
    order: str = "",
    first: int = 2,
) -> str:
    """Return PostgreSQL's statement for many rows, sorted by key: `insert`, for arrays."""
    names = ", ".join(f'"{name}"' for name in columns)
    values = ", ".join(f'k."{name}"' for name in columns)
    sorted_by = key or ((order,) if order else columns[:1])
    by = ", ".join(f'k."{name}"' for name in sorted_by)
    sql = (
        f"INSERT INTO {table} (workspace_id, {names})"
        f" SELECT $1::bigint, {values} FROM {_arrays(table, columns, first)} ORDER BY {by}"
    )
    if not key:
        return f"{sql} ON CONFLICT DO NOTHING"
    held = ", ".join(f'"{name}"' for name in key)
    changed = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in key)
    return f"{sql} ON CONFLICT (workspace_id, {held}) DO UPDATE SET {changed}"


@lru_cache(maxsize=1_000)
def delete_arrays(table: str, by: tuple[str, ...]) -> str:
    """Return PostgreSQL's statement that deletes the rows of many keys."""
    on = " AND ".join(f't."{name}" = k."{name}"' for name in by)
    keys = _arrays(table, by, 2)
    return f"DELETE FROM {table} AS t USING {keys} WHERE t.workspace_id = $1 AND {on}"


# Whoever writes in a customer or an account holds its row; an identity is held by that of its customer.
# An index being built is held by whoever builds it.
LOCKED = {"customers", "accounts", "kept_indexes"}

_PLACE = re.compile(r"\?(\d+)")


def _counts(table: str, keys: str, by: str, key: str, sign: str) -> str:
    """Return a statement that counts for each key by itself, and no further than asked."""
    some = (
        f'SELECT 1 FROM {table} AS t WHERE t.workspace_id = {sign}1 AND t."{by}" = {key}'
        f" LIMIT {sign}2"
    )
    return f"SELECT {key}, (SELECT count(*) FROM ({some}) AS c) FROM {keys}"


def _each(
    table: str,
    columns: tuple[str, ...],
    keys: str,
    same: list[str],
    within: tuple[str, str, str],
    lock: str = "",
) -> str:
    """Return a statement that looks each key up by itself, in their order.

    A plan is kept, and must not depend on how few rows there were when it was made: a subquery that
    stands by itself is not turned round, and the order that it wants only the index of the key has.
    """
    wanted = ", ".join(f't."{name}"' for name in columns)
    ours, low, high = within
    on = ["t.workspace_id = $1", *same, f"({ours}) >= ({low})", f"({ours}) <= ({high})"]
    return (
        f"SELECT t.* FROM {keys} CROSS JOIN LATERAL (SELECT {wanted} FROM {table} AS t"
        f" WHERE {' AND '.join(on)} ORDER BY {ours} OFFSET 0{lock}) AS t"
    )


def _arrays(table: str, columns: tuple[str, ...], first: int) -> str:
    kinds = ", ".join(
        f"${place}::{_kind(table, name)}[]" for place, name in enumerate(columns, first)
    )
    names = ", ".join(f'"{name}"' for name in columns)
    return f"unnest({kinds}) AS k({names})"


def _kind(table: str, column: str) -> str:
    kind = SQLModel.metadata.tables[table].columns[column].type
    if isinstance(kind, Integer):
        return "bigint"
    return "bytea" if isinstance(kind, LargeBinary) else "text"
