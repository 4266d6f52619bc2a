"""Pages are moved into the file of SQLite beside the commits, and its log does not grow for ever."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from models.database_sqlite_checkpoints import Checkpoints

ROUNDS = 3
SECONDS_MAX = 30


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that leaves checkpoints to others."""
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("CREATE TABLE t (place INTEGER PRIMARY KEY, text TEXT)")
        yield connection


def commit(writer: sqlite3.Connection, checkpoints: Checkpoints, number: int) -> None:
    """Commit a row, somewhere in the table."""
    before = writer.total_changes
    writer.execute("INSERT INTO t VALUES (?, ?)", (number * 7_919 % 1_000_003, "x" * 900))
    checkpoints.committed(writer, writer.total_changes - before)


def begun(log: Path) -> int:
    """Return how often the log was begun anew, as its head counts it."""
    with log.open("rb") as file:
        return int.from_bytes(file.read(16)[12:], "big")


def test_the_log_is_begun_anew_under_a_load_that_never_ends(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(str(tmp_path / "a.db"), rows_between=20, frames_max=200)
    before = (tmp_path / "a.db").stat().st_size
    until = time.monotonic() + SECONDS_MAX
    commit(writer, checkpoints, 0)
    first, number = begun(tmp_path / "a.db-wal"), 0
    while begun(tmp_path / "a.db-wal") < first + ROUNDS and time.monotonic() < until:
        number += 1
        commit(writer, checkpoints, number)
    checkpoints.close()
    assert begun(tmp_path / "a.db-wal") >= first + ROUNDS
    assert (tmp_path / "a.db").stat().st_size > before


def test_a_reader_that_stays_sees_what_it_saw_and_nothing_is_lost(
    writer: sqlite3.Connection, tmp_path: Path
) -> None:
    checkpoints = Checkpoints(str(tmp_path / "a.db"), rows_between=5, frames_max=10)
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
        for number in range(100):
            commit(writer, checkpoints, number)
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
        reader.execute("COMMIT")
        checkpoints.close()
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (100,)
