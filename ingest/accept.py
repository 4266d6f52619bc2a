"""The one way in: posted bodies and stated facts become durable messages with receipts."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ingest import audit, canonical, quarantine
from ingest.canonical import Unreadable
from ingest.explain import Explanation, explain
from ingest.lane import HEAVY_LIMITS, HeavyLimits
from ingest.message import BOUNDS, Bounds, Door, Parsed, TooMany, parse, parse_one
from ingest.quarantine import Entry, Retry
from ingest.queued import Busy
from ingest.store import Item
from ingest.writer import QUEUE_LIMITS, Committed, QueueLimits, Writer
from models.database import Database, Rehearsal
from models.values import EventType, Held, Message, Micros, Quarantined, Receipt, Workspace

__all__ = [
    "Bounds",
    "Busy",
    "Committed",
    "Door",
    "HeavyLimits",
    "Ingest",
    "QueueLimits",
    "TooMany",
    "Unreadable",
]

# Reading a larger body would keep the event loop from everyone else for more than a moment.
_INLINE_BYTES_MAX = 256 * 1024

# Each is stored by itself, and those who write wait meanwhile.
EXPLAINED_MAX = 20


class Ingest:
    """What takes messages in, one for each process."""

    def __init__(
        self,
        database: Database,
        *,
        bounds: Bounds = BOUNDS,
        queue: QueueLimits = QUEUE_LIMITS,
        watch: Callable[[Committed], None] = lambda _: None,
        heavy: HeavyLimits = HEAVY_LIMITS,
    ) -> None:
        self._database = database
        self._bounds = bounds
        self._writer = Writer(database, queue, watch, heavy)

    def start(self) -> None:
        """Begin to take messages in."""
        self._writer.start()

    async def close(self) -> None:
        """Finish what was taken in, then stop; from now on everything is Busy."""
        await self._writer.close()

    @property
    def messages_waiting(self) -> int:
        """Return how many messages wait for a commit."""
        return self._writer.messages_waiting

    @property
    def bytes_waiting(self) -> int:
        """Return how many bytes wait for a commit."""
        return self._writer.bytes_waiting

    async def deliver(
        self,
        workspace: Workspace,
        body: bytes,
        *,
        door: Door,
        received_at: Micros,
        kind: str | None = None,
    ) -> list[Receipt]:
        """Return, once they are durable, what became of the messages of a posted body.

        At the SDK door nobody asks, and the list is empty. Raise Unreadable for a body that is no
        JSON object or array, TooMany for one with too many messages, Busy for now.
        """

        def read() -> list[Parsed]:
            return parse(body, door=door, received_at=received_at, kind=kind, bounds=self._bounds)

        self._writer.expect_room()
        large = len(body) > _INLINE_BYTES_MAX
        parsed = await asyncio.to_thread(read) if large else read()
        asked = door is not Door.SDK
        items = [Item(one, asked) for one in parsed]
        answers = await self._writer.submit(workspace, items, len(body))
        return [receipt for receipt in answers if receipt is not None]

    async def state(
        self,
        workspace: Workspace,
        message: Mapping[str, Any],
        *,
        received_at: Micros,
        by: audit.Entry | None = None,
    ) -> Receipt:
        """Return, once it is durable, what became of a message that a mutation states.

        `by` says who stated it, and is written with it. What a delete removed is on its receipt.
        """
        # Numbers and text of a GraphQL client become what they would be in a posted body.
        value = canonical.read(canonical.canonical(dict(message)))
        parsed = parse_one(value, Door.MUTATION, received_at, bounds=self._bounds)
        size = len(parsed.body)
        alone = isinstance(parsed, Message) and parsed.type is EventType.DELETE
        item = Item(parsed, asked=True)
        answers = await self._writer.submit(workspace, [item], size, by=by, alone=alone)
        receipt = answers[0]
        if receipt is None:
            raise AssertionError("a message that was asked about has a receipt")
        return receipt

    async def explain(
        self, workspace: Workspace, message: Any, *, received_at: Micros, seconds: float
    ) -> Explanation:
        """Return what a message would change were it posted to Segment's door; nothing is written."""
        value = canonical.read(canonical.canonical(message))
        parsed = parse_one(value, Door.SEGMENT, received_at, bounds=self._bounds)
        return await self._rehearse(workspace, parsed, seconds)

    async def explain_body(
        self, workspace: Workspace, body: bytes, *, received_at: Micros, seconds: float
    ) -> list[Explanation]:
        """Return what each message of a posted body would change by itself; nothing is written.

        Raise Unreadable and TooMany as `deliver` does, TimedOut when it takes more than `seconds`.
        """
        until = time.monotonic() + seconds
        parsed = parse(body, door=Door.SEGMENT, received_at=received_at, bounds=self._bounds)
        if len(parsed) > EXPLAINED_MAX:
            raise TooMany(
                f"{len(parsed)} messages are many: explain at most {EXPLAINED_MAX} at once"
            )
        return [await self._rehearse(workspace, each, until - time.monotonic()) for each in parsed]

    async def _rehearse(self, workspace: Workspace, parsed: Parsed, seconds: float) -> Explanation:
        async def trial(tx: Rehearsal) -> Explanation:
            return await explain(tx, workspace, parsed)

        return await self._database.rehearse(trial, seconds)

    async def retry(
        self,
        workspace: Workspace,
        key: bytes,
        *,
        now: Micros,
        correction: Any = None,
    ) -> Receipt | Quarantined | None:
        """Return, once it is durable, what became of a quarantined message that is tried again.

        It counts as received when it came. A correction that would be held itself is returned as
        such, and nothing is written; None is the answer where no such message waits. What was
        retried already is a DUPLICATE, whoever was first.
        """
        corrected = correction is not None
        while True:
            entry = await quarantine.find(self._database, workspace, key)
            if entry is None or entry.held is Held.ERASED:
                return None
            if entry.held is Held.RETRIED:
                return await quarantine.settled(self._database, workspace, entry)
            was = canonical.read(entry.body.encode())
            parsed = self._again(entry, correction if corrected else was, was)
            if corrected and isinstance(parsed, Quarantined):
                return parsed
            item = Item(parsed, asked=True, retry=Retry(key, now, corrected))
            answers = await self._writer.submit(workspace, [item], len(parsed.body))
            if answers[0] is not None:
                return answers[0]
            # Somebody was faster: what the entry is now says how to answer.

    def _again(self, entry: Entry, value: Any, was: Any) -> Parsed:
        """Return a message that is tried again, with the times it came with."""
        parsed = parse_one(
            copy.deepcopy(value), Door.SEGMENT, entry.received_at, bounds=self._bounds
        )
        if isinstance(parsed, Message) and _said_times(value) == _said_times(was):
            # Its door may have moved its time by a sender's skew, once and for all.
            return replace(parsed, at=entry.at, notes=entry.notes)
        return parsed


def _said_times(value: Any) -> tuple[Any, ...]:
    fields = ("timestamp", "originalTimestamp")
    return tuple(value.get(name) for name in fields) if isinstance(value, dict) else fields
