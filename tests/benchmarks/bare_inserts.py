"""The limit of batches: rows of one table, as wide as messages, 500 a commit, in this process."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from itertools import count
from pathlib import Path

from tests.benchmarks.load import Measured, Messages

ROWS = 500

_SETTINGS = ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16384")
_TABLE = "CREATE TABLE event (id INTEGER PRIMARY KEY, key BLOB UNIQUE, at INTEGER, body BLOB)"


def insert(file: Path, what: Messages, seconds: float) -> Measured:
    """Return how many rows a second a new file takes, with one unique key each."""
    rng, bodies = random.Random(1), what.bodies()
    took: list[float] = []
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        connection.execute(_TABLE)
        numbers = count(1)
        spent = spent_cpu = 0.0
        while spent < seconds:
            rows = [(next(numbers), rng.randbytes(16), 0, next(bodies)) for _ in range(ROWS)]
            # To make the rows is no part of it.
            begun, begun_cpu = time.perf_counter(), time.process_time()
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?)", rows)
            connection.execute("COMMIT")
            took.append(time.perf_counter() - begun)
            spent, spent_cpu = spent + took[-1], spent_cpu + time.process_time() - begun_cpu
    done, took = ROWS * len(took), sorted(took)
    return Measured(
        per_second=done / spent,
        p50_ms=1_000 * took[len(took) // 2],
        p99_ms=1_000 * took[len(took) * 99 // 100],
        cpu_micros=1e6 * spent_cpu / done,
        failures=0,
        answered_in_all=done,
        load_busy=0.0,
    )
