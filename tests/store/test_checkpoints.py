"""Pages are moved into the file of SQLite beside the commits, and its log does not grow for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from models import database_sqlite_checkpoints as checkpoints
from models.database import Database
from tests.databases import SqliteTemplate, file_of, opened

COMMITS = 1_200
PAGES_MAX = 200
PAGE_BYTES = 4_096
SPOILT = "rows are put straight into a table, and the log knows nothing of them"


def size_of(path: Path) -> int:
    """Return how many bytes a file has."""
    return path.stat().st_size


async def commit(database: Database, number: int) -> None:
    """Commit a few pages."""
    sql = (
        "INSERT INTO audiences (workspace_id, id, entity, key, folded) VALUES (1, ?1, 0, ?2, '')"
        " ON CONFLICT DO NOTHING"
    )
    row = (number, f"{number * 7919 % 10_007} {'x' * 900}")
    await database.write(lambda tx: tx.fetch(sql, row))


async def test_the_log_is_begun_anew_under_a_load_that_never_ends(
    sqlite_template: SqliteTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "ROWS_BETWEEN", 20)
    monkeypatch.setattr(checkpoints, "FRAMES_MAX", PAGES_MAX)
    url = sqlite_template.copy()
    log = Path(f"{file_of(url)}-wal")
    async with opened(url) as database:
        before = size_of(file_of(url))
        for number in range(COMMITS):
            await commit(database, number)
        longest = size_of(log)
        # Without a checkpoint it has some ten pages for each commit.
        assert longest < COMMITS * 2 * PAGE_BYTES
        assert size_of(file_of(url)) > before


async def test_a_reader_that_stays_keeps_the_log_and_loses_nothing(
    sqlite_template: SqliteTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "ROWS_BETWEEN", 5)
    monkeypatch.setattr(checkpoints, "FRAMES_MAX", 10)
    url = sqlite_template.copy()
    async with opened(url) as database, opened(url) as other:
        slow = asyncio.ensure_future(
            other.read(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000)"
                " SELECT (SELECT count(*) FROM audiences WHERE workspace_id = ?1), max(i) FROM n",
                (1,),
            )
        )
        for number in range(100):
            await commit(database, number)
        await slow
        rows = await other.read("SELECT count(*) FROM audiences WHERE workspace_id = ?1", (1,))
        assert rows == [(100,)]
