"""What is open while an application runs, and the order in which it opens and closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog

from api import keys
from api.auth import Gate
from api.errors import unavailable
from api.observe import Metrics
from api.settings import Misconfigured, Settings
from api.traces import Traces
from ingest import audit
from ingest.accept import Bounds, Committed, Ingest, QueueLimits
from ingest.audit import Notes
from ingest.keeper import Keeper
from models import migrate
from models.database import (
    Database,
    Follower,
    Queries,
    TimedOut,
    Unavailable,
    Unsupported,
    open_database,
    open_replica,
)
from models.migrate import Fit
from models.values import Micros

USED_SECONDS = 60.0
"""How often it is stored when keys were last used."""

NOTES_SECONDS = 1.0
"""How often the audit is told of what wrote nothing."""

FORGET_SECONDS = 3_600.0
"""How often what is too old leaves the audit."""

_DAY_MICROS = 86_400_000_000

KEY_SECONDS_MAX = 2.0
"""How long a look-up of a key may take."""

log = structlog.get_logger()


class Phase(StrEnum):
    """Where an application is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Opened:
    """The open database and what works on it."""

    database: Database
    ingest: Ingest
    gate: Gate
    notes: Notes
    indexes: Keeper
    replica: Follower | None = None

    @property
    def queries(self) -> Queries:
        """Return what queries read from; all else reads the database itself."""
        return self.replica or self.database


class Service:
    """One application's life: what it has open, and since when it is going."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], Micros],
        metrics: Metrics,
        traces: Traces | None = None,
    ) -> None:
        self.phase = Phase.STARTING
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._traces = traces
        self._opened: Opened | None = None
        # Why it did not start, where that is no fault of ours and was logged.
        self.refused_to_start: str | None = None
        self._when_open: list[Callable[[Opened], None]] = []
        self._when_draining: list[Callable[[], None]] = []

    def when_open(self, call: Callable[[Opened], None]) -> None:
        """Have `call` called with what is open, before the first request."""
        self._when_open.append(call)

    def when_draining(self, call: Callable[[], None]) -> None:
        """Have `call` called once no new requests should come here."""
        self._when_draining.append(call)

    def opened(self) -> Opened:
        """Return what is open; raise an UNAVAILABLE refusal before it is and after."""
        if self._opened is None:
            raise unavailable(f"Calyx is {self.phase}: send it again", retry_after_seconds=2)
        return self._opened

    def drain(self) -> None:
        """Say from now on that no new requests should come here."""
        if self.phase is Phase.READY:
            self.phase = Phase.DRAINING
            for call in self._when_draining:
                call()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open everything; on the way out let what was taken in be committed, then close."""
        async with AsyncExitStack() as stack:
            database = await self._open()
            stack.push_async_callback(database.close)
            self._metrics.graphql.watch_readers("primary", lambda: database.readers)
            replica = await self._replica(database, stack)
            ingest = self._ingest(database)
            ingest.start()
            gate = Gate(_Keys(database, replica), self._clock, self._settings.requests_per_minute)
            keeper = Keeper(database, self._clock)
            self._opened = Opened(database, ingest, gate, Notes(), keeper, replica)
            for call in self._when_open:
                call(self._opened)
            noting = asyncio.gather(
                *(self._note_used(), self._store_notes(), self._forget_audit()),
                _keep_indexes(keeper),
            )
            self.phase = Phase.READY
            try:
                yield
            finally:
                self.drain()
                noting.cancel()
                with suppress(asyncio.CancelledError):
                    await noting
                await ingest.close()
                await self._note_used_once()
                await self._store_notes_once()
                self._opened = None
                self.phase = Phase.STOPPED

    async def _open(self) -> Database:
        try:
            return await open_migrated(self._settings)
        except (Misconfigured, Unavailable, Unsupported, TimedOut) as error:
            self.refused_to_start = str(error)
            log.error("cannot_start", why=self.refused_to_start)  # noqa: TRY400 (no fault of ours)
            raise

    async def _replica(self, database: Database, stack: AsyncExitStack) -> Follower | None:
        settings = self._settings
        if settings.read_database_url is None:
            return None
        opening = open_replica(
            settings.read_database_url,
            database,
            readers=settings.read_connections,
            seconds_max=settings.graphql_seconds_max,
            behind_s_max=settings.read_lag_seconds_max,
        )
        replica = await stack.enter_async_context(opening)
        self._metrics.watch_replica(lambda: replica.behind_s)
        self._metrics.graphql.watch_readers("replica", lambda: replica.readers)
        return replica

    def _ingest(self, database: Database) -> Ingest:
        body, queue = self._settings.body_limits, self._settings.queue_limits
        ingest = Ingest(
            database,
            bounds=Bounds(body.message_bytes_max, body.messages_max),
            queue=QueueLimits(queue.queue_max_messages, queue.queue_max_bytes),
            watch=self._committed,
        )
        self._metrics.watch_queue(lambda: ingest.messages_waiting)
        return ingest

    def _committed(self, committed: Committed) -> None:
        self._metrics.commit(committed)
        if self._traces is not None:
            self._traces.commit(committed)

    async def _note_used(self) -> None:
        while True:
            await asyncio.sleep(USED_SECONDS)
            await asyncio.shield(self._note_used_once())

    async def _store_notes(self) -> None:
        while True:
            await asyncio.sleep(NOTES_SECONDS)
            # Shielded, here and below: a transaction that is cut off leaves its connection unusable.
            await asyncio.shield(self._store_notes_once())

    async def _store_notes_once(self) -> None:
        opened = self.opened()
        await opened.notes.store(
            opened.database, lambda count: log.warning("audit_entries_lost", count=count)
        )

    async def _forget_audit(self) -> None:
        while True:
            await asyncio.shield(self._forget_audit_once())
            await asyncio.sleep(FORGET_SECONDS)

    async def _forget_audit_once(self) -> None:
        database = self.opened().database
        before = self._clock() - self._settings.audit_days * _DAY_MICROS
        try:
            for tenant in await keys.workspaces(database):
                await audit.forget(database, tenant.workspace, before)
        except (Unavailable, TimedOut) as error:
            log.warning("audit_not_shortened", why=str(error))

    async def _note_used_once(self) -> None:
        opened = self.opened()
        try:
            await keys.note_used(opened.database, opened.gate.take_used())
        except Unavailable as error:
            # Worth a line, not a failure: it only says when a key was last seen.
            log.warning("key_use_not_stored", why=str(error))


