"""One transaction on PostgreSQL: every statement takes arrays, and few of them are sent."""

from __future__ import annotations

import secrets
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import asyncpg

import models.tables  # noqa: F401 (the arrays' types are those of the tables)
from models import dialect
from models.connection import Raced, Row
from models.dialect import Change

# The sequence that PostgreSQL gives an identity column.
_NUMBERED = (
    "SELECT nextval(s.name) FROM (SELECT pg_get_serial_sequence($1, 'id')::regclass AS name OFFSET 0)"
    " AS s, generate_series(1, $2)"
)
# A log is followed by its numbers: only a transaction that is open may hold some that are not used yet.
_IN_ORDER = {"events"}
_AHEAD = 250
_NUMBER = ("id",)


class Alone(Exception):
    """The work is to be done again by the only writer of a workspace."""

    def __init__(self, workspace: int) -> None:
        super().__init__(workspace)
        self.workspace = workspace


class Numbers:
    """Row numbers that a connection took and has not used.

    They end with it: where another server takes over, it may give the same ones again.
    """

    def __init__(self) -> None:
        self._left: dict[str, deque[int]] = defaultdict(deque)

    async def take(self, connection: asyncpg.Connection, table: str, count: int) -> list[int]:
        """Return `count` numbers that nobody has."""
        left = self._left[table]
        missing = count - len(left)
        if missing > 0:
            ahead = 0 if table in _IN_ORDER else _AHEAD
            rows = await connection.fetch(_NUMBERED, table, missing + ahead)
            left.extend(row[0] for row in rows)
        return [left.popleft() for _ in range(count)]


class _Written(NamedTuple):
    """A change, and the rows or keys of it."""

    change: Change
    workspace: int
    rows: list[Row]


class PostgresTransaction:
    """A transaction in which every statement takes arrays and is sorted by key.

    What it writes is sent when it claims, when it reads again and at its end: in one statement where
    that can be.
    `opening` is sent before all else. One that is `in_turn` waits for the others that are, and then
    for whoever holds its customers; else it fails where somebody does.
    """

    def __init__(
        self,
        connection: asyncpg.Connection,
        alone: frozenset[int],
        numbers: Numbers | None = None,
        opening: str = "",
        *,
        in_turn: bool = True,
    ) -> None:
        self._connection = connection
        self._alone = alone
        self._numbers = numbers or Numbers()
        self._opening = opening
        self._in_turn = in_turn
        self._written: list[_Written] = []

    @property
    def is_open(self) -> bool:
        """Return whether anything was sent."""
        return not self._opening

    async def enter(self, workspace: int) -> None:
        opening, self._opening = self._opening, ""
        if workspace in self._alone:
            locks = f"SELECT pg_advisory_xact_lock({workspace:d})"
        else:
            locks = f"SELECT pg_advisory_xact_lock_shared({workspace:d})"
            if self._in_turn:
                locks += f"; SELECT pg_advisory_xact_lock({-workspace:d})"
        await self._connection.execute(opening + locks)

    async def alone(self, workspace: int) -> None:
        if workspace not in self._alone:
            raise Alone(workspace)

    async def claim(
        self,
        table: str,
        columns: tuple[str, ...],
        key: str,
        workspace: int,
        rows: Sequence[Row],
    ) -> None:
        self._write(Change(table, columns, order=key, claims=True), workspace, rows)
        # What follows from a claim that was lost would make no sense.
        if rows:
            await self.flush()

    async def fetch(self, sql: str, args: Sequence[Any]) -> list[Row]:
        return await self._read(dialect.numbered(sql), *args)

    async def lookup(
        self,
        table: str,
        columns: tuple[str, ...],
        by: tuple[str, ...],
        workspace: int,
        keys: Iterable[Row],
    ) -> list[Row]:
        wanted = sorted(set(keys))
        if not wanted:
            return []
        return await self._read(
            dialect.lookup_arrays(table, columns, by), workspace, *_turned(wanted)
        )

    async def follow(
        self,
        table: str,
        columns: tuple[str, ...],
        through: tuple[str, str, str],
        workspace: int,
        keys: Iterable[Row],
    ) -> list[Row]:
        wanted = sorted(set(keys))
        if not wanted:
            return []
        sql = dialect.follow_arrays(table, columns, through, waits=self._in_turn)
        return await self._read(sql, workspace, *_turned(wanted))

    async def between(
        self,
        table: str,
        columns: tuple[str, ...],
        by: str,
        workspace: int,
        spans: Iterable[Row],
    ) -> list[Row]:
        wanted = list(dict.fromkeys(spans))
        if not wanted:
            return []
        return await self._read(
            dialect.between_arrays(table, columns, by), workspace, *_turned(wanted)
        )

    async def count(
        self, table: str, by: str, workspace: int, keys: Iterable[Row], most: int
    ) -> list[Row]:
        wanted = sorted(set(keys))
        if not wanted:
            return []
        return await self._read(dialect.count_arrays(table, by), workspace, most, *_turned(wanted))

    async def insert(
        self, table: str, columns: tuple[str, ...], workspace: int, rows: Iterable[Row]
    ) -> None:
        self._write(Change(table, columns), workspace, rows)

    async def upsert(
        self,
        table: str,
        columns: tuple[str, ...],
        key: tuple[str, ...],
        workspace: int,
        rows: Iterable[Row],
    ) -> None:
        self._write(Change(table, columns, key), workspace, rows)

    async def delete(
        self, table: str, by: tuple[str, ...], workspace: int, keys: Iterable[Row]
    ) -> None:
        wanted = sorted(set(keys))
        if wanted:
            await self.flush()
            await self._open()
            # How many rows there are decides how they are best found: it is planned each time.
            sql = await self._connection.prepare(dialect.delete_arrays(table, by))
            await sql.fetch(workspace, *_turned(wanted))

    async def new_ids(
        self,
        table: str,
        workspace: int,  # noqa: ARG002 (a sequence serves all workspaces)
        count: int,
    ) -> Sequence[int]:
        if not count:
            return []
        await self._open()
        return await self._numbers.take(self._connection, table, count)

    async def flush(self) -> None:
        """Send what was written and is not sent yet; raise Raced where a claim was lost."""
        if not self._written:
            return
        await self._open()
        written, self._written = self._written, []
        for group in _groups(written):
            sql = dialect.change_arrays(tuple(each.change for each in group))
            args = [column for each in group for column in _turned(each.rows)]
            counts = await self._connection.fetchrow(sql, group[0].workspace, *args)
            claimed = [len(each.rows) for each in group if each.change.claims]
            if claimed and claimed != list(counts or ()):
                raise Raced

    async def _open(self) -> None:
        opening, self._opening = self._opening, ""
        if opening:
            await self._connection.execute(opening)

    async def _read(self, sql: str, *args: Any) -> list[Row]:
        await self.flush()
        await self._open()
        return [tuple(row) for row in await self._connection.fetch(sql, *args)]

    def _write(self, change: Change, workspace: int, rows: Iterable[Row]) -> None:
        given = list(rows)
        if given:
            self._written.append(_Written(change, workspace, given))


