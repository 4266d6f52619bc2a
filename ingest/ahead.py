"""Fold what is too much for a transaction before it begins, so that it is short: others go on meanwhile.

State is a function of the set of events, so it does not matter when an event is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine
from itertools import islice
from typing import Any, TypeVar

from ingest import walk
from ingest.ready import Ahead, Deletions, Folded, Key, TooMuch, Wanted
from ingest.walk import Source
from models.database import Database, Transaction
from models.values import Micros, Workspace, account_key

T = TypeVar("T")
Work = Callable[[Transaction, Ahead | None], Coroutine[Any, Any, T]]

ROUNDS_MAX = 3
"""So often it is tried; who is never done in time is folded in the transaction, and others wait."""


async def write(
    database: Database,
    workspace: Workspace,
    work: Work[T],
    ahead: Ahead,
    pause: Callable[[], Awaitable[None]],
) -> T:
    """Do `work` in a transaction, and what that asks for before; raise what a database raises.

    `pause` is awaited after each page, and may raise to give up: then nothing was stored.
    """
    source = _source(database, workspace, pause, ahead.page)
    for _ in range(ROUNDS_MAX):
        try:
            return await database.write(lambda tx: work(tx, ahead))
        except TooMuch as much:
            for wanted in much.wanted:
                await _prepare(source, ahead, wanted)
    try:
        return await database.write(lambda tx: work(tx, ahead))
    except TooMuch:
        return await database.write(lambda tx: work(tx, None))


async def _prepare(source: Source, ahead: Ahead, wanted: Wanted) -> None:
    """Have what is wanted ready, as of now."""
    folded = ahead.ready.pop(wanted.key, None)
    if folded is None or folded.own != wanted.stamps:
        erased, last = await walk.erased(source, wanted.key), await walk.last(source)
        folded = await walk.fold(source, wanted, last - ahead.settled, last)
        folded.erased = erased
    if await _catch_up(source, ahead, wanted.key, folded):
        ahead.ready[wanted.key] = folded


async def _catch_up(source: Source, ahead: Ahead, key: Key, folded: Folded) -> bool:
    """Let a fold hear what came since; answer whether that was exact."""
    while True:
        last = await walk.last(source)
        later = await walk.since(source, key, folded.floor)
        new = iter(sorted(later.keys() - folded.recent.keys(), key=lambda number: later[number]))
        heard = 0
        while part := list(islice(new, source.page)):
            heard += len(part)
            if not await walk.hear(source, folded, await walk.messages_of(source, part)):
                return False
            for number in part:
                folded.note(number, later[number])
        folded.rise(last - ahead.settled)
        if heard < source.page:
            return True


def _source(
    database: Database, workspace: Workspace, pause: Callable[[], Awaitable[None]], page: int
) -> Source:
    async def deletions(groups: Collection[str]) -> Deletions:
        keys = [account_key(workspace.name, group) for group in groups]
        places = ", ".join(f"?{place}" for place in range(2, 2 + len(keys)))
        sql = (
            "SELECT group_id, last_deletion_at FROM accounts WHERE workspace_id = ?1"
            f" AND key IN ({places})"
        )
        found: dict[str, Micros] = dict(await database.read(sql, (workspace.id, *keys)))
        return {group: found.get(group) for group in groups}

    return Source(workspace, database.read, deletions, pause, page)
