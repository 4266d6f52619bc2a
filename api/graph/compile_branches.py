"""A page of a list of which indexes find the rows: few of them, or the first in the order of a trait.

A statement does not know beforehand how many an index finds, so it holds several selects, each of
which says whether it is run: few are all read and sorted; of many the first are met soon in
the order of the list. In the order of a trait, those that have it come first and the others after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from api.graph import compile_indexed as indexed
from api.graph import compile_orders as orders
from api.graph.compile_orders import Order, Term, order_by
from api.graph.compile_values import every
from api.graph.page import Kind as PartKind
from api.graph.page import Part, Window
from api.graph.plan import Leaf
from api.graph.statement import Asked, Binder, Draft, Sql
from ingest.places import END, place_of


@dataclass(frozen=True, slots=True)
class Sorting:
    """An index by which the rows at `node` can be read in the order of the trait that comes first."""

    node: str
    # The bound number of the index, and the alias of its rows.
    number: Sql
    value: str

    def terms(self, order: Sequence[Term]) -> list[Term]:
        """Return the sort keys of rows that have the trait."""
        first, last = order[0], order[-1]
        place = Term(f"{self.value}.place", Part(PartKind.TEXT), first.descending, "place")
        # The same as the row's own, but of the index.
        key = Term(f"{self.value}.key", last.part, last.descending, last.name)
        return [place, *order[1:-1], key]


@dataclass(frozen=True, slots=True)
class Branches:
    """The rows of a list, by the indexes that find them."""

    draft: Draft
    tables: dict[str, str]
    where: list[Sql]
    node: str
    order: Order
    finds: Sequence[Sql]
    sorting: Sorting | None

    def page(
        self, columns: Sql, window: Window, limit: int, after: Leaf | None, before: Leaf | None
    ) -> Sql:
        """Return the select of a page, in its order, with `columns` and some of its own."""
        bounds = [*self.where, *self._bounds(after, before)]
        counts = ", ".join(
            f"{indexed.how_many(self.draft, find)} AS n{at}" for at, find in enumerate(self.finds)
        )
        arms: list[Sql] = []
        for at, find in enumerate(self.finds):
            rows = self._select(columns, [*bounds, self._among(find)], window, limit, few=True)
            arms.append(self._arm(0, rows, self._is_turn(at), f"{limit}"))
        rest = self._is_turn(None)
        if self.sorting is None:
            rows = self._select(columns, bounds, window, limit)
            arms.append(self._arm(0, rows, rest, f"{limit}"))
        else:
            first, then = self._in_order(self.sorting, columns, window, limit, (after, before))
            left = f"({limit} - (SELECT count(*) FROM u{len(arms)}))"
            arms += [self._arm(0, first, rest, f"{limit}"), self._arm(1, then, rest, left)]
        # Side by side, because SQLite reads a statement only so deep.
        parts = [f"few AS MATERIALIZED (SELECT {counts})"] if counts else []
        parts += [f"u{at} AS MATERIALIZED ({arm})" for at, arm in enumerate(arms)]
        union = " UNION ALL ".join(f"SELECT * FROM u{at}" for at in range(len(arms)))
        return f"WITH {', '.join(parts)} {union} ORDER BY arm, nth_of_arm LIMIT {limit}"

    def exist(self, cursor: Leaf, *, before: bool) -> Sql:
        """Return whether there is a row at a cursor or beyond it."""
        place = self.order.beyond(self.draft, cursor, before=before, inclusive=True)
        if self.sorting is None:
            rest = self.draft.exists(self.tables, [*self.where, place])
        else:
            rest = self._exist_in_order(self.sorting, cursor, before=before)
        cases = [
            f"WHEN {indexed.how_many(self.draft, find)} <= {self.draft.few_max} THEN "
            + self.draft.exists(self.tables, [*self.where, place, self._among(find)])
            for find in self.finds
        ]
        return f"CASE {' '.join(cases)} ELSE {rest} END" if cases else f"({rest})"

    def count(self) -> Sql:
        """Return how many rows there are."""
        found = [f"{self.node}.id IN (SELECT f.id FROM ({find}) AS f)" for find in self.finds]
        return f"(SELECT count(*) {self.draft.stored(self.tables, [*self.where, *found])})"

    def _arm(self, arm: int, rows: Sql, turn: Sql, left: Sql) -> Sql:
        """Return rows with their numbers, none of which is looked for unless it is their turn."""
        numbered = (
            f"SELECT {arm} AS arm, row_number() OVER () AS nth_of_arm, y.* FROM ({rows}) AS y"
        )
        return self.draft.dialect.in_turn(numbered, turn, left)

    def _among(self, find: Sql) -> Sql:
        return indexed.among_few(self.draft, f"{self.node}.id", find)

    def _is_turn(self, turn: int | None) -> Sql:
        """Return that it is the turn of the first index that finds few, or of none."""
        few = [f"(SELECT n{at} FROM few) <= {self.draft.few_max}" for at in range(len(self.finds))]
        earlier = few if turn is None else few[:turn]
        conditions = [f"NOT ({each})" for each in earlier] + ([] if turn is None else [few[turn]])
        return every(conditions)

    def _bounds(self, after: Leaf | None, before: Leaf | None) -> list[Sql]:
        given = [(after, False), (before, True)]
        return [
            f"({self.order.beyond(self.draft, cursor, before=is_before)})"
            for cursor, is_before in given
            if cursor is not None
        ]

    def _select(
        self, columns: Sql, where: list[Sql], window: Window, limit: int, *, few: bool = False
    ) -> Sql:
        first, *rest = self.order.terms
        if few and first.trait is None:
            # No index is in this order: PostgreSQL would walk the whole list by it, to meet the few.
            first = replace(first, sql=f"coalesce({first.sql}, {first.sql})", begun=None)
        order = order_by([first, *rest], backward=window.backward)
        return f"SELECT {columns} {self.draft.stored(self.tables, where)} {order} LIMIT {limit}"

    # ------------------------------------------------------------ in the order of a trait

    def _in_order(
        self,
        sorting: Sorting,
        columns: Sql,
        window: Window,
        limit: int,
        cursors: tuple[Leaf | None, Leaf | None],
    ) -> tuple[Sql, Sql]:
        """Return the selects of those that have the trait and those that do not, as they follow."""
        having, lacking = list(self.where), list(self.where)
        for cursor, before in zip(cursors, (False, True), strict=True):
            if cursor is not None:
                has, lacks = self._beyond(sorting, cursor, before=before, inclusive=False)
                having.append(f"({has})")
                lacking.append(f"({lacks})")
        terms = sorting.terms(self.order.terms)
        rows = self.draft.stored(*self._having(sorting, having))
        order = order_by(terms, backward=window.backward)
        first = f"SELECT {columns} {rows} {order} LIMIT {limit}"
        rows = self.draft.stored(*self._lacking(sorting, lacking))
        order = order_by(self.order.terms[1:], backward=window.backward)
        then = f"SELECT {columns} {rows} {order} LIMIT {limit}"
        return (then, first) if window.backward else (first, then)

    def _exist_in_order(self, sorting: Sorting, cursor: Leaf, *, before: bool) -> Sql:
        has, lacks = self._beyond(sorting, cursor, before=before, inclusive=True)
        having = self.draft.exists(*self._having(sorting, [*self.where, f"({has})"]))
        lacking = self.draft.exists(*self._lacking(sorting, [*self.where, f"({lacks})"]))
        return f"({having} OR {lacking})"

    def _having(self, sorting: Sorting, where: list[Sql]) -> tuple[dict[str, str], list[Sql]]:
        v = sorting.value
        found = [f"{v}.index_id = {sorting.number}", f"{sorting.node}.id = {v}.owner_id"]
        return {v: "trait_values", **self.tables}, [*found, *where]

    def _lacking(self, sorting: Sorting, where: list[Sql]) -> tuple[dict[str, str], list[Sql]]:
        v = self.draft.alias("v")
        found = [f"{v}.index_id = {sorting.number}", f"{v}.owner_id = {sorting.node}.id"]
        return self.tables, [*where, f"NOT {self.draft.exists({v: 'trait_values'}, found)}"]

    def _beyond(
        self, sorting: Sorting, cursor: Leaf, *, before: bool, inclusive: bool
    ) -> tuple[Sql, Sql]:
        """Return what lies beyond a cursor, of those that have the trait and of those that do not."""
        draft, order = self.draft, self.order
        first, rest = order.first(cursor), order.places(draft, cursor)
        place = draft.bind(_place_in(first, descending=order.terms[0].descending))
        has = orders.beyond(
            draft, sorting.terms(order.terms), [place, *rest], before=before, inclusive=inclusive
        )
        further = orders.beyond(draft, order.terms[1:], rest, before=before, inclusive=inclusive)
        is_there = draft.bind_number(lambda asked: int(first(asked) is not None))
        if before:
            return has, f"{is_there} = 0 AND ({further})"
        return has, f"{is_there} = 1 OR ({further})"


def _place_in(value: Binder, *, descending: bool) -> Binder:
    """Bind where in the index a cursor's value is; what has none comes after all in either direction."""

    def bind(asked: Asked) -> str:
        json = value(asked)
        if json is None:
            return "" if descending else END
        return place_of(json).place

    return bind
