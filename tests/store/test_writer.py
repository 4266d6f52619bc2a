"""Many requests share one commit, and each hears the truth about its own messages."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ingest.accept import Busy, Committed, Door, Ingest, QueueLimits
from models.database import Database, TimedOut, is_shared, open_database
from models.values import Outcome, Receipt, Workspace
from tests.databases import DEFAULT, file_of, opened

NOW = 1_767_225_600_000_000


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def file(sqlite_url: str) -> AsyncIterator[Database]:
    opened = await open_database(sqlite_url)
    yield opened
    await opened.close()


def page(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "page", "userId": f"u{number}", "messageId": f"m{number}", **more}


async def post(ingest: Ingest, *messages: Any, workspace: Workspace = DEFAULT) -> list[Receipt]:
    body = json.dumps(list(messages)).encode()
    return await ingest.deliver(workspace, body, door=Door.SEGMENT, received_at=NOW)


async def count(database: Database) -> int:
    rows = await database.read("SELECT count(*) FROM events")
    return int(rows[0][0])


async def test_requests_that_queue_meanwhile_share_the_next_commit(database: Database) -> None:
    commits: list[Committed] = []
    ingest = Ingest(database, watch=commits.append)
    ingest.start()
    answers = await asyncio.gather(*(post(ingest, page(n)) for n in range(50)))
    await ingest.close()
    assert [receipt.outcome for (receipt,) in answers] == [Outcome.APPLIED] * 50
    assert len(commits) <= 3
    assert sum(commit.messages for commit in commits) == await count(database) == 50


async def test_a_commit_has_as_much_as_it_may_and_less_where_others_write(
    database: Database,
) -> None:
    commits: list[Committed] = []
    ingest = Ingest(database, watch=commits.append)
    pages = (map(page, range(start, start + 100)) for start in range(0, 2_200, 100))
    waiting = [asyncio.create_task(post(ingest, *some)) for some in pages]
    await asyncio.sleep(0)
    ingest.start()
    await asyncio.gather(*waiting)
    await ingest.close()
    shared = [500] * 4 + [200]
    told = shared if is_shared(database.url) else [2_000, 200]
    assert [commit.messages for commit in commits] == told


async def test_what_was_answered_is_there_for_another_connection(
    database: Database, database_url: str
) -> None:
    ingest = Ingest(database)
    ingest.start()
    await post(ingest, page(1))
    async with opened(database_url) as other:
        assert await other.read("SELECT message_id FROM events") == [("m1",)]
    await ingest.close()


async def test_a_commit_survives_the_loss_of_power(file: Database) -> None:
    about = await file.about()
    assert (about["journal"], about["synchronous"]) == ("WAL", "FULL")


async def test_the_same_message_twice_is_stored_once_and_answered_duplicate(
    database: Database,
) -> None:
    ingest = Ingest(database)
    ingest.start()
    (first, twin), (again,) = await post(ingest, page(1), page(1)), await post(ingest, page(1))
    await ingest.close()
    assert [first.outcome, twin.outcome, again.outcome] == ["APPLIED", "DUPLICATE", "DUPLICATE"]
    assert await count(database) == 1


async def test_a_full_queue_is_busy_at_once_and_loses_nothing_it_took(database: Database) -> None:
    ingest = Ingest(database, queue=QueueLimits(messages_max=3))
    waiting = [asyncio.create_task(post(ingest, page(n))) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match="3 messages already wait") as refused:
        await post(ingest, page(9))
    assert refused.value.retry_after_s >= 1
    ingest.start()
    await asyncio.gather(*waiting)
    await ingest.close()
    assert await count(database) == 3


async def test_closing_commits_what_is_queued_and_takes_no_more(database: Database) -> None:
    ingest = Ingest(database)
    waiting = [asyncio.create_task(post(ingest, page(n))) for n in range(20)]
    await asyncio.sleep(0)
    ingest.start()
    await ingest.close()
    assert len(await asyncio.gather(*waiting)) == 20
    with pytest.raises(Busy, match="stopping"):
        await post(ingest, page(99))


async def test_a_locked_database_is_busy_and_serves_again_without_restart(
    file: Database, sqlite_url: str
) -> None:
    ingest = Ingest(file)
    ingest.start()
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Busy, match="locked"):
        await post(ingest, page(1))
    other.execute("COMMIT")
    other.close()
    (receipt,) = await post(ingest, page(1))
    await ingest.close()
    assert receipt.outcome is Outcome.APPLIED


async def test_a_full_disk_is_busy_and_serves_again_without_restart(file: Database) -> None:
    ingest = Ingest(file)
    ingest.start()
    await post(ingest, page(1))

    async def limit(pages: int) -> None:
        async def work(tx: Any) -> None:
            used = (await tx.fetch("PRAGMA page_count", ()))[0][0]
            await tx.fetch(f"PRAGMA max_page_count = {used + pages}", ())

        await file.write(work)

    await limit(0)
    with pytest.raises(Busy, match="disk is full"):
        await post(ingest, *(page(n, properties={"x": "y" * 50_000}) for n in range(2, 9)))
    await limit(100_000)
    await post(ingest, *(page(n, properties={"x": "y" * 50_000}) for n in range(2, 9)))
    await ingest.close()
    assert await count(file) == 8


async def test_a_message_that_cannot_be_saved_is_held_alone(file: Database) -> None:
    async def break_one(tx: Any) -> None:
        await tx.fetch(
            "CREATE TRIGGER broken BEFORE INSERT ON events WHEN new.message_id = 'm7'"
            " BEGIN SELECT raise(ABORT, 'planted'); END",
            (),
        )

    await file.write(break_one)
    ingest = Ingest(file)
    waiting = [asyncio.create_task(post(ingest, page(n))) for n in range(5)]
    batch = asyncio.create_task(post(ingest, *(page(n) for n in range(5, 20))))
    await asyncio.sleep(0)
    ingest.start()
    alone = await asyncio.gather(*waiting)
    receipts = [*(receipt for (receipt,) in alone), *await batch]
    await ingest.close()
    assert [n for n, one in enumerate(receipts) if one.outcome != "APPLIED"] == [7]
    assert (receipts[7].outcome, receipts[7].reason) == ("QUARANTINED", "FAILED")
    assert await count(file) == 19
    ((body,),) = await file.read("SELECT body FROM quarantine")
    assert json.loads(body) == page(7)


async def test_a_watcher_that_fails_stops_nobody(database: Database) -> None:
    def watch(_: Committed) -> None:
        raise ValueError("planted")

    ingest = Ingest(database, watch=watch)
    ingest.start()
    for n in range(3):
        (receipt,) = await post(ingest, page(n))
        assert receipt.outcome is Outcome.APPLIED
    await ingest.close()


async def test_a_read_that_nobody_waits_for_leaves_its_reader_free(sqlite_url: str) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    async with opened(sqlite_url) as database:
        with pytest.raises(TimedOut):
            await database.read(endless, timeout_s=0.1)
        abandoned = asyncio.create_task(database.read(endless, timeout_s=60))
        await asyncio.sleep(0.1)
        abandoned.cancel()
        assert await database.read("SELECT 1", timeout_s=2) == [(1,)]


async def test_workspaces_never_share_a_transaction_nor_a_customer(database: Database) -> None:
    async def second(tx: Any) -> None:
        await tx.fetch("INSERT INTO workspaces VALUES (2, 'second', 0, ?1)", (bytes(32),))

    await database.write(second)
    commits: list[Committed] = []
    ingest = Ingest(database, watch=commits.append)
    ingest.start()
    other = Workspace(2, "second")
    await asyncio.gather(
        *(post(ingest, page(n), workspace=DEFAULT if n % 2 else other) for n in range(20))
    )
    await ingest.close()
    rows = await database.read("SELECT workspace_id, user_id FROM customers ORDER BY 2")
    assert {user for ws, user in rows if ws == 1} == {f"u{n}" for n in range(1, 20, 2)}
    assert {user for ws, user in rows if ws == 2} == {f"u{n}" for n in range(0, 20, 2)}
    keys = await database.read("SELECT key FROM customers")
    assert len(set(keys)) == 20


async def test_a_new_process_finds_the_database_as_it_was_left(database_url: str) -> None:
    for n in range(3):
        database = await open_database(database_url)
        ingest = Ingest(database)
        ingest.start()
        (receipt,) = await post(ingest, page(1, name=str(n)))
        await ingest.close()
        await database.close()
        assert receipt.outcome == ("CONFLICT" if n else "APPLIED")
