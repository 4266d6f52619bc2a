"""Do much work in many short transactions, so that whoever else writes has every other turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from models.database import Database, Transaction, Unavailable

T = TypeVar("T")

SECONDS_AIM = 0.1
"""What a transaction may take, about: far less than a request waits for one."""

_AT_ONCE_MAX = 256
_PAUSE_S_MIN = 0.005
PATIENCE_S = 60.0
"""How long a turn is waited for before the command gives up."""


async def in_turns(
    database: Database,
    items: Iterable[T],
    work: Callable[[Transaction, list[T]], Awaitable[None]],
    watch: Callable[[int], None],
) -> list[T]:
    """Do `work` on all items, in parts that take about as long as they may; return those it cannot do."""
    rest, failed = deque(items), list[T]()
    count = 4
    while rest:
        part = [rest.popleft() for _ in range(min(count, len(rest)))]
        try:
            seconds = await _turn(database, part, work)
        except (ValueError, TypeError, LookupError):
            # What cannot be read lies with one of them: so each by itself.
            if len(part) > 1:
                rest.extendleft(reversed(part))
                count = 1
            else:
                failed += part
            continue
        watch(len(part))
        if seconds < SECONDS_AIM / 2:
            count = min(2 * count, _AT_ONCE_MAX)
        elif seconds > SECONDS_AIM:
            count = max(1, count // 2)
        # SQLite lets whoever asks first have the next turn, and waiting writers look only now and then.
        await asyncio.sleep(max(seconds, _PAUSE_S_MIN))
    return failed


async def _turn(
    database: Database, part: list[T], work: Callable[[Transaction, list[T]], Awaitable[None]]
) -> float:
    async def timed(tx: Transaction) -> float:
        started = time.perf_counter()
        await work(tx, part)
        return time.perf_counter() - started

    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await database.write(timed)
        except Unavailable:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_PAUSE_S_MIN)
