"""How columns are declared, the same for all tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, SmallInteger
from sqlalchemy import Identity as Numbered
from sqlalchemy import text as text_of_sql
from sqlmodel import Field, SQLModel

from models.dialect import BIG, KEY, TEXT

# Names for what alembic and error messages would otherwise number.
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}


def big(*, primary_key: bool = False, nullable: bool = False) -> Any:
    """Declare a column of whole numbers of 64 bits."""
    return Field(sa_column=Column(BIG, primary_key=primary_key, nullable=nullable))


def row_number() -> Any:
    """Declare the column of row numbers."""
    # PostgreSQL numbers the rows; SQLite's one writer does so itself.
    return Field(sa_column=Column(BIG, Numbered(), primary_key=True))


def text(*, nullable: bool = False) -> Any:
    """Declare a column of text."""
    return Field(sa_column=Column(TEXT, nullable=nullable))


def key(*, primary_key: bool = False, nullable: bool = False) -> Any:
    """Declare a column of keys, or of other bytes."""
    return Field(sa_column=Column(KEY, primary_key=primary_key, nullable=nullable))


def small(*, primary_key: bool = False, nullable: bool = False) -> Any:
    """Declare a column of small numbers."""
    return Field(sa_column=Column(SmallInteger, primary_key=primary_key, nullable=nullable))


def where(sql: str) -> dict[str, Any]:
    """Declare that an index has only the rows of which this holds."""
    return {"sqlite_where": text_of_sql(sql), "postgresql_where": text_of_sql(sql)}
