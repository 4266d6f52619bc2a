"""What a database offers, whichever it is: one transaction at a time that writes, and reads."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Row = tuple[Any, ...]
T = TypeVar("T")

READ_TIMEOUT_S = 5.0
READERS = 3


class Unavailable(Exception):
    """The database cannot serve now: locked, full or gone. Nothing was written; trying again may help."""


class TimedOut(Exception):
    """A statement took longer than it may."""


class Unsupported(Exception):
    """A database URL that names no database Calyx runs on; the message says what to do."""


class Raced(Exception):
    """Another transaction was first; the same work is done again and finds what that one left."""


class Transaction(Protocol):
    """What the store may do inside one transaction. Each call names the workspace."""

    async def enter(self, workspace: int) -> None:
        """Begin to write in a workspace; others may write there too."""
        ...

    async def alone(self, workspace: int) -> None:
        """Be the only one that writes in a workspace, from the beginning of the transaction."""
        ...

    async def fetch(self, sql: str, args: Sequence[Any]) -> list[Row]:
        """Return the rows of one statement."""
        ...

    async def lookup(
        self,
        table: str,
        columns: tuple[str, ...],
        by: tuple[str, ...],
        workspace: int,
        keys: Iterable[Row],
    ) -> list[Row]:
        """Return the rows whose `by` columns equal one of `keys`, locked until the end."""
        ...

    async def follow(
        self,
        table: str,
        columns: tuple[str, ...],
        through: tuple[str, str, str],
        workspace: int,
        keys: Iterable[Row],
    ) -> list[Row] | None:
        """Return the rows whose `id` stands in rows of another table, locked until the end.

        `through` is that table, the column that equals one of `keys`, and the one with the number.
        What a lock of these rows protects may be read once this returns. None is the answer where
        nobody else can write: then there is nothing to lock.
        """
        ...

    async def between(
        self,
        table: str,
        columns: tuple[str, ...],
        by: str,
        workspace: int,
        spans: Iterable[Row],
    ) -> list[Row]:
        """Return the rows of which `by` lies in one of these spans, both ends included."""
        ...

    async def count(
        self, table: str, by: str, workspace: int, keys: Iterable[Row], most: int
    ) -> list[Row]:
        """Return each key with how many rows have it in column `by`, counted up to `most`."""
        ...

    async def claim(
        self,
        table: str,
        columns: tuple[str, ...],
        key: str,
        workspace: int,
        rows: Sequence[Row],
    ) -> None:
        """Insert rows that a look-up did not find; raise Raced when somebody just did."""
        ...

    async def insert(
        self, table: str, columns: tuple[str, ...], workspace: int, rows: Iterable[Row]
    ) -> None:
        """Insert rows; those that are there already stay as they are."""
        ...

    async def upsert(
        self,
        table: str,
        columns: tuple[str, ...],
        key: tuple[str, ...],
        workspace: int,
        rows: Iterable[Row],
    ) -> None:
        """Insert rows; those whose `key` is there already are replaced."""
        ...

    async def delete(
        self, table: str, by: tuple[str, ...], workspace: int, keys: Iterable[Row]
    ) -> None:
        """Delete the rows whose `by` columns equal one of `keys`."""
        ...

    async def new_ids(self, table: str, workspace: int, count: int) -> Sequence[int]:
        """Return row numbers that nobody has."""
        ...


class Rehearsal(Transaction, Protocol):
    """A transaction that is never committed, and can begin anew."""

    async def undo(self) -> None:
        """Take back all that was done so far."""
        ...


Work = Callable[[Transaction], Coroutine[Any, Any, T]]
Trial = Callable[[Rehearsal], Coroutine[Any, Any, T]]


@dataclass(frozen=True, slots=True)
class First:
    """What can be written before others are kept out of a workspace, and is then held to what they did."""

    workspace: int
    work: Work[None]


@dataclass(frozen=True, slots=True)
class Readers:
    """The connections that read: how many there may be, and how many are busy."""

    size: int
    busy: int


class Queries(Protocol):
    """What queries read from."""

    @property
    def url(self) -> str:
        """Return what was opened."""
        ...

    @property
    def collation(self) -> str | None:
        """Return by which collation PostgreSQL folds case; None where Calyx does it."""
        ...

    @property
    def readers(self) -> Readers:
        """Return what of its connections are busy."""
        ...

    async def read(
        self, sql: str, args: Sequence[Any] = (), timeout_s: float = READ_TIMEOUT_S
    ) -> list[Row]:
        """Return the rows of one statement, as committed; raise TimedOut or Unavailable."""
        ...


class Follower(Queries, Protocol):
    """What follows a database, and answers for it as long as it keeps up."""

    @property
    def behind_s(self) -> float | None:
        """Return by how many seconds it is behind; None when that cannot be told."""
        ...

    @property
    def keeps_up(self) -> bool:
        """Return whether it answers itself; else the database does that it follows."""
        ...


class Database(Queries, Protocol):
    """A database that is open."""

    async def write(self, work: Work[T], first: First | None = None) -> T:
        """Do `work` in one transaction and return once it is durable; raise Unavailable if it is not.

        Where others can write meanwhile, `first` is done before, and `work` alone; else it is left out.
        """
        ...

    async def rehearse(self, trial: Trial[T], seconds: float) -> T:
        """Return what `trial` finds out; nothing it does is kept. Raise TimedOut or Unavailable."""
        ...

    async def about(self) -> dict[str, str]:
        """Return engine, version and what of its set-up matters for durability."""
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of the connections."""
        ...
