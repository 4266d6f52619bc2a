"""Take in what another process reads, in transactions that each say how far they come.

Whatever is killed goes on from there: the place in the source is stored with what it brought.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO, BinaryIO

import msgspec

from ingest import adopt, bulk
from ingest.carried import Carried, Edge, Entry, Erased, Fault, Head, Said, Veiled, Waits
from ingest.frames import Ahead, Begun, Ended, Frame, Known, Task
from ingest.message import hold
from ingest.pace import Pace
from ingest.plain import Plain
from ingest.seen import Seen
from models.database import Database, Row, Transaction, Unavailable
from models.database_presence import Neighbours
from models.values import Held, Micros, Outcome, Workspace

FAULTS_TOLD_MAX = 20
"""Faults that are told one by one; of more there is only the number."""

_OTHER_KEY = (
    "people were erased in the workspace it was exported from and in this one, each by a key of its own,"
    " and hashes by one mean nothing to the other. Import it into a workspace where nobody was erased"
    " yet: `calyx workspaces create NAME`, then `calyx import --workspace NAME`"
)
_READER_GONE = "the process that read it is gone; what came before is stored: import it again"
_NO_KEY = (
    "it holds hashes of people who were erased, but not the first line of `calyx export`, which has"
    " their key. Import the whole export"
)
_COLUMNS = ("key", "received_at", "lines", "bytes_read", "digest", "counts")


class Misfit(Exception):
    """What cannot be imported here; the message says what to do."""


class Counts(msgspec.Struct):
    """What became of an import so far."""

    outcomes: dict[Outcome, int] = msgspec.field(default_factory=dict)
    faults: int = 0
    # Lines of which nothing is kept, not even in quarantine.
    lost: int = 0
    told: list[tuple[int, str]] = msgspec.field(default_factory=list)
    # The workspace an export is of, and whether hashes by its key mean something here.
    source: str | None = None
    is_same_key: bool = False

    def count(self, became: Counter[Outcome]) -> None:
        """Add what became of some messages."""
        for outcome, number in became.items():
            if number:
                self.outcomes[outcome] = self.outcomes.get(outcome, 0) + number

    def note(self, fault: Fault) -> None:
        """Add a line that could not be read."""
        self.faults += 1
        self.lost += not fault.held
        if len(self.told) < FAULTS_TOLD_MAX:
            self.told.append((fault.line, fault.why))

    @property
    def messages(self) -> int:
        """Return how many messages there were."""
        return sum(self.outcomes.values())


@dataclass(slots=True)
class Summary:
    """What an import came to."""

    counts: Counts
    lines: int = 0
    seconds: float = 0.0
    # What this run brought, where an earlier one was broken off.
    messages: int = 0
    resumed: bool = False
    # Why the source is not at its end.
    cut: str | None = None


@dataclass(slots=True)
class _Batch:
    items: list[Carried] = field(default_factory=list)
    # The last one that ends with a line.
    frame: Frame | None = None
    size: int = 0

    def add(self, frame: Frame) -> None:
        self.items += frame.items
        self.size += sum(len(one.body) for one in frame.items if isinstance(one, Said | Plain))
        if frame.whole:
            self.frame = frame


Watch = Callable[[int, int, int], None]
"""What hears of progress: messages of this run, lines of the source, and bytes of it as it lies there."""


class Importer:
    """Imports one source into one workspace."""

    def __init__(self, database: Database, workspace: Workspace, pace: Pace, watch: Watch) -> None:
        self._database = database
        self._workspace = workspace
        self._pace = pace
        self._watch = watch
        self._neighbours = Neighbours(database.url)
        self._begun: Begun | None = None
        # None where others write, too, or the log is too long to tell much.
        self._seen: Seen | None = None
        self._summary = Summary(Counts())

    async def run(self, file: BinaryIO, now: Micros, message_bytes_max: int) -> Summary:
        """Import what `file` holds; raise Misfit for what does not fit to what is here."""
        started = time.monotonic()
        rows = await self._unfinished()
        known = [_known(row) for row in rows]
        told = {bytes(row[0]): row[-1] for row in rows}
        bounds = (message_bytes_max, self._pace.block_bytes)
        task = Task(self._workspace.name, now, *bounds, file.seekable(), known)
        # `-P`: what lies in the folder where a command is given is not what it runs.
        words = (sys.executable, "-P", "-m", "ingest.reading", msgspec.json.encode(task).decode())
        # It is waited for in threads; asyncio's own pipes copy what passes once more.
        with subprocess.Popen(words, stdin=file, stdout=subprocess.PIPE) as reading:  # noqa: ASYNC220, S603 (as said; this program)
            try:
                if reading.stdout is not None:
                    await self._take_all(reading.stdout, told)
            finally:
                reading.kill()
        self._summary.seconds = time.monotonic() - started
        return self._summary

    async def _unfinished(self) -> list[Row]:
        sql = f"SELECT {', '.join(_COLUMNS)} FROM imports WHERE workspace_id = ?1"
        return await self._database.read(sql, (self._workspace.id,))

    async def _take_all(self, pipe: IO[bytes], known: dict[bytes, str]) -> None:
        """Store all frames; the next ones are read while the last are stored."""
        batch = _Batch()
        with Ahead(pipe) as frames:
            while True:
                told = await frames.next()
                if isinstance(told, Frame):
                    batch.add(told)
                    if self._pace.is_enough(len(batch.items), batch.size):
                        await self._store(batch)
                        batch = _Batch()
                elif isinstance(told, Begun):
                    self._begin(told, known)
                elif isinstance(told, Ended):
                    await self._store(batch)
                    await self._end(told)
                    return
                else:
                    raise Misfit(_READER_GONE)

    def _begin(self, begun: Begun, known: dict[bytes, str]) -> None:
        self._begun = begun
        self._summary.resumed, self._summary.lines = begun.resumed, begun.lines
        if begun.resumed:
            self._summary.counts = msgspec.json.decode(known[begun.key], type=Counts)

    async def _store(self, batch: _Batch) -> None:
        """Store a batch, and what cannot be stored in quarantine."""
        started = time.monotonic()
        before = self._summary.counts.messages
        await self._store_around(batch.items, batch.frame)
        if batch.frame is not None:
            self._summary.lines = batch.frame.lines
        self._summary.messages += self._summary.counts.messages - before
        raw = 0 if batch.frame is None else batch.frame.raw_read
        self._watch(self._summary.messages, self._summary.lines, raw)
        await asyncio.sleep(self._pace.learn(len(batch.items), time.monotonic() - started))

    async def _store_around(self, items: Sequence[Carried], frame: Frame | None) -> None:
        try:
            self._summary.counts = await self._database.write(
                lambda tx: self._save(tx, items, frame)
            )
        except (Unavailable, Misfit):
            raise
        except Exception:
            # Whatever it is, it concerns one of them, and not its neighbours.
            if len(items) > 1:
                middle = len(items) // 2
                await self._store_around(items[:middle], None)
                await self._store_around(items[middle:], frame)
                return
            one = items[0] if items else None
            if not isinstance(one, Said | Plain):
                raise
            held = Waits(hold(one.whole()))
            self._summary.counts = await self._database.write(
                lambda tx: self._save(tx, [held], frame)
            )

    async def _save(self, tx: Transaction, items: Sequence[Carried], frame: Frame | None) -> Counts:
        """Store items and how far that comes; return the counts with them."""
        counts = msgspec.json.decode(msgspec.json.encode(self._summary.counts), type=Counts)
        await self._look_around(tx)
        parts = _Parts(tx, self._workspace, counts, self._seen)
        await parts.save(items)
        if frame is not None and self._begun is not None:
            stand = (
                frame.lines,
                frame.bytes_read,
                frame.digest,
                msgspec.json.encode(counts).decode(),
            )
            row = (self._begun.key, self._begun.received_at, *stand)
            await tx.upsert("imports", _COLUMNS, ("key",), self._workspace.id, [row])
        return counts

    async def _look_around(self, tx: Transaction) -> None:
        """Find out whether others write, and if nobody does, once, what the log has."""
        is_first = self._neighbours.is_first
        if await self._neighbours.are_here(tx):
            self._pace.share()
        if self._pace.shared:
            self._seen = None
        elif is_first:
            self._seen = await Seen.load(tx, self._workspace)

    async def _end(self, ended: Ended) -> None:
        """Forget how far it came; a source that was cut off goes on once it is whole."""
        self._summary.cut = ended.cut
        if ended.cut is None and self._begun is not None:
            key, workspace = self._begun.key, self._workspace.id
            await self._database.write(
                lambda tx: tx.delete("imports", ("key",), workspace, [(key,)])
            )


@dataclass(slots=True)
class _Parts:
    """The items of one transaction, kind by kind: the order in which they are stored leaves no trace."""

    tx: Transaction
    workspace: Workspace
    counts: Counts
    seen: Seen | None

    async def save(self, items: Sequence[Carried]) -> None:
        plain = [one for one in items if isinstance(one, Plain)]
        others = [one for one in items if not isinstance(one, Plain)]
        said = [one for one in others if isinstance(one, Said)]
        rest = [one for one in others if not isinstance(one, Said)]
        for head in rest:
            if isinstance(head, Head):
                self.counts.source = head.workspace
                self.counts.is_same_key = await adopt.adopt_key(self.tx, self.workspace, head)
        await self._save_marks(rest)
        await self._save_kept(rest)
        if plain or said:
            self.counts.count(await bulk.save(self.tx, self.workspace, plain, said, self.seen))
        if waits := [one.held for one in rest if isinstance(one, Waits)]:
            self.counts.count(await bulk.save_waiting(self.tx, self.workspace, waits))
        for fault in rest:
            if isinstance(fault, Fault):
                self.counts.note(fault)

    async def _save_marks(self, rest: Sequence[Carried]) -> None:
        erased = [one for one in rest if isinstance(one, Erased)]
        edges = [one for one in rest if isinstance(one, Edge)]
        if erased or edges:
            self._must_know_key()
            await adopt.adopt_marks(self.tx, self.workspace, erased, edges)

    async def _save_kept(self, rest: Sequence[Carried]) -> None:
        """Store what is left of erased messages, and entries of the quarantine."""
        veiled = [one for one in rest if isinstance(one, Veiled)]
        entries = [one for one in rest if isinstance(one, Entry)]
        if veiled or any(one.state is not Held.WAITS for one in entries):
            self._must_know_key()
        if veiled:
            self.counts.count(await bulk.save_veiled(self.tx, self.workspace, veiled))
        if entries:
            self.counts.count(await adopt.adopt_entries(self.tx, self.workspace, entries))

    def _must_know_key(self) -> None:
        if not self.counts.is_same_key:
            raise Misfit(_NO_KEY if self.counts.source is None else _OTHER_KEY)


def _known(row: Row) -> Known:
    key, received_at, lines, bytes_read, digest, _ = row
    return Known(bytes(key), received_at, lines, bytes_read, bytes(digest))
