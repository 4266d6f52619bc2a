"""Compare the live state with the one made again, cell by cell, and tell of whom the two disagree."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

from ingest.progress import Progress
from ingest.streams import REFERENCES, STREAMS, Entry, Reference, Stream
from models.database import Row
from models.database_snapshot import Snapshot
from models.values import Workspace

Place = tuple[str, tuple[str, ...], Row]
"""A row of the live database: its table, the columns of its primary key, and what they hold."""

WHOLE_ROW = "the row"
_A_ROW, _NO_ROW = "there", "not there"
# Rows of these are known by keys that others refer to; they are put right and not removed.
_NAMED = {"identities", "accounts", "customers", "audiences", "events"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One cell of the live state that the log says otherwise; a whole row where one lacks it."""

    table: str
    # What tells the row apart, by column.
    row: dict[str, Any]
    column: str
    stored: Any
    computed: Any

    def __str__(self) -> str:
        """Return it as an operator reads it."""
        row = ", ".join(f"{name} {shown(value)}" for name, value in self.row.items())
        sides = f"stored {shown(self.stored)}, computed {shown(self.computed)}"
        return f"{self.table}, row {row}, column {self.column}: {sides}"


@dataclass(slots=True)
class Suspects:
    """Of whom the two disagree: by keys, which last, and rows that should not be."""

    people: dict[bytes, None] = field(default_factory=dict)
    companies: dict[bytes, None] = field(default_factory=dict)
    events: dict[bytes, None] = field(default_factory=dict)
    # Of the tables that nothing refers to: to be removed.
    rows: dict[Place, None] = field(default_factory=dict)
    # By table: numbers of rows whose key nobody knows.
    strangers: dict[str, list[int]] = field(default_factory=dict)
    # By table: numbers of rows that have another's name under their key, with what they are called.
    misnamed: dict[str, list[Row]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Return whether there is anyone."""
        return any((self.people, self.companies, self.events, self.rows, self.strangers))

    def take(self, stream: Stream, ours: Entry | None, theirs: Entry | None) -> None:
        """Take note of two rows that differ, or of which one is missing."""
        for entry in (ours, theirs):
            if entry is not None:
                said = dict(zip(stream.names, entry.row, strict=True))
                self._note(self.people, (said[name] for name in stream.people))
                self._note(self.companies, (said[name] for name in stream.companies))
                if stream.table == "events":
                    self.events[bytes(said["key"])] = None
        if ours is None:
            return
        if theirs is None and stream.table in _NAMED:
            self.strangers.setdefault(stream.table, []).append(ours.place[0])
        elif theirs is None:
            self.rows[stream.table, stream.place, ours.place] = None
        elif stream.table in NAMES:
            said = dict(zip(stream.names, theirs.row, strict=True))
            name = tuple(said[column] for column in NAMES[stream.table])
            self.misnamed.setdefault(stream.table, []).append((ours.place[0], *name))

    def take_dangling(self, reference: Reference, entry: Entry) -> None:
        """Take note of a row that refers to nothing."""
        if reference.table not in _NAMED:
            self.rows[reference.table, reference.place, entry.place] = None

    @staticmethod
    def _note(seen: dict[bytes, None], keys: Iterable[Any]) -> None:
        seen.update(dict.fromkeys(bytes(key) for key in keys if key is not None))


NAMES = {
    "identities": ("kind", "identifier", "folded"),
    "accounts": ("group_id", "group_id_folded"),
    "audiences": ("folded",),
}
"""What a row is called, which is a function of its key and never changes."""


async def differences(
    live: Snapshot, beside: Snapshot, workspace: Workspace, suspects: Suspects, progress: Progress
) -> AsyncIterator[Difference]:
    """Yield every cell in which the live state differs; `suspects` hears of whom that is."""
    total = len(STREAMS) + len(REFERENCES)
    for done, stream in enumerate(STREAMS):
        progress("Comparing", done, total)
        stored = stream.entries(live, workspace.id)
        computed = stream.entries(beside, workspace.id)
        async for ours, theirs in _paired(stored, computed, len(stream.key)):
            found = _compared(stream, ours, theirs)
            if found:
                suspects.take(stream, ours, theirs)
            for difference in found:
                yield difference
    for done, reference in enumerate(REFERENCES, len(STREAMS)):
        progress("Comparing", done, total)
        async for entry in reference.dangling(live, workspace.id):
            suspects.take_dangling(reference, entry)
            row = dict(zip(reference.place, entry.place, strict=True))
            nothing = f"no row of {reference.target} has that number"
            yield Difference(reference.table, row, reference.column, entry.row[0], nothing)
    progress("Comparing", total, total)


def shown(value: Any) -> str:
    """Return a value as a report shows it."""
    if isinstance(value, bytes):
        return value.hex()
    return value if value in (_A_ROW, _NO_ROW) else repr(value)


async def _paired(
    stored: AsyncIterator[Entry], computed: AsyncIterator[Entry], width: int
) -> AsyncIterator[tuple[Entry | None, Entry | None]]:
    """Yield the rows of both side by side, None where one has no such row."""
    ours, theirs = await anext(stored, None), await anext(computed, None)
    while ours is not None or theirs is not None:
        if theirs is None or (ours is not None and ours.row[:width] < theirs.row[:width]):
            yield ours, None
            ours = await anext(stored, None)
        elif ours is None or theirs.row[:width] < ours.row[:width]:
            yield None, theirs
            theirs = await anext(computed, None)
        else:
            yield ours, theirs
            ours, theirs = await anext(stored, None), await anext(computed, None)


def _compared(stream: Stream, ours: Entry | None, theirs: Entry | None) -> list[Difference]:
    entry = ours if ours is not None else theirs
    if entry is None or (ours is not None and theirs is not None and ours.row == theirs.row):
        return []
    if entry.idle and (ours is None or theirs is None):
        return []
    name = dict(zip(stream.key, entry.row, strict=False))
    if ours is None or theirs is None:
        sides = (_NO_ROW, _A_ROW) if ours is None else (_A_ROW, _NO_ROW)
        return [Difference(stream.name, name, WHOLE_ROW, *sides)]
    cells = zip(stream.names, ours.row, theirs.row, strict=True)
    return [
        Difference(stream.name, name, column, mine, other)
        for column, mine, other in cells
        if mine != other
    ]
