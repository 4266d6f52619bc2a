"""Bugs that are planted on purpose: an oracle that does not bite on them is worth nothing."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ingest.log
from api import cli_serve, doors
from ingest.queued import Answers
from ingest.store import Item
from ingest.writer import Writer
from models import database_sqlite
from models.connection import Work
from models.database import Database
from models.database_postgres import PostgresDatabase
from models.database_postgres_transaction import PostgresTransaction
from models.database_sqlite import SqliteDatabase, SqliteTransaction
from models.values import Workspace

_SLOW_SECONDS = 0.2


@contextmanager
def growing(name: str) -> Iterator[None]:
    """Have a bug in this process for a while."""
    before: list[tuple[Any, str, Any]] = []

    def put(owner: Any, place: str, new: Any) -> None:
        before.append((owner, place, getattr(owner, place)))
        setattr(owner, place, new)

    PLANTS[name](put)
    try:
        yield
    finally:
        for owner, place, old in before:
            setattr(owner, place, old)


def plant(name: str) -> None:
    """Change this process so that it has the bug, or the ailment, of that name."""
    PLANTS[name](setattr)


def _acknowledge_before_commit(put: Callable[[Any, str, Any], None]) -> None:
    """Answer each request as soon as it is queued."""
    submit = Writer.submit

    async def hasty(
        self: Writer, workspace: Workspace, items: Sequence[Item], size: int, **given: Any
    ) -> Answers:
        going = asyncio.ensure_future(submit(self, workspace, items, size, **given))
        going.add_done_callback(lambda ended: ended.exception())
        _going.add(going)
        await asyncio.sleep(0)
        return [None] * len(items)

    put(Writer, "submit", hasty)


_going: set[asyncio.Future[Answers]] = set()


def _log_apart_from_fold(put: Callable[[Any, str, Any], None]) -> None:
    """Commit the log before the fold: what dies between is a duplicate for ever, and nowhere in the state."""
    append = ingest.log.append

    async def alone(working: Any, *rest: Any) -> None:
        await append(working, *rest)
        await _execute(working.tx, "COMMIT")
        await _execute(working.tx, "BEGIN")

    put(ingest.log, "append", alone)


async def _execute(transaction: Any, sql: str) -> None:
    # Neither database has such a statement in its interface, and rightly so.
    done = transaction._connection.execute(sql)
    if asyncio.iscoroutine(done):
        await done


def _slow(put: Callable[[Any, str, Any], None]) -> None:
    """Let each transaction take long, as on a disk that is worn out."""

    def slowly(write: Callable[..., Any]) -> Callable[..., Any]:
        async def written(self: Database, work: Work[Any]) -> Any:
            began = time.monotonic()
            done = await write(self, work)
            await asyncio.sleep(max(0.0, _SLOW_SECONDS - (time.monotonic() - began)))
            return done

        return written

    put(SqliteDatabase, "write", slowly(SqliteDatabase.write))
    put(PostgresDatabase, "write", slowly(PostgresDatabase.write))


def _fault_answers(put: Callable[[Any, str, Any], None]) -> None:
    """Answer a full disk as if it were our own fault, as the driver's bare exception is."""

    class Otherwise(Exception):
        pass

    put(database_sqlite, "Unavailable", Otherwise)


def _slow_and_patient(put: Callable[[Any, str, Any], None]) -> None:
    """Let transactions take long, and let as many wait for them as if they did not."""
    _slow(put)
    put(Writer, "expect_room", lambda _self: None)


def _nothing_deleted(put: Callable[[Any, str, Any], None]) -> None:
    """Leave in the state what a message has taken away."""

    async def delete(_self: Any, *_args: Any) -> None:
        """Do nothing."""

    put(SqliteTransaction, "delete", delete)
    put(PostgresTransaction, "delete", delete)


def _hasty_end(put: Callable[[Any, str, Any], None]) -> None:
    """End at once when told to stop, whatever is under way."""
    put(cli_serve.Server, "handle_exit", lambda _self, _sig, _frame: os._exit(3))


def _trusting(put: Callable[[Any, str, Any], None]) -> None:
    """Believe that a Content-Type is text, and that nobody sends one that is not JSON."""

    def check(value: bytes) -> None:
        if value and "json" not in value.decode():
            raise ValueError(value)

    put(doors, "check_type", check)


PLANTS: dict[str, Callable[[Callable[[Any, str, Any], None]], None]] = {
    "acknowledge-before-commit": _acknowledge_before_commit,
    "log-apart-from-fold": _log_apart_from_fold,
    "slow": _slow,
    "slow-and-patient": _slow_and_patient,
    "fault-answers": _fault_answers,
    "nothing-deleted": _nothing_deleted,
    "hasty-end": _hasty_end,
    "trusting": _trusting,
}
