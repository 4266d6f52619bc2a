"""A connection whose N-th call fails: before it has any effect, or after, when only its answer is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import asyncpg

from models.database import Database
from models.database_postgres import PostgresDatabase
from models.database_sqlite import SqliteDatabase

_CALLS = {"execute", "executemany", "fetch", "fetchval", "fetchrow"}


class When(Enum):
    """On which side of its effect a call fails."""

    BEFORE = "before"
    AFTER = "after"
    TWICE = "twice"
    """Before, and the call that follows too: what clears up after a fault meets another."""


@dataclass
class Faults:
    """Counts calls once it is armed, and fails one of them."""

    at: int
    when: When
    armed: bool = False
    calls: int = 0
    fired: int = 0

    def before(self) -> bool:
        """Count a call; return whether it fails before its effect."""
        self.calls += self.armed
        due = {self.at, self.at + 1} if self.when is When.TWICE else {self.at}
        fails = self.armed and self.calls in due and self.when is not When.AFTER
        self.fired += fails
        return fails

    def after(self) -> bool:
        """Return whether the call that was just counted fails after its effect."""
        fails = self.armed and self.calls == self.at and self.when is When.AFTER
        self.fired += fails
        return fails


class _File:
    """A connection to SQLite, as its driver makes it, but for the faults."""

    def __init__(self, inner: sqlite3.Connection, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._faulty(found) if name in _CALLS else found

    def _faulty(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any) -> Any:
            if self._faults.before():
                raise sqlite3.OperationalError("disk I/O error")
            done = call(*args)
            if self._faults.after():
                raise sqlite3.OperationalError("disk I/O error")
            return done

        return called


class _Wire:
    """A connection to PostgreSQL, as its driver makes it, but for the faults, which end it."""

    def __init__(self, inner: asyncpg.Connection, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._faulty(found) if name in _CALLS else found

    def _faulty(self, call: Callable[..., Any]) -> Callable[..., Any]:
        async def called(*args: Any, **given: Any) -> Any:
            if self._faults.before():
                self._end()
            done = await call(*args, **given)
            if self._faults.after():
                self._end()
            return done

        return called

    def _end(self) -> None:
        self._inner.terminate()
        raise asyncpg.exceptions.ConnectionDoesNotExistError("connection was closed")


def plant_faults(database: Database, faults: Faults) -> None:
    """Let the calls of the connection that writes count, and one of them fail."""
    match database:
        case SqliteDatabase():
            given: Any = _File(database._open_connection(), faults)
            database._connection = given
        case PostgresDatabase():
            connect = database._connection

            async def connection() -> Any:
                return _Wire(await connect(), faults)

            put: Any = database
            put._connection = connection
        case _:
            raise TypeError(database)
