"""Fold what is too much for a transaction before it begins, so that it is short: others go on meanwhile.

State is a function of the set of events, so it does not matter when an event is stored.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

from ingest import members, walk
from ingest.ready import Ahead, Deletions, Heard, Key, TooMuch, Wanted, WantedMembers
from ingest.walk import Source
from models.database import Database, First, Transaction
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
            return await _write(database, workspace, work, ahead)
        except TooMuch as much:
            for wanted in much.wanted:
                if isinstance(wanted, Wanted):
                    await _prepare(source, ahead, wanted)
                else:
                    await _prepare_members(source, ahead, wanted)
    try:
        return await _write(database, workspace, work, ahead)
    except TooMuch:
        return await database.write(lambda tx: work(tx, None))


async def _write(database: Database, workspace: Workspace, work: Work[T], ahead: Ahead) -> T:
    """Do `work` with what is ready; of places, which may be many, the rows are written first."""
    if not ahead.members:
        return await database.write(lambda tx: work(tx, ahead))

    async def held(tx: Transaction) -> T:
        done = await work(tx, ahead)
        if not members.is_held(ahead):
            # What should cut them has come by another way, or something later did.
            ahead.members.clear()
            raise TooMuch(())
        return done

    first = First(workspace.id, lambda tx: members.write_first(tx, workspace, ahead))
    return await database.write(held, first)


async def _prepare(source: Source, ahead: Ahead, wanted: Wanted) -> None:
    """Have a customer or an account ready, as of now."""
    folded = ahead.ready.pop(wanted.key, None)
    if folded is None or folded.own != wanted.stamps:
        erased, last = await walk.erased(source, wanted.key), await walk.last(source)
        folded = await walk.fold(source, wanted, last - ahead.settled, last)
        folded.erased = erased

    async def hear(numbers: list[int]) -> bool:
        return await walk.hear(source, folded, await walk.messages_of(source, numbers))

    if await _catch_up(source, wanted.key, folded, ahead.settled, hear):
        ahead.ready[wanted.key] = folded


async def _prepare_members(source: Source, ahead: Ahead, wanted: WantedMembers) -> None:
    """Have the places of an account ready, as of now."""
    key = Key("account_id", frozenset({wanted.account}))
    found = ahead.members.pop(wanted.account, None)
    if found is None or found.deletion != wanted.deletion:
        erased, last = await walk.erased(source, key), await walk.last(source)
        floor = last - ahead.settled
        found = await members.fold(source, wanted.account, wanted.deletion, floor, last)
        found.erased = erased

    async def hear(numbers: list[int]) -> bool:
        await members.hear(source, found, await walk.read(source, numbers))
        return True

    await _catch_up(source, key, found, ahead.settled, hear)
    await members.write_rows(source, wanted.account, found)
    ahead.members[wanted.account] = found


async def _catch_up(
    source: Source,
    key: Key,
    heard: Heard,
    settled: int,
    hear: Callable[[list[int]], Awaitable[bool]],
) -> bool:
    """Let what was folded hear what came since; answer whether that was exact."""
    while True:
        last = await walk.last(source)
        later = await walk.since(source, key, heard.floor)
        new = sorted(later.keys() - heard.recent.keys(), key=lambda number: later[number])
        for start in range(0, len(new), source.page):
            part = new[start : start + source.page]
            if not await hear(part):
                return False
            for number in part:
                heard.note(number, later[number])
        heard.rise(last - settled)
        if len(new) < source.page:
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