async def _keep_indexes(keeper: Keeper) -> None:
    while True:
        try:
            await keeper.run(_tell_unkept)
        except Exception as error:  # noqa: BLE001 (the outermost edge of what runs by itself)
            _tell_unkept(error)
        await asyncio.sleep(USED_SECONDS)


def _tell_unkept(error: Exception) -> None:
    # Worth a line, not a failure: queries go without, and it is tried again.
    log.warning("indexes_not_kept", why=str(error))


class _Keys:
    """Where keys are read: as last written, or as far as the replica knows while the primary is away."""

    def __init__(self, database: Database, replica: Follower | None) -> None:
        self._database = database
        self._replica = replica

    async def read(self, sql: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return await self._database.read(sql, args, KEY_SECONDS_MAX)
        except (Unavailable, TimedOut):
            if self._replica is None or not self._replica.keeps_up:
                raise
            return await self._replica.read(sql, args, KEY_SECONDS_MAX)


async def open_migrated(settings: Settings) -> Database:
    """Return the open database; raise Misconfigured unless this version can live with its tables."""
    url = settings.database_url
    at = await migrate.current(url)
    match migrate.fit(at):
        case Fit.BEHIND:
            raise Misconfigured(
                f"the database is at migration {at or 'none'}, this version needs {migrate.head()}:"
                " run `calyx migrate`"
            )
        case Fit.BEYOND:
            raise Misconfigured(migrate.beyond(at))
        case Fit.EXACT | Fit.AHEAD:
            return await open_database(
                url, readers=settings.read_connections, seconds_max=settings.graphql_seconds_max
            )
