"""Databases as earlier versions filled them: `python -m tests.store.recorded` records this one's.

Each revision has a file: a history, and the rows that the version of that revision made of it. It is
recorded when the revision is new, and never again, for later versions make other rows.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
from dataclasses import astuple
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData

from models.database import engine_of
from models.migrate import head
from tests.databases import SqliteTemplate, opened, save_batches
from tests.laws.histories import random_history
from tests.laws.model import Delivery

ROWS = Path(__file__).parent / "rows"
SCRIPTS = Path(__file__).parents[2] / "models" / "migrations"
SEED = 7
# Enough for joins, erasures, conflicts, late toggles and a few messages that nobody could read.
MESSAGES = 150


def config(connection: Connection | None = None) -> Config:
    """Return what alembic is told of our migrations."""
    made = Config()
    made.set_main_option("script_location", str(SCRIPTS))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def revisions() -> list[str]:
    """Return every revision, the first first."""
    walked = ScriptDirectory.from_config(config()).walk_revisions()
    return [script.revision for script in walked][::-1]


def history(revision: str) -> list[Delivery]:
    """Return what was said to the version of a revision."""
    return [Delivery(*one) for one in _read(revision)["history"]]


async def fill(url: str, revision: str) -> None:
    """Put into a database at `revision` what its version made of the history."""
    tables = _read(revision)["tables"]

    def insert(connection: Connection) -> None:
        metadata = MetaData()
        metadata.reflect(connection)
        for table in metadata.sorted_tables:
            rows = [_unpacked(row) for row in tables.get(table.name, ())]
            if rows:
                connection.execute(table.insert(), rows)

    engine = engine_of(url)
    async with engine.begin() as connection:
        await connection.run_sync(insert)
    await engine.dispose()


async def _record(template: SqliteTemplate) -> dict[str, Any]:
    said = random_history(random.Random(SEED), MESSAGES)
    url = template.copy()
    async with opened(url) as database:
        await save_batches(database, [said])

    def select(connection: Connection) -> dict[str, Any]:
        metadata = MetaData()
        metadata.reflect(connection)
        return {
            table.name: [
                _packed(dict(row)) for row in connection.execute(table.select()).mappings()
            ]
            for table in metadata.sorted_tables
            if table.name != "alembic_version"
        }

    engine = engine_of(url)
    async with engine.connect() as connection:
        tables = await connection.run_sync(select)
    await engine.dispose()
    return {"history": [list(astuple(one)) for one in said], "tables": tables}


def _read(revision: str) -> Any:
    return json.loads((ROWS / f"{revision}.json").read_text())


def _packed(row: dict[str, Any]) -> dict[str, Any]:
    # JSON has no bytes; a list of one text of digits stands for them, as no column is a list.
    return {name: [v.hex()] if isinstance(v, bytes) else v for name, v in row.items()}


def _unpacked(row: dict[str, Any]) -> dict[str, Any]:
    return {n: bytes.fromhex(v[0]) if isinstance(v, list) else v for n, v in row.items()}


def main() -> None:
    """Record the newest revision, where that was not done."""
    path = ROWS / f"{head()}.json"
    if path.exists():
        raise SystemExit(f"{path.name} is recorded: what an earlier version wrote does not change")
    with tempfile.TemporaryDirectory() as folder:
        recorded = asyncio.run(_record(SqliteTemplate.make(Path(folder))))
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(recorded, indent=0) + "\n")


if __name__ == "__main__":
    main()
