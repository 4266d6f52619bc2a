"""How a field of the schema is read from a row: what types declare beside each field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import strawberry

from api.graph.plan import Field
from api.graph.statement import Row, Sql, Text

if TYPE_CHECKING:
    from api.graph.compile import Compile

Render = Callable[["Compile", Row, Field], Sql | Text]
"""Return the expression of a field's JSON text, which is never null."""

Resolver = TypeVar("Resolver", bound=Callable[..., object])


def sql(render: Render) -> dict[str, Any]:
    """Return the metadata that declares how a field is read."""
    return {"sql": render}


def asked(description: str, render: Render) -> Callable[[Resolver], Resolver]:
    """Declare a field with arguments: what it says, and how it is read."""
    made: Callable[[Resolver], Resolver] = strawberry.field(
        description=description, metadata=sql(render)
    )
    return made


def in_sql() -> NoReturn:
    """Stand for the body of a field with arguments: statements read it, so nobody calls it."""
    raise AssertionError("fields are read by statements, never resolved one by one")


def text(column: str) -> Render:
    """Read a column of text, which may be null."""
    return lambda c, row, _: c.dialect.quoted(row.column(column))


def moment(column: str, *, nullable: bool = False) -> Render:
    """Read a column of microseconds as a DateTime."""
    return lambda c, row, _: c.dialect.moment(row.column(column), nullable=nullable)


def number(column: str, *, nullable: bool = False) -> Render:
    """Read a column of whole numbers."""
    return lambda c, row, _: c.dialect.printed(row.column(column), nullable=nullable)


def flag(column: str) -> Render:
    """Read a column of 1 and 0."""
    return lambda _, row, __: f"CASE {row.column(column)} WHEN 1 THEN 'true' ELSE 'false' END"


def verbatim(column: str) -> Render:
    """Read a column that holds JSON text."""
    return lambda _, row, __: row.column(column)


def choice(column: str, names: Sequence[str]) -> Render:
    """Read a column of small numbers, each of which stands for an enum's value."""

    def render(_: Compile, row: Row, __: Field) -> Sql:
        cases = " ".join(f"WHEN {at} THEN '\"{name}\"'" for at, name in enumerate(names))
        return f"CASE {row.column(column)} {cases} END"

    return render


def global_id(prefix: str, column: str = "key") -> Render:
    """Read the key of a row as its global id."""
    return lambda c, row, _: f"'\"{prefix}_' || {c.dialect.hex(row.column(column))} || '\"'"
