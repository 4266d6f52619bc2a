"""The log alone gives the stored state, cell for cell; and what was tampered with is named."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import pytest

from ingest.rebuild import Difference, differences, state_beside
from models.database import Database, open_database
from tests.databases import DEFAULT, SqliteTemplate, file_of, save_batches, url_of
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import rearranged


async def differing(live: Database, folder: Path) -> list[Difference]:
    """Return all differences between a database and its log."""
    beside = await state_beside(live, DEFAULT, folder, lambda _: None)
    try:
        return [difference async for difference in differences(live, beside, DEFAULT)]
    finally:
        await beside.close()


@pytest.mark.parametrize("seed", range(30))
async def test_the_state_is_what_the_log_says_cell_for_cell(
    sqlite_template: SqliteTemplate, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    database = await open_database(sqlite_template.copy(), readers=1)
    await save_batches(database, rearranged(rng, random_history(rng, 40)))
    found = await differing(database, tmp_path)
    await database.close()
    assert [str(one) for one in found] == []


PLANTED = {
    "customers": (
        "key user_id email name first_name last_name phone title avatar email_folded name_folded"
        " signed_up_at first_seen_at last_seen_at traits registers"
    ),
    "accounts": (
        "key group_id group_id_folded name website industry employees plan name_folded created_at"
        " deleted_at last_deletion_at first_seen_at last_seen_at traits registers"
    ),
    "identities": (
        "key kind identifier folded customer_id seen owner link_at link_message_id link_digest"
    ),
    "links": "device owner at message_id digest",
    "aliases": "previous owner first_at at message_id digest",
    "memberships": "customer_id account_id joined_at role registers last_add_at",
    "audiences": "entity key folded",
    "flags": "entity owner_id audience_id member since origin computation_id runs",
    "intervals": "audience_id owner_id entered_at left_at",
    "events": "type name whom device account_id veil written",
}


def kept(number: int, **body: object) -> Delivery:
    """Return a message about people whom no history erases."""
    body = {"userId": "kept", "messageId": f"kept{number}", **body}
    return Delivery({**body, "timestamp": f"2026-01-0{number}"}, 1_768_000_000_000_000)


KEPT = [
    kept(1, type="alias", previousId="kept before"),
    kept(2, type="identify", anonymousId="kept device", traits={"a kept audience": True}),
    kept(
        3, type="group", groupId="kept company", traits={"name": "Kept", "a kept audience": False}
    ),
    kept(
        4,
        type="track",
        event="Account Added User",
        groupId="kept company",
        properties={"role": "x"},
    ),
    kept(5, type="identify", traits={"a kept audience": False}),
]

CELLS = [(table, column) for table, columns in PLANTED.items() for column in columns.split()]


@dataclass(frozen=True)
class Pair:
    """A file in which every column of every table says something, and what its log gives."""

    file: Path
    beside: Path


@pytest.fixture(scope="module")
def pair(sqlite_template: SqliteTemplate, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Make both once; each test plants its fault in a copy."""
    url = sqlite_template.copy()
    folder = tmp_path_factory.mktemp("beside")

    async def make() -> None:
        database = await open_database(url, readers=1)
        for seed in range(12):
            await save_batches(database, [random_history(random.Random(seed), 40)])
        await save_batches(database, [KEPT])
        beside = await state_beside(database, DEFAULT, folder, lambda _: None)
        await beside.close()
        await database.close()

    asyncio.run(make())
    return Pair(file_of(url), folder / "rebuilt.db")


@pytest.mark.parametrize(("table", "column"), CELLS)
async def test_one_planted_cell_is_found_and_named(
    pair: Pair, tmp_path: Path, table: str, column: str
) -> None:
    planted = tmp_path / "planted.db"
    shutil.copyfile(pair.file, planted)
    before = plant(planted, table, column)
    live = await open_database(url_of(planted), readers=1)
    beside = await open_database(url_of(pair.beside), readers=1)
    found = [difference async for difference in differences(live, beside, DEFAULT)]
    await live.close()
    await beside.close()
    assert found, f"{table}.{column} was {before!r} and nobody saw that it changed"
    assert any(table in one.table for one in found)


def plant(file: Path, table: str, column: str) -> object:
    """Change one cell; return what it held."""
    connection = sqlite3.connect(file)
    info = connection.execute(f"PRAGMA table_info({table})").fetchall()
    key = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
    where = " AND ".join(f'"{name}" = ?' for name in key)
    names = ", ".join(f'"{name}"' for name in key)
    # The last of them is about those who are kept; better one that says something.
    last = ", ".join(f'"{name}" DESC' for name in key)
    row = connection.execute(
        f'SELECT "{column}", {names} FROM {table} ORDER BY "{column}" IS NULL, {last} LIMIT 1'
    ).fetchone()
    kind = next(one[2] for one in info if one[1] == column)
    value = wrong(row[0], column, kind)
    connection.execute(f'UPDATE {table} SET "{column}" = ? WHERE {where}', (value, *row[1:]))
    connection.commit()
    connection.close()
    before: object = row[0]
    return before


def wrong(value: object, column: str, kind: str) -> object:
    """Return another value of the same kind."""
    match value:
        case None:
            return 1 if "INT" in kind else "planted"
        case int():
            # A kind is 0 or 1, and the database insists.
            return 1 - value if column == "kind" else value + 2
        case bytes():
            return bytes(len(value))
        case _:
            return f"{value} "
