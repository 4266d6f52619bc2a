"""An export holds all of a workspace: imported anywhere, it is the identical state."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from ingest.accept import Ingest
from ingest.export import Span, lines
from ingest.importing import Misfit
from ingest.replay import dump
from models.database_snapshot import open_snapshot
from models.values import Outcome, Workspace
from tests.databases import (
    DEFAULT,
    PostgresTemplate,
    SqliteTemplate,
    Template,
    opened,
    save_batches,
)
from tests.laws.histories import random_history
from tests.laws.model import Delivery
from tests.laws.test_law import rearranged
from tests.store.carrying import NOW_US, exported, imported

SECOND_US = 1_000_000
AT_US = 1_767_225_600 * SECOND_US


def said(number: int, user: str = "u1", **body: object) -> Delivery:
    """Return a message of its own moment."""
    message = {"type": "identify", "messageId": f"said{number}", "userId": user, **body}
    return Delivery(
        {"timestamp": f"2026-01-01T00:00:{number:02}Z", **message}, AT_US + 90 * SECOND_US
    )


async def a_copy(template: Template) -> str:
    """Return a database of this test's own."""
    return await asyncio.to_thread(template.copy)


async def made(template: Template, seeds: range) -> str:
    """Return a database in which every kind of thing has happened."""
    url = await a_copy(template)
    async with opened(url) as database:
        for seed in seeds:
            rng = random.Random(seed)
            await save_batches(database, rearranged(rng, random_history(rng, 60)))
        odd = [
            said(1, user="own", traits={"a": 1}, _calyx={"at": "its own"}),
            said(2, user="own", type="nothing known"),
            said(3, user="own", type="nothing known", traits={"b": 2}),
            # Its id and its key depend on when it came.
            Delivery({"type": "identify", "userId": "own", "traits": {"c": 1}}, AT_US),
        ]
        await save_batches(database, [odd])
        ingest = Ingest(database)
        ingest.start()
        for (key,) in await database.read(
            "SELECT key FROM quarantine WHERE workspace_id = ?1 AND message_id = 'said3'", (1,)
        ):
            correction = {**odd[2].body, "type": "identify"}
            await ingest.retry(DEFAULT, bytes(key), now=NOW_US, correction=correction)
        for (key,) in await database.read(
            "SELECT key FROM quarantine WHERE workspace_id = ?1 AND message_id = 'said2'", (1,)
        ):
            await ingest.retry(DEFAULT, bytes(key), now=NOW_US)
        await ingest.close()
    return url


async def rows(url: str, sql: str) -> list[Any]:
    async with opened(url) as database:
        return sorted(await database.read(sql, (1,)))


async def state(url: str) -> Any:
    """Return the state of a database, and what is stored beside it that an export must carry."""
    async with opened(url) as database:
        found: dict[str, Any] = await dump(database, DEFAULT)
        for name, sql in KEPT.items():
            found[name] = sorted(map(repr, await database.read(sql, (1,))))
    return found


KEPT = {
    "bodies": "SELECT key, notes, body, veil, at, received_at FROM events WHERE workspace_id = ?1",
    "held": "SELECT key, message_id, message_key, hash, reason, at, received_at, retried_at, erased,"
    " notes, body FROM quarantine WHERE workspace_id = ?1",
    "erased": "SELECT * FROM erasures WHERE workspace_id = ?1",
    "edges": "SELECT * FROM erased_edges WHERE workspace_id = ?1",
    "key": "SELECT erasure_key FROM workspaces WHERE id = ?1",
}


async def test_an_export_becomes_the_identical_state_in_either_database(
    sqlite_template: SqliteTemplate, postgres_template: PostgresTemplate, tmp_path: Path
) -> None:
    first = await made(sqlite_template, range(12))
    expected, file = await state(first), tmp_path / "export.jsonl"
    assert all(expected[name] for name in ("quarantine", "erasures", "held", "edges"))
    for template in (postgres_template, sqlite_template):
        file.write_bytes(await exported(first))
        first = await a_copy(template)
        summary = await imported(first, file)
        assert (summary.cut, summary.counts.faults) == (None, 0)
        assert await state(first) == expected


async def test_an_import_into_what_is_there_already_changes_nothing(
    template: Template, tmp_path: Path
) -> None:
    url = await made(template, range(4))
    file = tmp_path / "export.jsonl"
    file.write_bytes(await exported(url))
    before = await state(url)
    summary = await imported(url, file)
    assert set(summary.counts.outcomes) == {Outcome.DUPLICATE}
    assert await state(url) == before


