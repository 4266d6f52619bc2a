"""A statement being written: its text, what it binds, and the one way to a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from graphql.execution.values import VariableValues

from api.limits import GraphLimits
from ingest.explain import Explanation
from ingest.indexes import Kind
from ingest.keeper import NO_INDEXES, View
from models.dialect_read import PlaceKind, Reading
from models.values import Entity, Erased, Micros, Receipt, Workspace

Sql = str
"""The text of an expression."""

# A chain of `||` nests as deep as it is long, and SQLite stops at 1,000 for a whole statement.
_CHAIN_MAX = 90


@dataclass(frozen=True, slots=True)
class Stated:
    """What a mutation has stated: whom and what it was about, and what became of it."""

    receipt: Receipt
    customer: bytes | None = None
    account: bytes | None = None
    erased: Erased | None = None
    api_key: bytes | None = None
    trait_key: tuple[Entity, str] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """All that the values of a statement are made of: who asks, when, and with which variables."""

    variables: VariableValues
    workspace: Workspace
    api_key: bytes
    scopes: frozenset[str]
    now: Micros
    limits: GraphLimits
    message_bytes_max: int
    stated: Stated | None = None
    explained: Explanation | None = None
    indexes: View = NO_INDEXES
    requests_per_minute: int | None = None


Binder = Callable[[Asked], Any]


WishName = tuple[Kind, int]
"""A place of an operation at which an index would help: of what kind, and by which value of the plan."""

Wish = Callable[[Asked], str]
"""Return the key of the trait of which an index is wished; nothing for that of words."""


@dataclass(frozen=True, slots=True)
class Granted:
    """The indexes that may be used, and whether one can sort by them; and how many owners are few."""

    indexes: Mapping[WishName, bool] = field(default_factory=dict)
    few_max: int = 0


NOTHING_GRANTED = Granted()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A statement of one row and column: the JSON of what was asked for.

    Made for indexes, it gives no row once one of these may not be used any more.
    """

    sql: str
    binders: tuple[Binder, ...]
    wishes: Mapping[WishName, Wish] = field(default_factory=dict)

    def arguments(self, asked: Asked) -> list[Any]:
        """Return the values to bind; raise Failure for input that cannot be used."""
        return [binder(asked) for binder in self.binders]


class Draft:
    """A statement while it is being written."""

    def __init__(
        self,
        dialect: Reading,
        *,
        typed: bool = False,
        granted: Granted = NOTHING_GRANTED,
    ) -> None:
        self.dialect = dialect
        self.few_max = granted.few_max
        self._granted = granted.indexes
        self._wishes: dict[WishName, Wish] = {}
        self._used: dict[WishName, None] = {}
        # Whether objects behind an interface say their type, for an executor that reads them.
        self.typed = typed
        self._bound: list[tuple[Binder, PlaceKind]] = []
        self._aliases = 0
        self.workspace = self._bind(lambda asked: asked.workspace.id, "number")

    def bind(self, binder: Binder) -> Sql:
        """Return the place of a text that is made anew for each request."""
        return self._bind(binder, "text")

    def bind_number(self, binder: Binder) -> Sql:
        """Return the place of a whole number that is made anew for each request."""
        return self._bind(binder, "number")

    def bind_key(self, binder: Binder) -> Sql:
        """Return the place of a key that is made anew for each request."""
        return self._bind(binder, "key")

    def alias(self, letter: str) -> str:
        """Return a name that no other source of the statement has."""
        self._aliases += 1
        return f"{letter}{self._aliases}"

    def granted(self, name: WishName, wish: Wish) -> bool | None:
        """Wish for an index; return whether one can sort by it, None where it may not be used."""
        self._wishes[name] = wish
        if name in self._granted:
            self._used[name] = None
        return self._granted.get(name)

    def _while_held(self) -> Sql:
        """Return the condition that the indexes it was made for are still what they were taken for."""
        guards = []
        for name in self._used:
            kind, wish = name[0], self._wishes[name]
            number = self.bind_number(partial(_number_of, kind, wish))
            k, v = self.alias("k"), self.alias("v")
            where = [f"{k}.id = {number}", f"{k}.kind = {int(kind)}", f"{k}.state = 1"]
            where.append(f"{k}.key = {self.bind(wish)}")
            guards.append(self.exists({k: "kept_indexes"}, where))
            if self._granted[name]:
                cut = [f"{v}.index_id = {number}", f"{v}.cut = 1"]
                guards.append(f"NOT {self.exists({v: 'trait_values'}, cut)}")
        return f" WHERE {' AND '.join(guards)}" if guards else ""

    def done(self, sql: Sql) -> Compiled:
        """Return the whole statement that selects one expression, binding what it came to use."""
        sql += self._while_held()
        binders: list[Binder] = []
        places: dict[str, Sql] = {}

        def place(mark: re.Match[str]) -> Sql:
            if mark[0] not in places:
                binder, kind = self._bound[int(mark[1])]
                binders.append(binder)
                places[mark[0]] = self.dialect.place(len(binders), kind)
            return places[mark[0]]

        # First, so that it is `?1` in every statement that reads a table.
        _MARK.sub(place, self.workspace if self.workspace in sql else "")
        return Compiled(f"SELECT {_MARK.sub(place, sql)}", tuple(binders), self._wishes)

    def stored(
        self, tables: Mapping[str, str], where: Iterable[Sql], beside: Iterable[Sql] = ()
    ) -> Sql:
        """Return FROM and WHERE of these tables (by alias), each held to the caller's workspace.

        There is no other way to a table: a row of another workspace does not exist. What stands
        `beside` them is no table, such as the members of a JSON object.
        """
        sources = [f"{table} AS {alias}" for alias, table in tables.items()]
        held = [
            f"{alias}.{_TENANT.get(table, 'workspace_id')} = {self.workspace}"
            for alias, table in tables.items()
        ]
        return f"FROM {', '.join([*sources, *beside])} WHERE {' AND '.join([*held, *where])}"

    def exists(self, tables: Mapping[str, str], where: Iterable[Sql]) -> Sql:
        """Return whether there is such a row."""
        return f"EXISTS (SELECT 1 {self.stored(tables, where)})"

    def among(self, column: Sql, what: Sql, tables: Mapping[str, str], where: Iterable[Sql]) -> Sql:
        """Return whether a column is one of what such rows hold, which are found but once."""
        return f"{column} IN (SELECT {what} {self.stored(tables, where)})"

    def one(
        self, what: Sql, tables: Mapping[str, str], where: Iterable[Sql], order: Sql = ""
    ) -> Sql:
        """Return an expression of the one such row; null when there is none."""
        tail = f" ORDER BY {order} LIMIT 1" if order else ""
        return f"(SELECT {what} {self.stored(tables, where)}{tail})"

    def _bind(self, binder: Binder, kind: PlaceKind) -> Sql:
        # A mark, because only what ends up in the statement may be bound with it.
        self._bound.append((binder, kind))
        return f"@{len(self._bound) - 1}@"


