"""A request that waits for its commit, and how it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field

from ingest import audit
from ingest.ready import Ahead
from ingest.store import Item, save
from ingest.working import Working
from models.database import Transaction
from models.values import Receipt, Workspace

Answers = list[Receipt | None]


class Busy(Exception):
    """Nothing was stored; the same request will do after `retry_after_s`."""

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


@dataclass(slots=True, eq=False)
class Request:
    """Messages that are stored together, and who waits for that."""

    workspace: Workspace
    items: Sequence[Item]
    size: int
    by: audit.Entry | None = None
    # What it erases is told of it alone, so nothing else may share its commit.
    alone: bool = False
    context: Context = field(default_factory=copy_context)
    done: asyncio.Future[Answers] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


async def store(tx: Transaction, batch: Sequence[Request], ahead: Ahead | None) -> Answers:
    """Save requests of one workspace with what the audit says of them; return all their answers."""
    workspace = batch[0].workspace
    items = [item for request in batch for item in request.items]
    answers = await save(tx, workspace, items, Working(tx, workspace, ahead=ahead))
    await audit.write(tx, workspace, list(entries(batch, answers)))
    return answers


def entries(batch: Sequence[Request], answers: Answers) -> Iterator[audit.Entry]:
    """Yield what the audit says of requests that were answered so."""
    place = 0
    for request in batch:
        receipt = answers[place] if request.items else None
        place += len(request.items)
        if request.by is not None and receipt is not None:
            yield request.by.answered(receipt)


def answer(batch: Sequence[Request], answers: Answers) -> None:
    """Let those who wait have their answers."""
    for request in batch:
        count = len(request.items)
        mine, answers = answers[:count], answers[count:]
        if not request.done.done():
            request.done.set_result(mine)


def fail(batch: Sequence[Request], error: Exception) -> None:
    """Let those who wait hear why nothing was stored."""
    for request in batch:
        if not request.done.done():
            request.done.set_exception(error)
