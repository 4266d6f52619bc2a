"""Nothing of who was erased is left in the files of the database, whatever is sent again."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from ingest.beside import open_beside
from ingest.indexes import Kind
from ingest.message import Door, parse_one
from ingest.rebuild import check
from ingest.store import Item, save
from models.database import Database, Transaction, Unavailable
from models.database_vacuum import vacuum
from models.values import Message
from tests.databases import DEFAULT, file_of, opened
from tests.store.test_indexes import build, declare

BEGIN = 1_767_225_600_000_000
DAY = 86_400_000_000
USERS = ["zq-user-one", "zq-user-other"]
DEVICES = ["zq-device-one", "zq-device-other"]
ERASE = {"type": "delete", "userId": USERS[0], "timestamp": "2026-06-01T00:00:00.000000Z"}


def said_of_them(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Return a history of one person, every word of which is theirs alone, and of their neighbours."""
    said: list[dict[str, Any]] = [{"type": "alias", "userId": USERS[0], "previousId": USERS[1]}]
    said += [
        {"type": "identify", "userId": user, "anonymousId": device, "traits": {}}
        for user, device in zip(USERS, DEVICES, strict=True)
    ]
    for number in range(count):
        word = f"zq-value-{number:03d}"
        who = rng.choice(
            [*({"userId": user} for user in USERS), *({"anonymousId": d} for d in DEVICES)]
        )
        said.append(
            rng.choice(
                [
                    {"type": "identify", **who, "traits": {f"zq-key-{number}": word}},
                    {"type": "identify", **who, "traits": {"email": word, "name": word}},
                    {"type": "identify", **who, "traits": {f"zq-audience-{number % 4}": True}},
                    {"type": "track", **who, "event": word, "properties": {"said": word}},
                    {"type": "page", **who, "name": word},
                    {"type": "group", **who, "groupId": "acme", "traits": {"name": "Acme"}},
                    {"type": "zq-no-type", **who, "traits": {"said": word}},
                ]
            )
        )
        said.append({"type": "identify", "userId": f"u{number % 9}", "traits": {"plan": "pro"}})
    for number, each in enumerate(said):
        if rng.random() < 0.7:
            each["messageId"] = f"m{number}"
        if rng.random() < 0.8:
            each["timestamp"] = f"2026-0{rng.randint(1, 5)}-11T00:00:00Z"
    return said


def words_of(said: Iterable[dict[str, Any]]) -> set[bytes]:
    """Return every word by which one could tell who was erased, digests of what was said included."""
    words = {text.encode() for text in (*USERS, *DEVICES)}
    for each in said:
        text = str(each)
        if "zq-" not in text:
            continue
        words |= {
            part.strip("'\"{}:, ").encode() for part in text.split() if part[1:].startswith("zq-")
        }
        parsed = parse_one(dict(each), Door.SEGMENT, BEGIN)
        if isinstance(parsed, Message):
            # As text in a derived messageId, as bytes in the key of the event.
            words |= {parsed.digest.encode(), bytes.fromhex(parsed.digest)[:8]}
    return words


async def send(database: Database, said: Sequence[dict[str, Any]], received_at: int) -> None:
    for start in range(0, len(said), 7):
        batch = [
            Item(parse_one(dict(each), Door.SEGMENT, received_at), asked=True)
            for each in said[start : start + 7]
        ]

        async def work(tx: Transaction, batch: list[Item] = batch) -> None:
            await save(tx, DEFAULT, batch)

        await database.write(work)


async def files_of(url: str) -> list[Path]:
    """Return the files in which a database of the tests lies."""
    if url.startswith("sqlite"):
        file = file_of(url)
        return list(file.parent.glob(f"{file.name}*"))
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute("CHECKPOINT")
    folder = Path(await connection.fetchval("SHOW data_directory"))
    number = await connection.fetchval(
        "SELECT oid FROM pg_database WHERE datname = current_database()"
    )
    await connection.close()
    found = list((folder / "base" / str(number)).glob("*"))
    if not found:
        pytest.skip("NOT TESTED: the files of this server cannot be read from here")
    return found


async def left(url: str, words: Iterable[bytes]) -> set[bytes]:
    """Return which of these words are in the files."""
    files = [path.read_bytes() for path in await files_of(url)]
    return {word for word in words if any(word in content for content in files)}


@pytest.mark.parametrize("seed", range(2))
async def test_no_byte_of_who_was_erased_is_left_whatever_comes_again(
    database_url: str, seed: int
) -> None:
    rng = random.Random(seed)
    said = said_of_them(rng, 60)
    words = words_of(said)
    async with opened(database_url) as database:
        await declare(database, Kind.WORDS)
        await send(database, said, BEGIN + 100 * DAY)
        await declare(database, Kind.CUSTOMER_TRAIT, "email")
        await build(database)
        for table in ("trait_values", "words"):
            assert await database.read(f"select count(*) from {table}") > [(0,)]
    await analyze(database_url)
    there = await left(database_url, words)
    assert len(there) > len(words) * 0.6
    async with opened(database_url) as database:
        await send(database, [ERASE], BEGIN + 200 * DAY)
    await vacuum(database_url, lambda *_: None)
    assert await left(database_url, words) == set()
    again = said * 2
    rng.shuffle(again)
    async with opened(database_url) as database:
        await send(database, again, BEGIN + 120 * DAY)
        assert await database.read("select count(*) from customers") == [(9,)]
    # Not even for a moment: nothing of it was written.
    assert await left(database_url, words) == set()


async def analyze(url: str) -> None:
    """Let the planner learn what values there are: what it learns of them must go, too."""
    async with opened(url) as database:

        async def work(tx: Transaction) -> None:
            await tx.fetch("ANALYZE", ())

        await database.write(work)


async def test_after_an_erasure_the_state_is_still_what_the_log_says(
    database_url: str, tmp_path: Path
) -> None:
    said = said_of_them(random.Random(7), 40)
    async with opened(database_url) as database:
        await send(database, [*said, ERASE, *said], BEGIN + 120 * DAY)
    await vacuum(database_url, lambda *_: None)
    async with open_beside(tmp_path) as other:
        assert (await check(database_url, other, DEFAULT)).ok


def test_a_file_that_somebody_reads_is_said_in_a_sentence(sqlite_url: str) -> None:
    async def hold() -> None:
        async with opened(sqlite_url) as database:
            await send(database, said_of_them(random.Random(1), 10), BEGIN)
            reader = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM events").fetchone()
            with pytest.raises(Unavailable, match="again"):
                await vacuum(sqlite_url, lambda *_: None, wait_s=0.1)
            reader.close()
            await vacuum(sqlite_url, lambda *_: None)

    asyncio.run(hold())
