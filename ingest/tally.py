"""Count what an erasure removes: what its customers had before, less what is left of them after."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from ingest import flags
from models.database import Row, Transaction
from models.values import Entity, Erased, Kind, Workspace


@dataclass(slots=True)
class Tally:
    """What one batch erases, while it does."""

    tx: Transaction
    workspace: Workspace
    events: int = 0
    quarantined: int = 0
    _identities: set[int] = field(default_factory=set)
    _audiences: set[int] = field(default_factory=set)
    _before: tuple[int, int, int, int] = (0, 0, 0, 0)

    async def begin(self, customers: Iterable[int]) -> None:
        """Count what these customers have before anything is taken from them."""
        self._before = await self._count(sorted(set(customers)))

    async def end(self) -> Erased:
        """Return what is gone, after the rest was written; with its last flag goes an audience's key."""
        keys = [(number,) for number in sorted(self._identities)]
        left = await self._lookup("identities", ("customer_id",), ("id",), keys)
        after = await self._count(sorted({row[0] for row in left}))
        await flags.drop_unused(self.tx, self.workspace, sorted(self._audiences))
        traits, audience_flags, memberships, identifiers = (
            max(0, had - has) for had, has in zip(self._before, after, strict=True)
        )
        return Erased(
            self.events, traits, audience_flags, memberships, identifiers, self.quarantined
        )

    async def _count(self, customers: list[int]) -> tuple[int, int, int, int]:
        keys = [(number,) for number in customers]
        rows = await self._lookup("identities", ("id", "kind", "seen"), ("customer_id",), keys)
        # An alias names a device too, should it have been one: it counts once it was seen.
        identities = [row[0] for row in rows if row[1] == Kind.USER or row[2]]
        held = await self._lookup("customers", ("traits",), ("id",), keys)
        places = await self._lookup("memberships", ("account_id",), ("customer_id",), keys)
        owned = [(int(Entity.CUSTOMER), number) for number in customers]
        flagged = await self._lookup("flags", ("audience_id",), ("entity", "owner_id"), owned)
        self._identities |= {row[0] for row in rows}
        self._audiences |= {row[0] for row in flagged}
        traits = sum(len(msgspec.json.decode(row[0])) for row in held)
        return traits, len(flagged), len(places), len(identities)

    async def _lookup(
        self,
        table: str,
        columns: tuple[str, ...],
        by: tuple[str, ...],
        keys: Sequence[tuple[int, ...]],
    ) -> list[Row]:
        return await self.tx.lookup(table, columns, by, self.workspace.id, keys) if keys else []