async def test_two_exports_come_to_what_their_messages_together_would(
    template: Template, tmp_path: Path
) -> None:
    history = random_history(random.Random(3), 80)
    whole, one, other = [await a_copy(template) for _ in range(3)]
    for url, part in ((whole, history), (one, history[::2]), (other, history[1::2])):
        async with opened(url) as database:
            await save_batches(database, [part])
    file = tmp_path / "export.jsonl"
    file.write_bytes(await exported(one))
    await imported(other, file)
    async with opened(whole) as ours, opened(other) as theirs:
        assert await dump(theirs, DEFAULT) == await dump(ours, DEFAULT)


async def test_what_was_erased_there_is_erased_here_and_stays_so(
    template: Template, tmp_path: Path
) -> None:
    there, here = await a_copy(template), await a_copy(template)
    told = said(1, traits={"email": "secret@example.com"}, anonymousId="d1")
    late = said(3, user="u2", traits={"name": "stays"})
    async with opened(there) as database:
        await save_batches(database, [[told, said(5, type="delete")]])
    async with opened(here) as database:
        await save_batches(database, [[told, late]])
        assert "secret@example.com" in repr(await dump(database, DEFAULT))
    file = tmp_path / "export.jsonl"
    file.write_bytes(await exported(there))
    assert b"secret" not in file.read_bytes()
    assert b"u1" not in file.read_bytes()
    await imported(here, file)
    device = Delivery({**said(2).body, "userId": None, "anonymousId": "d1"}, told.received_at)
    async with opened(here) as database:
        receipts = await save_batches(database, [[told, device]])
        assert [one.outcome for one in receipts if one] == [Outcome.DUPLICATE, Outcome.ERASED]
        assert "secret@example.com" not in repr(await database.read("SELECT body FROM events"))
        assert set((await dump(database, DEFAULT))["customers"]) == {"user:u2"}


async def test_only_what_is_asked_for_is_exported_but_all_that_was_erased(
    template: Template,
) -> None:
    url = await a_copy(template)
    async with opened(url) as database:
        await save_batches(
            database, [[said(n, user=f"u{n}") for n in range(1, 9)], [said(9, type="delete")]]
        )
    span = Span(AT_US + 3 * SECOND_US, AT_US + 6 * SECOND_US)
    told = [json.loads(line) for line in (await exported(url, span)).splitlines()]
    assert [line["messageId"] for line in told if "messageId" in line] == [
        "said3",
        "said4",
        "said5",
    ]
    assert sum("erasure" in line["_calyx"] for line in told) == 1


async def test_an_export_is_one_moment_whatever_comes_meanwhile(template: Template) -> None:
    url = await a_copy(template)
    async with opened(url) as database:
        await save_batches(database, [[said(n, user=f"u{n}") for n in range(1, 5)]])
        async with open_snapshot(url) as snapshot:
            stream = lines(snapshot, DEFAULT, Span())
            found = [await anext(stream), await anext(stream)]
            await save_batches(database, [[said(9, type="delete"), said(10, user="new")]])
            found += [line async for line in stream]
    assert [b'"said' in line for line in found] == [False, True, True, True, True]


async def test_under_another_name_all_is_the_same_but_the_ids(
    template: Template, tmp_path: Path
) -> None:
    url = await made(template, range(3))
    other = Workspace(2, "another")
    file = tmp_path / "export.jsonl"
    file.write_bytes(await exported(url))
    async with opened(url) as database:
        sql = "INSERT INTO workspaces (id, name, created_at, erasure_key) VALUES (2, 'another', 0, ?1)"
        await database.write(lambda tx: tx.fetch(sql, (bytes(32),)))
    summary = await imported(url, file, workspace=other)
    assert summary.counts.source == "default"
    async with opened(url) as database:
        assert await dump(database, other) == await dump(database, DEFAULT)


async def test_hashes_by_another_key_are_refused_where_people_were_erased(
    template: Template, tmp_path: Path
) -> None:
    there, here = await a_copy(template), await a_copy(template)
    for url in (there, here):
        async with opened(url) as database:
            await save_batches(database, [[said(1), said(5, type="delete")]])
    async with opened(here) as database:
        sql = "UPDATE workspaces SET erasure_key = ?1"
        await database.write(lambda tx: tx.fetch(sql, (bytes(32),)))
        before = await dump(database, DEFAULT)
    file = tmp_path / "export.jsonl"
    file.write_bytes(await exported(there))
    with pytest.raises(Misfit, match="calyx workspaces create"):
        await imported(here, file)
    async with opened(here) as database:
        assert await dump(database, DEFAULT) == before
