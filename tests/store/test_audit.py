"""The audit keeps what was asked for as long as it should, and no flood of refusals gets in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ingest import audit
from ingest.accept import Ingest
from ingest.audit import Entry, Notes
from models.database import Database, Unavailable
from models.values import Workspace
from tests.databases import DEFAULT, opened
from tests.graph.graphs import add_workspace

OTHER = Workspace(2, "other")


def an_entry(number: int, action: str = "identify") -> Entry:
    return Entry(number.to_bytes(16), number, b"k" * 16, action)


async def actions(database: Database) -> list[tuple[object, ...]]:
    return await database.read("select workspace_id, at, action from audit order by at")


async def store(database: Database, entries: Sequence[Entry], workspace: Workspace) -> None:
    await database.write(lambda tx: audit.write(tx, workspace, entries))


async def test_what_is_too_old_goes_from_its_workspace_alone(database_url: str) -> None:
    async with opened(database_url) as database:
        await add_workspace(database, OTHER)
        await store(database, [an_entry(number) for number in range(2_500)], DEFAULT)
        await store(database, [an_entry(1)], OTHER)
        assert await audit.forget(database, DEFAULT, 2_498) == 2_498
        assert await audit.forget(database, DEFAULT, 2_498) == 0
        assert await actions(database) == [
            (2, 1, "identify"),
            (1, 2_498, "identify"),
            (1, 2_499, "identify"),
        ]


async def test_of_a_flood_of_refusals_some_are_kept_and_the_rest_is_counted(
    database_url: str,
) -> None:
    notes = Notes()
    lost: list[int] = []
    for number in range(audit.NOTES_MAX + 7):
        notes.note(DEFAULT, an_entry(number).refused("m" * 513))
    async with opened(database_url) as database:
        await notes.store(database, lost.append)
        await notes.store(database, lost.append)
        assert lost == [7]
        told = await database.read("select count(*), max(succeeded), max(message_id) from audit")
    assert told == [(audit.NOTES_MAX, 0, None)]


class Away:
    """A database that is not there."""

    async def write(self, _work: object) -> None:
        raise Unavailable("away")


async def test_what_could_not_be_stored_is_stored_later(database_url: str) -> None:
    notes = Notes()
    notes.note(DEFAULT, an_entry(1))
    notes.note(OTHER, an_entry(2))
    await notes.store(Away(), lambda _: None)  # type: ignore[arg-type]  # all it is asked for
    async with opened(database_url) as database:
        await add_workspace(database, OTHER)
        await notes.store(database, lambda _: None)
        assert [row[0] for row in await actions(database)] == [1, 2]


async def test_many_that_share_a_commit_have_each_an_entry_of_their_own(
    database_url: str,
) -> None:
    async with opened(database_url) as database:
        ingest = Ingest(database)
        ingest.start()
        said = [
            {"type": "identify", "userId": f"u{number}", "messageId": f"m{number}", "traits": {}}
            for number in range(40)
        ]
        await asyncio.gather(
            *(
                ingest.state(DEFAULT, each, received_at=1, by=an_entry(number, f"a{number}"))
                for number, each in enumerate(said)
            )
        )
        await ingest.close()
        rows = await database.read("select action, message_id, outcome from audit")
    assert sorted(rows) == sorted((f"a{n}", f"m{n}", "APPLIED") for n in range(40))
