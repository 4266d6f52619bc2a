"""Checkpoints of SQLite beside the commits: no message waits while pages are moved into the file."""

from __future__ import annotations

import sqlite3
import threading

ROWS_BETWEEN = 10_000
"""Rows after which pages are moved: rarer, and a page changed twice is moved once."""

FRAMES_MAX = 16_000
"""Pages in the log (64 MB) from which on it is begun anew as soon as nothing in it is still to be moved."""


class Checkpoints:
    """A thread with a connection of its own that moves what is committed into the file.

    While it moves pages the writer appends others, so that it never quite catches up. The rest, a few
    pages, the writer moves itself once the log is long: only then can SQLite begin it anew.
    """

    def __init__(
        self, path: str, rows_between: int = ROWS_BETWEEN, frames_max: int = FRAMES_MAX
    ) -> None:
        self._path = path
        self._rows_between = rows_between
        self._frames_max = frames_max
        self._due = threading.Event()
        self._closing = False
        self._rows = 0
        self._is_long = False
        self._thread = threading.Thread(target=self._run, name="calyx-checkpoints", daemon=True)
        self._thread.start()

    def committed(self, writer: sqlite3.Connection, rows: int) -> None:
        """Take note of a commit of so many rows; called by the thread that writes."""
        self._rows += rows
        if self._is_long:
            self._is_long = False
            _move(writer)
        if self._rows >= self._rows_between:
            self._rows = 0
            self._due.set()

    def close(self) -> None:
        """Stop, after what is under way."""
        self._closing = True
        self._due.set()
        self._thread.join()

    def _run(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        try:
            # As the writer does: what leaves the log must be in the file for good.
            connection.execute("PRAGMA synchronous = FULL")
            while True:
                self._due.wait()
                self._due.clear()
                if self._closing:
                    return
                self._is_long = _move(connection) >= self._frames_max
        finally:
            connection.close()


def _move(connection: sqlite3.Connection) -> int:
    """Move what no reader holds back; return how many pages the log has."""
    try:
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except sqlite3.Error:
        # Another process is at it, or the disk is full: the log keeps everything until the next time.
        return 0
    return int(frames)