def _number_of(kind: Kind, wish: Wish, asked: Asked) -> int:
    return asked.indexes.numbers[kind, wish(asked)]


_MARK = re.compile(r"@([0-9]+)@")
_TENANT = {"workspaces": "id"}


@dataclass(slots=True)
class Row:
    """A row that an object is made of, as the expressions of the object see it.

    Of a page, the object sees only what the page selects: each column that is read is noted.
    """

    alias: str
    source: str
    noted: dict[str, Sql] | None = None
    prefix: str = ""
    owner: Row | None = None
    entity: int = 0
    # What the row has beside its columns, by the name by which it is read.
    made: Mapping[str, Sql] | None = None

    def column(self, name: str) -> Sql:
        """Return the expression of a column of the row."""
        if self.made is not None and name in self.made:
            return self.note(name, self.made[name])
        if self.noted is None:
            return f"{self.alias}.{name}"
        return self.note(name, f"{self.source}.{name}")

    def note(self, name: str, sql: Sql) -> Sql:
        """Return the expression of something that is computed along with the page's rows."""
        if self.noted is None:
            return sql
        shown = self.prefix + name
        self.noted[shown] = sql
        return f"{self.alias}.{shown}"


@dataclass(slots=True)
class Text:
    """JSON text being put together of constants and expressions."""

    _parts: list[tuple[bool, str]] = field(default_factory=list)

    def constant(self, text: str) -> Text:
        """Add text as it is."""
        if self._parts and not self._parts[-1][0]:
            self._parts[-1] = (False, self._parts[-1][1] + text)
        else:
            self._parts.append((False, text))
        return self

    def sql(self, sql: Sql) -> Text:
        """Add the text that an expression gives: an operand of `||` that is never null."""
        self._parts.append((True, sql))
        return self

    def add(self, piece: Sql | Text) -> Text:
        """Add the text of an expression, or all parts of another text."""
        if isinstance(piece, str):
            return self.sql(piece)
        for is_sql, part in piece._parts:  # noqa: SLF001 (of its own class)
            if is_sql:
                self.sql(part)
            else:
                self.constant(part)
        return self

    def parted(self) -> tuple[Text, Text, Text]:
        """Return the constants it begins with, what varies, and the constants it ends with."""
        varying = [at for at, (is_sql, _) in enumerate(self._parts) if is_sql] or [0]
        first, last = varying[0], varying[-1] + 1
        return Text(self._parts[:first]), Text(self._parts[first:last]), Text(self._parts[last:])

    def done(self) -> Sql:
        """Return the expression of the whole text."""
        terms = [sql if is_sql else _literal(sql) for is_sql, sql in self._parts] or ["''"]
        while len(terms) > _CHAIN_MAX:
            chains = (terms[at : at + _CHAIN_MAX] for at in range(0, len(terms), _CHAIN_MAX))
            terms = [f"({' || '.join(chain)})" for chain in chains]
        return " || ".join(terms)


def _literal(text: str) -> Sql:
    return "'" + text.replace("'", "''") + "'"
