"""Give back the room of what was removed, so that its bytes are nowhere in the database's files."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

from models.database import Unavailable, Unsupported, sqlite_path

Watch = Callable[[str, int, int], None]
"""What hears how far it has come: the name of the step, how much of it is done, and of how much."""

_WAIT_S = 30.0
_TABLES = (
    "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
)
# What the planner remembers of values: the most common ones, word for word.
_STATISTICS = "pg_catalog.pg_statistic"
# Of a table that became empty ANALYZE learns nothing, and what it learned before stays. A column that
# is said to be of the type it has is forgotten.
_FORGET = """
SELECT format('ALTER TABLE %I ALTER COLUMN %I TYPE %s', c.relname, a.attname,
              format_type(a.atttypid, a.atttypmod)),
       quote_ident(c.relname)
FROM pg_stats s
JOIN pg_class c ON c.relname = s.tablename AND c.relnamespace = current_schema()::regnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
WHERE s.schemaname = current_schema() AND c.relkind = 'r' AND a.attidentity = ''
  AND a.atttypid IN ('text'::regtype, 'bytea'::regtype)
"""


async def vacuum(url: str, watch: Watch, wait_s: float = _WAIT_S) -> None:
    """Write the database anew without what was removed; raise Unavailable where others are in the way."""
    path = sqlite_path(url)
    if path is not None:
        watch("Writing anew", 0, 1)
        await asyncio.to_thread(_vacuum_file, path, wait_s)
        watch("Writing anew", 1, 1)
    else:
        await _vacuum_server(url, watch)


def _vacuum_file(path: str, wait_s: float) -> None:
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=wait_s)) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            if connection.execute(
                "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat4'"
            ).fetchone():
                # Samples of what an operator's ANALYZE saw in the indexes.
                connection.execute("DELETE FROM sqlite_stat4")
            connection.execute("VACUUM")
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the file could not be written anew: {error}; try again") from error
    if busy:
        raise Unavailable(
            "the file is written anew, but a reader holds on to its log: run it again in a moment"
        )


async def _vacuum_server(url: str, watch: Watch) -> None:
    try:
        from asyncpg.exceptions import PostgresError  # noqa: PLC0415 (an extra)

        from models import database_postgres_connections as postgres  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise Unsupported(
            "PostgreSQL needs its driver: pip install 'calyx-cdp[postgres]'"
        ) from error
    connection = await postgres.connect(url, server_settings={"statement_timeout": "0"})
    try:
        tables = [row[0] for row in await connection.fetch(_TABLES)]
        steps = [f"ANALYZE {table}" for table in tables]
        steps += [
            row[0] for row in await connection.fetch(_FORGET) if await _is_empty(connection, row[1])
        ]
        # Each waits for whoever uses the table, and keeps others from it meanwhile.
        steps += [f"VACUUM (FULL) {table}" for table in (*tables, _STATISTICS)]
        for done, step in enumerate(steps):
            watch("Writing anew", done, len(steps))
            await connection.execute(step)
        watch("Writing anew", len(steps), len(steps))
    except (PostgresError, *postgres.BROKEN_OFF) as error:
        raise Unavailable(postgres.why(error)) from error
    finally:
        await connection.close()


async def _is_empty(connection: Any, table: str) -> bool:
    return await connection.fetchval(f"SELECT NOT EXISTS (SELECT 1 FROM {table})")  # type: ignore[no-any-return]  # a boolean, as SQL has it
