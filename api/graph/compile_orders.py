"""What lists are sorted by, and where in that order a cursor stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.graph import page
from api.graph.compile_values import ALWAYS, NEVER, text_of
from api.graph.enums import Direction
from api.graph.failures import bad_input
from api.graph.page import BadCursor, Kind, Part
from api.graph.plan import Group, Leaf, Value
from api.graph.statement import Asked, Binder, Draft, Row, Sql


@dataclass(frozen=True, slots=True)
class Term:
    """One sort key: what rows are compared by, and what a cursor keeps of it."""

    sql: Sql
    part: Part
    descending: bool
    name: str
    # Of a trait: what a cursor keeps, and whose trait it is.
    kept: Sql | None = None
    key: Binder | None = None
    trait: Leaf | None = None
    # Of a long text: what an index has of it, and sorts by.
    begun: Sql | None = None
    # What ORDER BY says in place of it.
    said: Sql | None = None


def number(alias: str, column: str, *, descending: bool = True, nullable: bool = False) -> Term:
    """Sort by a column of numbers."""
    return Term(f"{alias}.{column}", Part(Kind.NUMBER, nullable), descending, column)


def text(alias: str, column: str, *, descending: bool = False, nullable: bool = False) -> Term:
    """Sort by a column of text, by bytes."""
    return Term(f"{alias}.{column}", Part(Kind.TEXT, nullable), descending, column)


def key(alias: str, *, descending: bool) -> Term:
    """Break ties by the key from which a global id is made."""
    return Term(f"{alias}.key", Part(Kind.KEY), descending, "key")


def trait(draft: Draft, alias: str, leaf: Leaf, *, descending: bool) -> Term:
    """Sort by a trait of the row at `alias`."""
    dialect, j, traits = draft.dialect, draft.alias("j"), f"{alias}.traits"
    binder = text_of(leaf)
    source = f"FROM {dialect.members(traits, j)} WHERE {j}.key = {draft.bind(binder)}"
    return Term(
        sql=f"(SELECT {dialect.member_sort(j)} {source})",
        part=Part(Kind.VALUE, nullable=True),
        descending=descending,
        name="trait",
        kept=f"coalesce((SELECT {dialect.member_cursor(traits, j)} {source}), 'null')",
        key=binder,
        trait=leaf,
    )


CUSTOMER_COLUMNS = {
    "LAST_SEEN_AT": ("last_seen_at", Part(Kind.NUMBER)),
    "FIRST_SEEN_AT": ("first_seen_at", Part(Kind.NUMBER)),
    "SIGNED_UP_AT": ("signed_up_at", Part(Kind.NUMBER, nullable=True)),
    "NAME": ("name", Part(Kind.TEXT, nullable=True)),
    "EMAIL": ("email", Part(Kind.TEXT, nullable=True)),
    "USER_ID": ("user_id", Part(Kind.TEXT, nullable=True)),
}

ACCOUNT_COLUMNS = {
    "LAST_SEEN_AT": ("last_seen_at", Part(Kind.NUMBER)),
    "FIRST_SEEN_AT": ("first_seen_at", Part(Kind.NUMBER)),
    "CREATED_AT": ("created_at", Part(Kind.NUMBER)),
    "NAME": ("name", Part(Kind.TEXT, nullable=True)),
    "GROUP_ID": ("group_id", Part(Kind.TEXT)),
}

MEMBER_COLUMNS = {
    "JOINED_AT": ("joined_at", Part(Kind.NUMBER)),
    "ROLE": ("role", Part(Kind.TEXT, nullable=True)),
}

Columns = Mapping[str, tuple[str, Part]]


def asked_order(
    draft: Draft, node: str, given: Value, columns: Sequence[tuple[str, Columns]]
) -> list[Term]:
    """Return the sort keys of an `orderBy`; raise Failure where one is not one of field and trait.

    `columns` says at which aliases the columns of the enum's values are; a trait is the node's.
    """
    terms = []
    for each in given if isinstance(given, list) else ():
        if not isinstance(each, Group):
            raise bad_input("an order must not be null: leave it out")
        field, trait_key = each.fields.get("field"), each.fields.get("trait")
        if (field is None) == (trait_key is None):
            raise bad_input("an order has exactly one of `field` and `trait`")
        direction = each.fields.get("direction")
        descending = not isinstance(direction, Leaf) or direction.known() is Direction.DESC
        if isinstance(trait_key, Leaf):
            terms.append(trait(draft, node, trait_key, descending=descending))
        elif isinstance(field, Leaf):
            terms.append(_column(draft, columns, field.known().name, descending=descending))
    return terms


def _column(
    draft: Draft, columns: Sequence[tuple[str, Columns]], name: str, *, descending: bool
) -> Term:
    for alias, known in columns:
        if name in known:
            column, part = known[name]
            sql = f"{alias}.{column}"
            begun = draft.dialect.beginning(sql) if _is_long(known, name) else sql
            return Term(sql, part, descending, column, begun=None if begun == sql else begun)
    raise AssertionError(f"no column for {name}")


def _is_long(columns: Columns, name: str) -> bool:
    return (columns, name) in ((CUSTOMER_COLUMNS, "EMAIL"), (ACCOUNT_COLUMNS, "NAME"))


def order_by(terms: Iterable[Term], *, backward: bool) -> Sql:
    """Return ORDER BY: what has no value comes last in either direction."""
    rendered = []
    for term in terms:
        descending = term.descending != backward
        nulls = (" NULLS FIRST" if backward else " NULLS LAST") if term.part.nullable else ""
        how = f"{'DESC' if descending else 'ASC'}{nulls}"
        # The order of beginnings is that of the whole, so it changes nothing but lets an index help.
        rendered += [
            f"{sql} {how}" for sql in (term.begun, term.said or term.sql) if sql is not None
        ]
    return f"ORDER BY {', '.join(rendered)}"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of one list: its sort keys, ties broken, and the mark of its cursors."""

    list_name: str
    terms: tuple[Term, ...]

    def _tag(self) -> Callable[[Asked], str]:
        fixed = [self.list_name]
        fixed += [f"{term.name}{'-' if term.descending else '+'}" for term in self.terms]
        keys = [term.key for term in self.terms if term.key is not None]
        if not keys:
            constant = page.tag(fixed)
            return lambda _: constant
        return lambda asked: page.tag([*fixed, *(key(asked) for key in keys)])

    def cursor(self, draft: Draft, row: Row) -> Sql:
        """Return the text of the cursor of a row of the page."""
        dialect = draft.dialect
        tag = dialect.quoted(draft.bind(self._tag()))
        values = [f"'[' || {tag}"]
        for at, term in enumerate(self.terms):
            if term.kept is not None:
                values.append(row.note(f"c{at}", term.kept))
                continue
            sql = row.note(f"k{at}", term.sql)
            match term.part.kind:
                case Kind.NUMBER:
                    values.append(dialect.printed(sql, nullable=term.part.nullable))
                case Kind.KEY:
                    values.append(f"'\"' || {dialect.hex(sql)} || '\"'")
                case _:
                    values.append(dialect.quoted(sql))
        return dialect.hex_of_text(" || ',' || ".join(f"({value})" for value in values) + " || ']'")

    def beyond(self, draft: Draft, cursor: Leaf, *, before: bool, inclusive: bool = False) -> Sql:
        """Return that a row comes after a cursor, or before it; `inclusive` of its own place."""
        places = [self._place(draft, cursor, at) for at in range(len(self.terms))]
        return beyond(draft, self.terms, places, before=before, inclusive=inclusive)

    def places(self, draft: Draft, cursor: Leaf) -> list[Sql]:
        """Return what a cursor keeps of each sort key but the first."""
        return [self._place(draft, cursor, at) for at in range(1, len(self.terms))]

    def first(self, cursor: Leaf) -> Binder:
        """Bind what a cursor keeps of the first sort key."""
        return self._part_of(cursor, 0)

    def _place(self, draft: Draft, cursor: Leaf, at: int) -> Sql:
        binder = self._part_of(cursor, at)
        match self.terms[at].part.kind:
            case Kind.NUMBER:
                return draft.bind_number(binder)
            case Kind.KEY:
                return draft.bind_key(binder)
            case _:
                return draft.bind(binder)

    def _part_of(self, cursor: Leaf, at: int) -> Binder:
        tag = self._tag()
        parts = tuple(term.part for term in self.terms)

        def bind(asked: Asked) -> Any:
            try:
                return page.read(cursor.read(asked.variables), tag(asked), parts)[at]
            except BadCursor as error:
                raise bad_input(str(error)) from None

        return bind


