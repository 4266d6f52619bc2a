"""Lists as pages: edges, nodes, pageInfo and totalCount of one connection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from api.graph import page
from api.graph.compile_branches import Branches, Sorting
from api.graph.compile_orders import Order, Term, order_by
from api.graph.failures import bad_input
from api.graph.page import BadPage, Window
from api.graph.plan import Field, Leaf
from api.graph.statement import Row, Sql, Text

if TYPE_CHECKING:
    from api.graph.compile import Compile


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows of a list: where they are, which of them, and in what order."""

    kind: str
    node: str
    tables: dict[str, str]
    where: list[Sql]
    order: list[Term]
    edge: str | None = None
    entity: int = 0
    name: str = field(default="")
    # What indexes find the rows, and in whose order they can be read.
    finds: list[Sql] = field(default_factory=list)
    sorting: Sorting | None = None
    # What its rows have beside the columns of `node`.
    made: dict[str, Sql] | None = None


def connection(c: Compile, listing: Listing, asked: Field) -> Text:
    """Return the JSON of a connection; it reads rows only if something of them is asked for."""
    return _Connection(c, listing, asked).done()


class _Connection:
    def __init__(self, c: Compile, listing: Listing, asked: Field) -> None:
        self._c = c
        self._draft = c.draft
        self._listing = listing
        self._kind = asked.type
        self._fields = (asked.selection or {})[asked.type]
        self._order = Order(listing.name or asked.type, tuple(listing.order))
        self._after, self._before = _leaf(asked, "after"), _leaf(asked, "before")
        self._window = _window(asked, self._after, self._before)
        self._branches: Branches | None = None
        if listing.finds or listing.sorting:
            self._branches = Branches(
                c.draft,
                listing.tables,
                listing.where,
                listing.node,
                self._order,
                listing.finds,
                listing.sorting,
            )
        self._x = c.draft.alias("x")
        noted: dict[str, Sql] = {}
        self._row = Row(self._x, listing.node, noted, entity=listing.entity, made=listing.made)
        self._edge = Row(self._x, listing.edge or listing.node, noted, "e_", entity=listing.entity)
        self._noted = noted
        asked_of_page = {each.name for each in self._page_fields()}
        more = "hasPreviousPage" if self._window.backward else "hasNextPage"
        # One row more than asked for says that there are more.
        self._one_more = more in asked_of_page
        is_marked = bool(asked_of_page & {"startCursor", "endCursor"})
        self._numbered = self._one_more or self._window.backward or is_marked
        # What is around a page is known without its rows; told of each of them it would be told too often, or never.
        self._reads_rows = (
            self._one_more
            or is_marked
            or any(each.name in {"edges", "nodes"} for each in self._fields)
        )

    def done(self) -> Text:
        text = Text().constant("{")
        for at, each in enumerate(self._fields):
            text.constant(f'{"," if at else ""}"{each.key}":')
            match each.name:
                case "edges":
                    text.constant("[").sql(self._joined(self._edge_object(each))).constant("]")
                case "nodes":
                    node = self._c.object(self._row, each.type, each)
                    text.constant("[").sql(self._joined(node)).constant("]")
                case "pageInfo":
                    text.add(self._page_info(each))
                case "totalCount":
                    text.sql(self._count())
                case _:
                    text.constant(f'"{self._kind}"')
        text.constant("}")
        if not self._reads_rows:
            return text
        # What is the same for every row stays outside, where it nests nothing.
        before, varying, after = text.parted()
        rows = f"(SELECT {varying.done()} FROM ({self._rows()}) AS {self._x})"
        return before.sql(rows).add(after)

    def _page_fields(self) -> list[Field]:
        infos = [each for each in self._fields if each.name == "pageInfo"]
        return [each for info in infos for each in (info.selection or {})["PageInfo"]]

    def _joined(self, text: Sql) -> Sql:
        return self._draft.dialect.joined(text, self._shown() if self._one_more else None)

    def _shown(self) -> Sql:
        return f"{self._x}.nth <= {self._window.size}"

    def _edge_object(self, asked: Field) -> Sql:
        text = Text().constant("{")
        for at, each in enumerate((asked.selection or {})[asked.type]):
            text.constant(f'{"," if at else ""}"{each.key}":')
            match each.name:
                case "cursor":
                    text.constant('"').sql(self._cursor()).constant('"')
                case "node":
                    text.sql(self._c.object(self._row, each.type, each))
                case "__typename":
                    text.constant(f'"{asked.type}"')
                case _:
                    text.add(self._c.render(asked.type, self._edge, each))
        return text.constant("}").done()

    def _cursor(self) -> Sql:
        return self._order.cursor(self._draft, self._row)

    def _page_info(self, asked: Field) -> Text:
        text = Text().constant("{")
        for at, each in enumerate((asked.selection or {})["PageInfo"]):
            text.constant(f'{"," if at else ""}"{each.key}":')
            match each.name:
                case "hasNextPage":
                    text.sql(self._has_next())
                case "hasPreviousPage":
                    text.sql(self._has_previous())
                case "startCursor":
                    text.sql(self._edge_cursor(first=True))
                case "endCursor":
                    text.sql(self._edge_cursor(first=False))
                case _:
                    text.constant('"PageInfo"')
        return text.constant("}")

    def _has_next(self) -> Sql:
        beyond = self._rows_beyond(self._before, before=False)
        return _truth(beyond if self._window.backward else f"{self._more()} OR {beyond}")

    def _has_previous(self) -> Sql:
        beyond = self._rows_beyond(self._after, before=True)
        return _truth(f"{self._more()} OR {beyond}" if self._window.backward else beyond)

    def _more(self) -> Sql:
        return f"count(*) > {self._window.size}"

    def _rows_beyond(self, cursor: Leaf | None, *, before: bool) -> Sql:
        if cursor is None:
            return "1 = 0"
        if self._branches is not None:
            return self._branches.exist(cursor, before=before)
        place = self._order.beyond(self._draft, cursor, before=before, inclusive=True)
        return self._draft.exists(self._listing.tables, [*self._listing.where, place])

    def _edge_cursor(self, *, first: bool) -> Sql:
        # Rows taken from the end are numbered from there.
        if first != self._window.backward:
            text = f"max({self._cursor()}) FILTER (WHERE {self._x}.nth = 1 AND {self._shown()})"
        else:
            text = self._draft.dialect.last(self._cursor(), f"{self._x}.nth", self._shown())
        return f"coalesce('\"' || {text} || '\"', 'null')"

    def _count(self) -> Sql:
        if self._branches is not None:
            return self._branches.count()
        rows = self._draft.stored(self._listing.tables, self._listing.where)
        return f"(SELECT count(*) {rows})"

    def _rows(self) -> Sql:
        window, where = self._window, list(self._listing.where)
        columns = ", ".join(f"{sql} AS {name}" for name, sql in self._noted.items()) or "1 AS one"
        # A bound LIMIT would hide from PostgreSQL's planner how little is wanted.
        limit = window.size + (1 if self._one_more else 0)
        if self._branches is not None:
            rows = self._branches.page(columns, window, limit, self._after, self._before)
        else:
            if self._after is not None:
                where.append(f"({self._order.beyond(self._draft, self._after, before=False)})")
            if self._before is not None:
                where.append(f"({self._order.beyond(self._draft, self._before, before=True)})")
            order = order_by(self._order.terms, backward=window.backward)
            stored = self._draft.stored(self._listing.tables, where)
            rows = f"SELECT {columns} {stored} {order} LIMIT {limit}"
        if not self._numbered:
            return rows
        y = self._draft.alias("y")
        numbered = f"SELECT {y}.*, row_number() OVER () AS nth FROM ({rows}) AS {y}"
        return f"{numbered} ORDER BY nth DESC" if window.backward else numbered


def _leaf(asked: Field, name: str) -> Leaf | None:
    given = asked.given(name)
    return given if isinstance(given, Leaf) else None


def _window(asked: Field, after: Leaf | None, before: Leaf | None) -> Window:
    first, last = _leaf(asked, "first"), _leaf(asked, "last")
    try:
        return page.window(
            first.known() if first else None,
            last.known() if last else None,
            before=before is not None,
            after=after is not None,
        )
    except BadPage as error:
        raise bad_input(str(error), asked.node) from None


def _truth(condition: Sql) -> Sql:
    return f"CASE WHEN {condition} THEN 'true' ELSE 'false' END"