class PostgresRehearsal(PostgresTransaction):
    """A transaction that is never committed: it keeps nobody out, and takes no number from anybody."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        super().__init__(connection, frozenset())
        # Far below all that sequences give, and apart from what others rehearse meanwhile.
        self._next = -secrets.randbits(62)

    async def enter(self, workspace: int) -> None:
        """Look at one moment, whoever writes."""

    async def alone(self, workspace: int) -> None:
        """Look at one moment, whoever writes."""

    async def new_ids(
        self,
        table: str,  # noqa: ARG002 (no two rows have one of these, of whatever table)
        workspace: int,  # noqa: ARG002 (nor of whatever workspace)
        count: int,
    ) -> Sequence[int]:
        self._next += count
        return range(self._next - count, self._next)

    async def undo(self) -> None:
        """Take back all that was done so far."""
        self._written.clear()
        await self._connection.execute("ROLLBACK TO rehearsal")


def _groups(written: Iterable[_Written]) -> Iterator[list[_Written]]:
    """Yield what can be written by one statement, in which nothing sees what the rest of it does."""
    group: list[_Written] = []
    for each in written:
        if any(_meet(earlier, each) for earlier in group):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _meet(one: _Written, other: _Written) -> bool:
    """Return whether two changes may be of the same row, or are not of one workspace."""
    if one.workspace != other.workspace:
        return True
    if one.change.table != other.change.table:
        return False
    claims, known = (one, other) if one.change.claims else (other, one)
    if not claims.change.claims or known.change.key != _NUMBER:
        return True
    # New rows and others that were there: a new one has a number that nobody has.
    return not _numbers_of(claims).isdisjoint(_numbers_of(known))


def _numbers_of(written: _Written) -> set[int]:
    place = written.change.columns.index(*_NUMBER)
    return {row[place] for row in written.rows}


def _turned(rows: Sequence[Row]) -> list[list[Any]]:
    """Return rows as columns."""
    return [list(column) for column in zip(*rows, strict=True)]