def beyond(
    draft: Draft, terms: Sequence[Term], places: Sequence[Sql], *, before: bool, inclusive: bool
) -> Sql:
    """Return that a row comes after these places of its sort keys, or before them."""
    first = terms[0]
    if not any(term.part.nullable for term in terms) and (
        len({term.descending for term in terms}) == 1
    ):
        operator = ("<" if first.descending != before else ">") + ("=" if inclusive else "")
        columns = ", ".join(term.sql for term in terms)
        return f"({columns}) {operator} ({', '.join(places)})"
    condition = ALWAYS if inclusive else NEVER
    for term, place in reversed(list(zip(terms, places, strict=True))):
        value = draft.dialect.sort_of(place) if term.part.kind is Kind.VALUE else place
        further = _further(term, f"({value})", before=before)
        same = draft.dialect.same(term.sql, f"({value})")
        condition = f"({further}) OR ({same} AND ({condition}))"
    if not first.part.nullable:
        # Implied by the rest, but this an index can use.
        operator = "<=" if first.descending != before else ">="
        condition = f"{first.sql} {operator} {places[0]} AND ({condition})"
    return condition


def _further(term: Term, value: Sql, *, before: bool) -> Sql:
    operator = "<" if term.descending != before else ">"
    compared = f"{term.sql} {operator} {value}"
    if not term.part.nullable:
        return compared
    # Said this way round, because a composite of PostgreSQL is NOT NULL only if each part is.
    there, given = f"NOT ({term.sql} IS NULL)", f"NOT ({value} IS NULL)"
    if before:
        return f"{compared} OR ({value} IS NULL AND {there})"
    return f"{given} AND ({term.sql} IS NULL OR {compared})"
