"""Which database's expressions the statements of a database need."""

from __future__ import annotations

from models.dialect_read import Reading
from models.dialect_read_postgres import PostgresReading
from models.dialect_read_sqlite import SqliteReading


def reading(url: str) -> Reading:
    """Return how the database at `url` says what queries need."""
    return PostgresReading() if url.startswith("postgresql") else SqliteReading()
