"""The log alone gives the stored state; what was tampered with is named, and made right again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer
from sqlmodel import SQLModel

from ingest import indexing
from ingest.beside import open_beside
from ingest.compare import WHOLE_ROW
from ingest.indexes import Kind
from ingest.rebuild import Unmendable, check, rebuild
from ingest.replay import digest, dump
from models.database import Database, Transaction
from tests.databases import DEFAULT, Template, opened, save_batches
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import rearranged


@asynccontextmanager
async def both(url: str, folder: Path) -> AsyncIterator[tuple[Database, Database]]:
    """Open a database, and one beside it."""
    async with opened(url) as live, open_beside(folder) as beside:
        yield live, beside


def test_the_state_is_what_the_log_says_cell_for_cell(template: Template, tmp_path: Path) -> None:
    urls = [template.copy() for _ in range(20)]

    async def hold_to_the_log() -> None:
        async with open_beside(tmp_path) as beside:
            for seed, url in enumerate(urls):
                rng = random.Random(seed)
                async with opened(url) as live:
                    await save_batches(live, rearranged(rng, random_history(rng, 40)))
                    verdict = await check(url, beside, DEFAULT, hash_in=tmp_path)
                    assert verdict.ok, (seed, str(verdict.difference))
                    assert verdict.hash == digest(await dump(live, DEFAULT))

    asyncio.run(hold_to_the_log())


SPOILT = "a log that is not as it was written cannot be mended"

KEY = "a kept audience"

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
    "trait_values": "index_id owner_id key place folded cut",
    "words": "kind word owner_id",
    "events": "type name whom device account_id veil written",
}


def kept(number: int, **body: object) -> Delivery:
    """Return a message about people whom no history erases."""
    body = {"userId": "kept", "messageId": f"kept{number}", **body}
    return Delivery({**body, "timestamp": f"2026-01-0{number}"}, 1_768_000_000_000_000)


KEPT = [
    kept(1, type="alias", previousId="kept before"),
    kept(2, type="identify", anonymousId="kept device", traits={KEY: True}),
    kept(3, type="group", groupId="kept company", traits={"name": "Kept", KEY: False}),
    kept(
        4,
        type="track",
        event="Account Added User",
        groupId="kept company",
        properties={"role": "x"},
    ),
    kept(5, type="identify", traits={KEY: False}),
]


@pytest.fixture(scope="module")
def filled(template: Template) -> Iterator[str]:
    """Give a database in which every column of every table says something; each test leaves it right."""
    url = template.copy()

    async def fill() -> None:
        async with opened(url) as live:
            for seed in range(4):
                await save_batches(live, [random_history(random.Random(seed), 40)])
            await save_batches(live, [KEPT])
            await index(live)

    asyncio.run(fill())
    yield url
    template.drop(url)


async def index(live: Database) -> None:
    """Have an index of each kind, built."""

    async def declare(tx: Transaction) -> None:
        for kind, key in ((Kind.CUSTOMER_TRAIT, KEY), (Kind.ACCOUNT_TRAIT, KEY), (Kind.WORDS, "")):
            await indexing.declare(tx, DEFAULT, kind, key, hot=False, now=0)
        for kept in await indexing.listed(tx, DEFAULT):
            while await indexing.build(tx, DEFAULT, kept.id):
                pass

    await live.write(declare)


@pytest.mark.parametrize("table", PLANTED)
async def test_one_planted_cell_is_named_and_mended(
    filled: str, tmp_path: Path, table: str
) -> None:
    async with both(filled, tmp_path) as (live, beside):
        for column in PLANTED[table].split():
            row = await one_row(live, table, column)
            value = wrong(row[column], table, column)
            await change(live, table, row, column, value)
            found = (await rebuild(live, beside, DEFAULT))[0].difference
            assert found is not None, f"nobody saw that {column} changed"
            assert found.table.split()[0] == table, (column, str(found))
            assert found.column in {column, WHOLE_ROW}, str(found)
            if found.column == column and not isinstance(row[column], bytes | int):
                assert (found.stored, found.computed) == (value, row[column])


@pytest.mark.parametrize("table", [name for name in PLANTED if name != "events"])
async def test_rows_too_few_and_too_many_are_named_and_mended(
    filled: str, tmp_path: Path, table: str
) -> None:
    async with both(filled, tmp_path) as (live, beside):
        row = await one_row(live, table, key_of(table)[-1])
        await remove(live, table, row)
        found = (await rebuild(live, beside, DEFAULT))[0]
        assert found.difference is not None
        assert found.difference.stored in {"not there", None}, str(found.difference)
        await add(live, table, row | different(table, row))
        found = (await rebuild(live, beside, DEFAULT))[0]
        # The name of an audience in which nobody ever was means nothing.
        if table != "audiences":
            assert found.difference is not None
            assert table in found.difference.table, str(found.difference)


async def test_everything_lost_but_the_log_is_made_again(filled: str, tmp_path: Path) -> None:
    async with both(filled, tmp_path) as (live, beside):
        before = digest(await dump(live, DEFAULT))

        async def lose(tx: Transaction) -> None:
            for table in PLANTED:
                if table != "events":
                    await tx.fetch(f"DELETE FROM {table} WHERE workspace_id = ?1", (DEFAULT.id,))

        await live.write(lose)
        await rebuild(live, beside, DEFAULT)
        assert digest(await dump(live, DEFAULT)) == before


async def test_what_cannot_be_read_at_all_is_mended(filled: str, tmp_path: Path) -> None:
    async with both(filled, tmp_path) as (live, beside):

        async def scrawl(tx: Transaction) -> None:
            for table in ("customers", "accounts", "memberships"):
                sql = f"UPDATE {table} SET registers = '{{' WHERE workspace_id = ?1"
                await tx.fetch(sql, (DEFAULT.id,))

        await live.write(scrawl)
        assert len(await rebuild(live, beside, DEFAULT)) == 2


async def test_a_log_that_is_not_as_it_was_written_is_named_and_left_alone(
    database_url: str, tmp_path: Path
) -> None:
    async with both(database_url, tmp_path) as (live, beside):
        await save_batches(live, [KEPT])
        sql = "UPDATE events SET body = replace(body, 'Kept', 'Not kept') WHERE workspace_id = ?1"
        await live.write(lambda tx: tx.fetch(sql, (DEFAULT.id,)))
        found = (await check(database_url, beside, DEFAULT)).difference
        assert found is not None
        assert (found.table, found.column, found.row) == ("events", "body", {"messageId": "kept3"})
        with pytest.raises(Unmendable, match="restore it from a backup"):
            await rebuild(live, beside, DEFAULT)


async def remove(live: Database, table: str, row: dict[str, Any]) -> None:
    key = key_of(table)
    where = " AND ".join(f'"{name}" = ?{place}' for place, name in enumerate(key, 1))
    values = [row[name] for name in key]
    await live.write(lambda tx: tx.fetch(f"DELETE FROM {table} WHERE {where}", values))


async def add(live: Database, table: str, row: dict[str, Any]) -> None:
    columns = tuple(name for name in row if name != "workspace_id")
    values = tuple(row[name] for name in columns)
    await live.write(lambda tx: tx.insert(table, columns, DEFAULT.id, [values]))


def different(table: str, row: dict[str, Any]) -> dict[str, Any]:
    """Return what makes of a row another one, that nobody said."""
    changed = {name: row[name] + 1_000 for name in key_of(table)[-1:]}
    if "key" in row:
        changed["key"] = bytes(16) if isinstance(row["key"], bytes) else "nobody said so"
    return changed


async def one_row(live: Database, table: str, column: str) -> dict[str, Any]:
    """Return a row whose column says something; the last is about those who are kept."""
    names = list(SQLModel.metadata.tables[table].columns.keys())
    last = ", ".join(f'"{name}" DESC' for name in key_of(table))
    listed = ", ".join(f'"{name}"' for name in names)
    sql = (
        f'SELECT {listed} FROM {table} WHERE workspace_id = ?1 ORDER BY "{column}" IS NULL, {last}'
    )
    rows = await live.read(f"{sql} LIMIT 1", (DEFAULT.id,))
    return dict(zip(names, rows[0], strict=True))


def key_of(table: str) -> list[str]:
    return [column.name for column in SQLModel.metadata.tables[table].primary_key]


async def change(
    live: Database, table: str, row: dict[str, Any], column: str, value: object
) -> None:
    """Let one cell hold another value."""
    key = key_of(table)
    where = " AND ".join(f'"{name}" = ?{place}' for place, name in enumerate(key, 2))
    sql = f'UPDATE {table} SET "{column}" = ?1 WHERE {where}'

    async def work(tx: Transaction) -> None:
        await tx.fetch(sql, (value, *(row[name] for name in key)))

    await live.write(work)


def wrong(value: object, table: str, column: str) -> object:
    """Return another value of the same kind."""
    kind = SQLModel.metadata.tables[table].columns[column].type
    match value:
        case None:
            return 1 if isinstance(kind, Integer) else "planted"
        case int():
            # A kind is 0 or 1, and the database insists.
            return 1 - value if column == "kind" else value + 2
        case bytes():
            return bytes(len(value))
        case _:
            return f"{value} "
