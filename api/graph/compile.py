"""Plan to ONE statement, which builds the JSON text of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from graphql import GraphQLSchema, is_object_type

from api.graph.columns import Render
from api.graph.failures import Code, Failure
from api.graph.plan import Field, Plan
from api.graph.statement import NOTHING_GRANTED, Compiled, Draft, Granted, Row, Sql, Text
from models.dialect_read import Reading

Renders = Mapping[tuple[str, str], Render]
"""How each field is read, by type and name."""


def renders(schema: GraphQLSchema) -> Renders:
    """Return how each field is read, as its declaration in the schema says."""
    found: dict[tuple[str, str], Render] = {}
    for kind in schema.type_map.values():
        if not is_object_type(kind):
            continue
        for name, definition in kind.fields.items():
            declared = definition.extensions.get("strawberry-definition")
            render = declared.metadata.get("sql") if declared is not None else None
            if render is not None:
                found[kind.name, name] = render
    return found


def compile_plan(
    plan: Plan, renders: Renders, dialect: Reading, granted: Granted = NOTHING_GRANTED
) -> Compiled:
    """Return the statement that answers a whole operation."""
    draft = Draft(dialect, granted=granted)
    root = Row("", "")
    return _done(draft, Compile(draft, renders).members(root, plan.root, plan.fields))


def compile_field(
    field: Field,
    parent: str,
    renders: Renders,
    dialect: Reading,
    granted: Granted = NOTHING_GRANTED,
) -> Compiled:
    """Return the statement that answers one field, for an executor that reads what it gives."""
    draft = Draft(dialect, typed=True, granted=granted)
    text = Text().add(Compile(draft, renders).render(parent, Row("", ""), field))
    return _done(draft, text.done())


def _done(draft: Draft, sql: Sql) -> Compiled:
    compiled = draft.done(sql)
    if not draft.dialect.fits(compiled.sql):
        raise Failure(
            Code.DEPTH_LIMIT,
            "the operation nests more than the database can read in one statement:"
            " nest fewer lists or conditions within each other, or ask in several requests",
        )
    return compiled


class Compile:
    """What the declarations of fields are given to write their part of a statement with."""

    def __init__(self, draft: Draft, renders: Renders) -> None:
        self.draft = draft
        self.dialect = draft.dialect
        self.renders = renders

    def render(self, kind: str, row: Row, field: Field) -> Sql | Text:
        """Return the JSON text of one field of an object."""
        return self.renders[kind, field.name](self, row, field)

    def object(self, row: Row, kind: str, field: Field, *, typed: bool = False) -> Sql:
        """Return the JSON text of the object that a field is, made of a row."""
        return self.members(row, kind, (field.selection or {})[kind], typed=typed)

    def members(self, row: Row, kind: str, fields: Iterable[Field], *, typed: bool = False) -> Sql:
        """Return the JSON text of an object with these fields."""
        text = Text().constant("{")
        separator = ""
        if typed and self.draft.typed:
            text.constant(f'"":"{kind}"')
            separator = ","
        for field in fields:
            text.constant(f'{separator}"{field.key}":')
            separator = ","
            if field.name == "__typename":
                text.constant(f'"{kind}"')
            else:
                text.add(self.render(kind, row, field))
        return text.constant("}").done()

    def one(
        self, field: Field, kind: str, row: Row, tables: Mapping[str, str], where: Iterable[Sql]
    ) -> Sql:
        """Return the JSON text of an object made of the one such row, or null."""
        found = self.draft.one(self.object(row, kind, field), tables, where)
        return f"coalesce({found}, 'null')"

    def plain_list(
        self, field: Field, row: Row, rows: str, order: Sql, limit: int | None = None
    ) -> Sql:
        """Return the JSON text of a list of objects, made of rows that one row bounds.

        `rows` is FROM and WHERE; `row` notes what of them is read.
        """
        text = self.object(row, field.type, field)
        columns = (
            ", ".join(f"{sql} AS {name}" for name, sql in (row.noted or {}).items()) or "1 AS one"
        )
        tail = "" if limit is None else f" LIMIT {limit}"
        inner = f"SELECT {columns} {rows} ORDER BY {order}{tail}"
        return f"'[' || (SELECT {self.dialect.joined(text)} FROM ({inner}) AS {row.alias}) || ']'"
