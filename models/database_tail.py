"""Tell up to which row a log is complete: nothing will come before it any more."""

from __future__ import annotations

from typing import Protocol

from models.connection import Queries
from models.database import is_shared

_LAST = "SELECT coalesce(max(id), 0) FROM events WHERE workspace_id = ?1"
# The rows first, as of the statement's beginning, the writers after it: whoever ended in between is
# seen by the next statement. All that write to the log hold this lock from their beginning.
_LAST_AND_WRITERS = """
SELECT coalesce((SELECT max(id) FROM events WHERE workspace_id = ?1), 0),
    (SELECT coalesce(string_agg(virtualtransaction, ' '), '') FROM pg_locks
     WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND classid::bigint = (?1::bigint >> 32) AND objid::bigint = (?1::bigint & 4294967295)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


class Frontier(Protocol):
    """The end of the part of a log that is complete."""

    async def look(self) -> int | None:
        """Return the row up to which nothing more will come, None before that is known; raise Unavailable or TimedOut."""
        ...


def frontier(database: Queries, workspace: int) -> Frontier:
    """Return the frontier of a workspace's log; it remembers what it saw from look to look."""
    kind = _OfMany if is_shared(database.url) else _OfOne
    return kind(database, workspace)


class _OfOne:
    """Where one writes at a time, rows are numbered as they are committed."""

    def __init__(self, database: Queries, workspace: int) -> None:
        self._database = database
        self._workspace = workspace

    async def look(self) -> int:
        rows = await self._database.read(_LAST, (self._workspace,))
        last: int = rows[0][0]
        return last


class _OfMany:
    """Where many write at once, a row may be committed after others that have higher numbers.

    A number is taken by a transaction that holds the workspace's lock. So what is there when it is
    looked is complete once all who held the lock then have ended, however many came since.
    """

    def __init__(self, database: Queries, workspace: int) -> None:
        self._database = database
        self._workspace = workspace
        self._complete: int | None = None
        self._next: int | None = None
        self._awaited: frozenset[str] = frozenset()

    async def look(self) -> int | None:
        rows = await self._database.read(_LAST_AND_WRITERS, (self._workspace,))
        last, listed = rows[0]
        writers = frozenset(listed.split())
        self._awaited &= writers
        if not self._awaited:
            self._complete = self._next
            self._next, self._awaited = last, writers
        if not writers:
            self._complete = last
        return self._complete
