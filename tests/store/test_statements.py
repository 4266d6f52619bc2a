"""Every table access of every statement names the workspace, as a bound value of its own."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from ingest import indexing
from ingest.indexes import Kind
from ingest.message import Door, parse_one
from ingest.store import Item, save
from models.database import Transaction
from models.database_postgres_transaction import Alone, PostgresTransaction
from models.database_sqlite import KEYS_MAX, SqliteTransaction, drive
from tests.databases import DEFAULT, PostgresTemplate, SqliteTemplate, file_of, read
from tests.laws.histories import random_history
from tests.laws.test_law import cut
from tests.statements import unbound_accesses


@dataclass
class Recorder:
    """A connection that remembers what is sent through it."""

    connection: Any
    sent: set[str] = field(default_factory=set)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.connection, name)

        def recorded(sql: str, *rest: Any) -> Any:
            self.sent.add(sql)
            return call(sql, *rest)

        return recorded


def batches() -> list[list[Item]]:
    """Return histories in which everything happens: joins, splits, erasures, late toggles."""
    rng = random.Random(7)
    histories = [cut(rng, random_history(rng, 30)) for _ in range(25)]
    return [
        [Item(read(one), asked=True) for one in batch] for history in histories for batch in history
    ]


async def keep_indexes(tx: Transaction) -> None:
    """Declare indexes, build them and give one up."""
    for kind, key in ((Kind.WORDS, ""), (Kind.CUSTOMER_TRAIT, "plan"), (Kind.ACCOUNT_TRAIT, "x")):
        await indexing.declare(tx, DEFAULT, kind, key, hot=kind is Kind.WORDS, now=0)
        await indexing.declare(tx, DEFAULT, kind, key, hot=False, now=0)
    await indexing.give_up(tx, DEFAULT, Kind.ACCOUNT_TRAIT, "x")
    for each in await indexing.listed(tx, DEFAULT):
        while await indexing.build(tx, DEFAULT, each.id):
            pass


def test_what_the_store_sends_to_a_file_names_the_workspace(
    sqlite_template: SqliteTemplate,
) -> None:
    connection = sqlite3.connect(file_of(sqlite_template.copy()), isolation_level=None)
    recorder: Any = Recorder(connection)
    drive(keep_indexes(SqliteTransaction(recorder)))
    for batch in batches():
        work: Coroutine[Any, Any, Any] = save(SqliteTransaction(recorder), DEFAULT, batch)
        drive(work)
    connection.close()
    assert len(recorder.sent) > 60
    open_ = {access for sql in recorder.sent for access in unbound_accesses(sql, "sqlite")}
    assert open_ == set()


def test_what_the_store_sends_to_a_server_names_the_workspace(
    postgres_template: PostgresTemplate,
) -> None:
    url = postgres_template.copy()

    async def save_all() -> set[str]:
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        recorder: Any = Recorder(connection)

        async def save_one(alone: frozenset[int], batch: list[Item]) -> None:
            async with connection.transaction():
                tx = PostgresTransaction(recorder, alone)
                await save(tx, DEFAULT, batch)
                await tx.flush()

        async with connection.transaction():
            tx = PostgresTransaction(recorder, frozenset({1}))
            await keep_indexes(tx)
            await tx.flush()
        for batch in batches():
            try:
                await save_one(frozenset(), batch)
            except Alone:
                await save_one(frozenset({1}), batch)
        await connection.close()
        return set(recorder.sent)

    sent = asyncio.run(save_all())
    assert len(sent) > 60
    open_ = {access for sql in sent for access in unbound_accesses(sql, "postgres")}
    assert open_ == set()


def test_what_became_of_many_messages_is_asked_in_as_many_statements_as_of_one(
    sqlite_template: SqliteTemplate,
) -> None:
    connection = sqlite3.connect(file_of(sqlite_template.copy()), isolation_level=None)
    counts = []
    for size in (2, 200):
        said = [{"type": "track", "userId": "u", "messageId": f"{size}-{at}"} for at in range(size)]
        batch = [Item(parse_one(one, Door.SEGMENT, 1), asked=True) for one in said]
        sent: list[str] = []
        connection.set_trace_callback(sent.append)
        receipts = drive(save(SqliteTransaction(connection), DEFAULT, batch))
        assert [receipt.outcome for receipt in receipts if receipt] == ["APPLIED"] * size
        counts.append(len([sql for sql in sent if sql.startswith("SELECT")]))
    connection.close()
    # The first batch also makes the customer; a look-up of many keys goes in parts.
    assert counts[1] <= counts[0] + 200 // KEYS_MAX


def test_a_predicate_by_join_is_none() -> None:
    sql = (
        "SELECT 1 FROM customers c JOIN memberships m ON m.workspace_id = c.workspace_id"
        " WHERE c.workspace_id = ?1"
    )
    assert list(unbound_accesses(sql, "sqlite")) == ["memberships AS m"]


def test_an_insert_without_the_workspace_is_found() -> None:
    sql = "INSERT INTO events (id, body) VALUES (?1, ?2)"
    assert len(list(unbound_accesses(sql, "sqlite"))) == 1
