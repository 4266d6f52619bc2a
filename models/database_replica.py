"""Reads from a replica of PostgreSQL while it keeps up, else from the primary."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from asyncpg.exceptions import PostgresError

from models.connection import READ_TIMEOUT_S, Database, Readers, Row, TimedOut, Unavailable
from models.database_postgres_connections import READERS, ReadingPool

PROBE_SECONDS = 1.0
"""How often it is looked how far behind the replica is."""

# A replica that was promoted is asked how far it wrote.
_POSITION = (
    "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
    " ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn)::bigint"
)
_SEEN_MAX = 10_000


class Lag:
    """How long ago the primary stood where the replica stands now.

    It is told by our own clock, from positions that we saw: so it needs no clocks that agree, and
    an idle primary makes nobody late.
    """

    def __init__(self) -> None:
        self._ahead: deque[tuple[float, int]] = deque()
        self._known = False

    def note(self, at: float, primary: int | None, replica: int) -> float | None:
        """Return the lag in seconds; None until the replica was seen to reach what the primary had."""
        ahead = self._ahead
        if primary is not None and (not ahead or ahead[-1][1] < primary):
            # When there are too many, what comes later counts as old as the last.
            at_first = ahead.pop()[0] if len(ahead) >= _SEEN_MAX else at
            ahead.append((at_first, primary))
        while ahead and ahead[0][1] <= replica:
            ahead.popleft()
            self._known = True
        if not self._known:
            return None
        return at - ahead[0][0] if ahead else 0.0


class Replica:
    """A replica beside its primary."""

    def __init__(
        self, primary: Database, pool: ReadingPool, probes: ReadingPool, behind_s_max: float
    ) -> None:
        self.behind_s: float | None = None
        self._behind_s_max = behind_s_max
        self._primary = primary
        self._pool = pool
        # A connection of its own: slow queries that hold all others must not look like a lag.
        self._probes = probes
        self._lag = Lag()

    @classmethod
    async def open(
        cls,
        url: str,
        primary: Database,
        readers: int | None,
        seconds_max: float,
        behind_s_max: float,
    ) -> Replica:
        """Return the replica at `url`, which need not be there: until it is, the primary serves."""
        pool = ReadingPool(url, readers or READERS, seconds_max)
        probes = ReadingPool(url, 1, PROBE_SECONDS)
        for one in (pool, probes):
            await one.open(connected=False)
        self = cls(primary, pool, probes, behind_s_max)
        await self.probe()
        return self

    @property
    def url(self) -> str:
        """Return what kind of database is read, by the URL of the primary."""
        return self._primary.url

    @property
    def collation(self) -> str | None:
        """Return what the primary folds case by: a replica has the same collations."""
        return self._primary.collation

    @property
    def readers(self) -> Readers:
        """Return what of the connections to the replica are busy; the primary has others."""
        return self._pool.readers

    @property
    def keeps_up(self) -> bool:
        """Return whether it is read: it was there when last seen, and not too far behind."""
        return self.behind_s is not None and self.behind_s <= self._behind_s_max

    async def read(
        self, sql: str, args: Sequence[Any] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> list[Row]:
        """Return the rows of one statement, at most so old as it may be behind."""
        if self.keeps_up:
            try:
                return await self._pool.read(sql, args, timeout_s)
            except Unavailable:
                # Until it is seen again nobody else waits for it.
                self.behind_s = None
        return await self._primary.read(sql, args, timeout_s)

    async def watch(self) -> None:
        """Look for ever how far behind the replica is."""
        while True:
            await asyncio.sleep(PROBE_SECONDS)
            await self.probe()

    async def probe(self) -> None:
        """Look how far behind the replica is."""
        # The primary first: a replica that has reached this has all that was committed before.
        at = time.monotonic()
        primary = await self._ask(self._primary)
        replica = await self._ask(self._probes)
        self.behind_s = None if replica is None else self._lag.note(at, primary, replica)

    async def close(self) -> None:
        """Let go of the replica."""
        await self._pool.close()
        await self._probes.close()

    async def _ask(self, source: Database | ReadingPool) -> int | None:
        try:
            rows = await source.read(_POSITION, (), PROBE_SECONDS)
        except (Unavailable, TimedOut, PostgresError):
            return None
        position: int | None = rows[0][0]
        return position
