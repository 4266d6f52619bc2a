"""Which database's expressions the statements of a database need."""

from __future__ import annotations

from models.dialect_read import Reading
from models.dialect_read_postgres import PostgresReading
from models.dialect_read_sqlite import SqliteReading


def reading(collation: str | None) -> Reading:
    """Return how a database says what queries need, by the `collation` it was opened with."""
    return SqliteReading() if collation is None else PostgresReading(collation)
