"""Processes that share the work of a scenario: a million of anything is too much for one."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import uvloop

from tests.chaos import planted
from tests.chaos.grounds import Ground, a_ground
from tests.chaos.plan import Plan

PROCESSES = 3

T = TypeVar("T")
Part = Callable[..., Coroutine[Any, Any, T]]


class Crew:
    """Does parts of a scenario at once; one part alone is done here."""

    def __init__(self, pool: ProcessPoolExecutor | None) -> None:
        self._pool = pool

    async def do(self, part: Part[T], asked: Sequence[tuple[Any, ...]]) -> list[T]:
        """Return what a part came to with each of these arguments; all of it must be known to pickle."""
        if self._pool is None:
            return [await part(*one) for one in asked]
        loop = asyncio.get_running_loop()
        going = [loop.run_in_executor(self._pool, _run, part, one) for one in asked]
        return await asyncio.gather(*going)


@asynccontextmanager
async def a_crew(
    plan: Plan, *, alone: bool, processes: int = PROCESSES
) -> AsyncIterator[tuple[Crew, Ground, Ground]]:
    """Give a crew, whose processes have the planted bug too, and both kinds of database."""
    async with AsyncExitStack() as stack:
        files = await stack.enter_async_context(a_ground("sqlite", plan.folder, plan.server))
        rows = await stack.enter_async_context(a_ground("postgres", plan.folder, plan.server))
        pool = None if alone else stack.enter_context(_pool(plan, processes))
        yield Crew(pool), files, rows


def _pool(plan: Plan, processes: int) -> ProcessPoolExecutor:
    # Not forked: there are threads and an event loop here.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, _begin, (plan.planted,))


def _begin(bug: str | None) -> None:
    if bug:
        planted.plant(bug)


def _run(part: Part[T], given: tuple[Any, ...]) -> T:
    return uvloop.run(part(*given))
