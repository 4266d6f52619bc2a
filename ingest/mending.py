"""Mend all that a comparison found, in short transactions, while others go on writing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from ingest import mend
from ingest.compare import NAMES, Place, Suspects
from ingest.progress import Progress, counting
from ingest.turns import in_turns
from models.database import Database, Row, Transaction
from models.values import Entity, Identifier, Kind, Workspace

T = TypeVar("T")
Work = Callable[[Transaction, Workspace, list[T]], Awaitable[None]]

_OWNERS_MAX = 20


@dataclass(frozen=True, slots=True)
class Region:
    """Identifiers that belong together, and keys of identities of which the log knows no name."""

    names: tuple[Identifier, ...]
    keys: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Mending:
    """One round: names first, then the log's columns, then accounts, then customers."""

    live: Database
    beside: Database
    workspace: Workspace
    progress: Progress

    async def mend(self, suspects: Suspects) -> None:
        """Make all that is suspect again from the log as it is now."""
        for table, rows in suspects.misnamed.items():
            await self._each("Naming rows", rows, _renaming(table))
        for table, name in (("identities", mend.name_identity), ("accounts", mend.name_account)):
            await self._each("Naming rows", suspects.strangers.get(table, ()), name)
        await self._each("Removing rows", suspects.rows, _remove)
        await self._all("Mending the log", suspects.events, mend.events)
        await self._all("Mending accounts", suspects.companies, self._companies)
        await self._all("Mending customers", await self._regions(suspects.people), _people)
        for audience in suspects.strangers.get("audiences", ()):
            await self._drop_audience(audience)
        customers = suspects.strangers.get("customers", ())
        await self._each("Removing customers", customers, mend.drop_customer)

    async def _all(self, step: str, items: Iterable[T], work: Work[T]) -> None:
        todo = list(items)

        async def some(tx: Transaction, part: list[T]) -> None:
            await tx.enter(self.workspace.id)
            # Nobody may link, join or erase what is being made again.
            await tx.alone(self.workspace.id)
            await work(tx, self.workspace, part)

        watch = counting(self.progress, step, len(todo))
        left = await in_turns(self.live, todo, some, watch)
        # What could not be read may have been mended since, with its neighbours.
        if left and len(left) < len(todo):
            await self._all(step, left, work)

    async def _each(
        self,
        step: str,
        items: Iterable[T],
        work: Callable[[Transaction, Workspace, T], Awaitable[None]],
    ) -> None:
        async def some(tx: Transaction, workspace: Workspace, part: list[T]) -> None:
            for item in part:
                await work(tx, workspace, item)

        await self._all(step, items, some)

    async def _companies(self, tx: Transaction, workspace: Workspace, keys: list[bytes]) -> None:
        await mend.companies(tx, workspace, await mend.groups_of(tx, workspace, keys))

    async def _regions(self, keys: Iterable[bytes]) -> list[Region]:
        """Return the customers of these identities as the log has them, each once."""
        named: dict[int, list[Identifier]] = {}
        strangers: list[Region] = []
        for key in keys:
            rows = await self._members(key)
            if rows:
                named[rows[0][0]] = [Identifier(Kind(kind), text) for _, kind, text in rows]
            # Under its key there may be one that the log had not named by then.
            strangers += [] if rows else [Region((), (key,))]
        return [*(Region(tuple(names)) for names in named.values()), *strangers]

    async def _members(self, key: bytes) -> list[Row]:
        sql = (
            "SELECT m.customer_id, m.kind, m.identifier FROM identities i JOIN identities m"
            " ON m.workspace_id = ?1 AND m.customer_id = i.customer_id"
            " WHERE i.workspace_id = ?1 AND i.key = ?2"
        )
        return await self.beside.read(sql, (self.workspace.id, key))

    async def _drop_audience(self, audience: int) -> None:
        """Fold again whoever has a flag of an audience that nobody should have, then remove it."""
        left = True
        while left:
            left = await self.live.write(lambda tx: self._fold_flagged(tx, audience))

    async def _fold_flagged(self, tx: Transaction, audience: int) -> bool:
        workspace = self.workspace
        await tx.enter(workspace.id)
        await tx.alone(workspace.id)
        owners: dict[int, list[Row]] = defaultdict(list)
        for entity, owner in await mend.flagged(tx, workspace, audience, _OWNERS_MAX):
            owners[entity].append((owner,))
        for entity, numbers in owners.items():
            table = "accounts" if entity == Entity.ACCOUNT else "customers"
            by = ("entity", "owner_id", "audience_id")
            flags = [(entity, *number, audience) for number in numbers]
            await tx.delete("flags", by, workspace.id, flags)
            rows = await tx.lookup(table, ("key",), ("id",), workspace.id, numbers)
            keys = [bytes(key) for (key,) in rows]
            if table == "accounts":
                await self._companies(tx, workspace, keys)
            else:
                await _people(tx, workspace, [Region((), tuple(keys))])
        return bool(owners)


async def _people(tx: Transaction, workspace: Workspace, regions: list[Region]) -> None:
    names = [name for region in regions for name in region.names]
    keys = [key for region in regions for key in region.keys]
    names += await mend.names_of(tx, workspace, keys)
    await mend.people(tx, workspace, names)


async def _remove(tx: Transaction, workspace: Workspace, place: Place) -> None:
    table, columns, values = place
    await tx.delete(table, columns, workspace.id, [values])


def _renaming(table: str) -> Callable[[Transaction, Workspace, Row], Awaitable[None]]:
    async def rename(tx: Transaction, workspace: Workspace, row: Row) -> None:
        await mend.rename(tx, workspace, table, NAMES[table], row)

    return rename
