"""Know which indexes may be used, build those that are wanted, and find the traits that are asked for often."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ingest import audit, indexing
from ingest.audit import Entry
from ingest.indexes import Kind, State
from ingest.indexing import Kept
from models.database import Database, TimedOut, Transaction, Unavailable, Work
from models.values import Micros, Workspace

TURN_SECONDS = 1.0
"""How old may be what a process knows of the indexes of a workspace that is asked."""

SWEEP_TURNS = 60
"""How many turns lie between two looks at all workspaces, asked here or not."""

ASKED_TIMES = 20
"""How often a trait is asked for, within `ASKED_SECONDS` and in one process, before it is hot."""

ASKED_SECONDS = 600
HOT_MAX = 8
"""How many traits of a workspace are indexed because they are asked for often; each is paid by ingest."""

COLD_SECONDS = 7 * 24 * 3600
"""After how long without a question the index of a hot trait is given up."""

NOTED_SECONDS = 3600
"""How often it is stored when a hot trait was last asked for."""

INDEXES_MAX = 50
"""Indexes of the traits of a workspace. Each makes every change of its trait dearer."""

QUIET_TURNS = 600
"""After how many turns without a question a workspace is looked at only when all are."""

WATCHED_MAX = 1_000
"""Workspaces, and keys of each, that one process remembers."""

FEW_MAX = 2_000
"""How many an index may find for these to be read and sorted; of more, the first are met soon in order."""

STEPS_AT_ONCE = 10
"""How many steps of an index are done before whoever asks for it is answered: some thousands of rows."""

_MICROS = 1_000_000
_COLUMNS = "id, kind, key, state, hot, asked_at, stage, done"
_CUT = (
    "EXISTS (SELECT 1 FROM trait_values AS v"
    " WHERE v.workspace_id = ?1 AND v.index_id = k.id AND v.cut = 1)"
)


@dataclass(frozen=True, slots=True)
class View:
    """The indexes of a workspace that are complete, and by which of them one can sort."""

    numbers: Mapping[tuple[Kind, str], int] = field(default_factory=dict)
    sorting: frozenset[tuple[Kind, str]] = frozenset()
    few_max: int = FEW_MAX


NO_INDEXES = View()
"""What may be used where nobody looks."""


@dataclass(slots=True)
class _Watched:
    workspace: Workspace
    view: View = NO_INDEXES
    indexes: list[Kept] = field(default_factory=list)
    # How often a trait was asked for that has no index, and which that has one were asked for.
    asked: Counter[tuple[Kind, str]] = field(default_factory=Counter)
    used: set[tuple[Kind, str]] = field(default_factory=set)
    # Whether something was done since it was looked at.
    stale: bool = False
    # How many turns ago it was asked last.
    quiet: int = 0


class Keeper:
    """What one process knows of indexes, and does for them. Any number of processes may do it at once."""

    def __init__(
        self, database: Database, clock: Callable[[], Micros], *, few_max: int = FEW_MAX
    ) -> None:
        self._few_max = few_max
        self._database = database
        self._clock = clock
        self._watched: dict[int, _Watched] = {}
        self._counted_since = clock()
        self._kick = asyncio.Event()

    def view(self, workspace: Workspace) -> View:
        """Return what may be used in a workspace, as known for a second at most once it was asked."""
        return self._watch(workspace).view

    def note(self, workspace: Workspace, kind: Kind, key: str, *, indexed: bool) -> None:
        """Take note that a trait was asked for where an index helps, or would."""
        watched = self._watch(workspace)
        if indexed:
            watched.used.add((kind, key))
        elif (kind, key) in watched.asked or len(watched.asked) < WATCHED_MAX:
            watched.asked[kind, key] += 1

    async def declare(self, workspace: Workspace, kind: Kind, key: str) -> None:
        """Have an index of a trait, durably; it is built in the background."""
        await _declare(self._database, workspace, kind, key, self._clock(), hot=False)
        await self._refresh(self._watch(workspace))
        self._kick.set()

    async def give_up(self, workspace: Workspace, kind: Kind, key: str) -> None:
        """Cease to have it, durably; it is cleared away in the background."""
        await _give_up(self._database, workspace, kind, key)
        await self._refresh(self._watch(workspace))
        self._kick.set()

    async def run(self, failed: Callable[[Exception], None]) -> None:
        """Turn for ever; `failed` hears why a turn could not be ended. What it does is not lost."""
        turns = 0
        while True:
            try:
                if turns % SWEEP_TURNS == 0:
                    await self._watch_all()
                await self.turn()
            except (Unavailable, TimedOut) as error:
                failed(error)
            turns += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(TURN_SECONDS):
                    await self._kick.wait()
            self._kick.clear()

    async def turn(self) -> None:
        """Look at the indexes of each workspace that is watched, and do what they need."""
        cold = self._clock() - self._counted_since > ASKED_SECONDS * _MICROS
        for watched in list(self._watched.values()):
            watched.quiet += 1
            if watched.quiet > QUIET_TURNS:
                continue
            await self._refresh(watched)
            await self._heat(watched)
            if cold:
                watched.asked.clear()
            await self._build(watched)
        if cold:
            self._counted_since = self._clock()

    def _watch(self, workspace: Workspace) -> _Watched:
        watched = self._watched.get(workspace.id)
        if watched is None:
            if len(self._watched) >= WATCHED_MAX:
                self._watched.pop(next(iter(self._watched)))
            watched = self._watched[workspace.id] = _Watched(workspace)
            self._kick.set()
        watched.quiet = 0
        return watched

    async def _watch_all(self) -> None:
        """Look at every workspace, asked here or not."""
        rows = await self._database.read("SELECT id, name FROM workspaces ORDER BY id")
        for number, name in rows[:WATCHED_MAX]:
            known = self._watched.get(number)
            watched = known or _Watched(Workspace(number, name))
            await self._refresh(watched)
            await self._build(watched)

    async def _refresh(self, watched: _Watched) -> None:
        sql = f"SELECT {_COLUMNS}, {_CUT} FROM kept_indexes AS k WHERE k.workspace_id = ?1"
        rows = await self._database.read(sql, (watched.workspace.id,))
        if not any(row[1] == Kind.WORDS for row in rows):
            now = self._clock()
            await _declare(self._database, watched.workspace, Kind.WORDS, "", now, hot=False)
            rows = await self._database.read(sql, (watched.workspace.id,))
        found = [(indexing.kept(row[:-1]), bool(row[-1])) for row in rows]
        watched.stale = False
        watched.indexes = [index for index, _ in found]
        complete = [(index, cut) for index, cut in found if index.state is State.COMPLETE]
        watched.view = View(
            {(index.kind, index.key): index.id for index, _ in complete},
            frozenset((index.kind, index.key) for index, cut in complete if not cut),
            self._few_max,
        )

    async def _heat(self, watched: _Watched) -> None:
        """Index what is asked for often, give up what no longer is, and store what was asked for."""
        now, workspace = self._clock(), watched.workspace
        hot = [each for each in watched.indexes if each.hot and each.state is not State.GIVEN_UP]
        known = {(each.kind, each.key) for each in watched.indexes}
        for wanted, times in watched.asked.most_common(HOT_MAX):
            if times >= ASKED_TIMES and wanted not in known and len(hot) < HOT_MAX:
                await _declare(self._database, workspace, *wanted, now, hot=True)
                watched.stale = True
                hot.append(Kept(0, *wanted, State.BUILDING, True, now, 0, 0))  # noqa: FBT003 (a row)
        for each in hot:
            name, age = (each.kind, each.key), now - each.asked_at
            if name in watched.used and age > NOTED_SECONDS * _MICROS:
                await self._database.write(_asked(workspace, each.id, now))
            elif name not in watched.used and age > COLD_SECONDS * _MICROS:
                await _give_up(self._database, workspace, *name)
                watched.stale = True
        watched.used.clear()
        if watched.stale:
            await self._refresh(watched)

    async def _build(self, watched: _Watched) -> None:
        for index in watched.indexes:
            more = index.state is not State.COMPLETE
            watched.stale = watched.stale or more
            while more:
                began = asyncio.get_running_loop().time()
                more = await self._database.write(_step(watched.workspace, index.id))
                # Half of the time is others'.
                await asyncio.sleep(asyncio.get_running_loop().time() - began)
        if watched.stale:
            await self._refresh(watched)


def _asked(workspace: Workspace, number: int, now: Micros) -> Work[None]:
    async def work(tx: Transaction) -> None:
        await tx.enter(workspace.id)
        sql = "UPDATE kept_indexes SET asked_at = ?3 WHERE workspace_id = ?1 AND id = ?2"
        await tx.fetch(sql, (workspace.id, number, now))

    return work


async def ask(
    database: Database,
    workspace: Workspace,
    trait: tuple[Kind, str],
    entry: Entry,
    *,
    wanted: bool,
) -> bool:
    """Have an index of a trait, or give it up, as somebody asked; return False if there are too many.

    What is small is built at once, the rest by the keepers, who see it within a second.
    """

    async def work(tx: Transaction) -> bool:
        await tx.enter(workspace.id)
        if wanted:
            live = [each for each in await indexing.listed(tx, workspace) if each.is_live]
            known = any((each.kind, each.key) == trait for each in live)
            # The one of words is beside them.
            if not known and len(live) > INDEXES_MAX:
                return False
            await indexing.declare(tx, workspace, *trait, hot=False, now=entry.at)
        else:
            await indexing.give_up(tx, workspace, *trait)
        await audit.write(tx, workspace, [entry])
        return True

    if not await database.write(work):
        return False
    listed = await database.write(lambda tx: indexing.listed(tx, workspace))
    for index in listed:
        if (index.kind, index.key) == trait:
            for _ in range(STEPS_AT_ONCE):
                if not await database.write(_step(workspace, index.id)):
                    break
    return True


async def _declare(
    database: Database, workspace: Workspace, kind: Kind, key: str, now: Micros, *, hot: bool
) -> None:
    await database.write(lambda tx: indexing.declare(tx, workspace, kind, key, hot=hot, now=now))


async def _give_up(database: Database, workspace: Workspace, kind: Kind, key: str) -> None:
    await database.write(lambda tx: indexing.give_up(tx, workspace, kind, key))


def _step(workspace: Workspace, number: int) -> Work[bool]:
    return lambda tx: indexing.build(tx, workspace, number)
