"""Indexes of traits and words hold what customers and accounts hold, whatever happens to these."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from ingest import indexes, indexing, places
from ingest.indexes import Holder, Kind, Shown, State
from ingest.store import Item, save
from models.database import Database, Row, Transaction, Work
from models.values import Entity
from tests.databases import DEFAULT, PostgresTemplate, Template, opened, read, save_batches
from tests.laws.histories import random_history
from tests.laws.histories_messages import KEYS
from tests.laws.model import Delivery
from tests.laws.test_law import cut, rearranged

HISTORIES = 12


def said(user_id: str, **traits: object) -> Delivery:
    """Return a message that says these traits of a user."""
    return Delivery(
        {"type": "identify", "userId": user_id, "traits": traits}, 1_700_000_000_000_000
    )


async def declare(database: Database, kind: Kind, key: str = "") -> None:
    """Have an index from now on."""

    async def work(tx: Transaction) -> None:
        await indexing.declare(tx, DEFAULT, kind, key, hot=False, now=0)

    await database.write(work)


async def listed(database: Database) -> list[indexing.Kept]:
    """Return the indexes there are."""
    return await database.write(lambda tx: indexing.listed(tx, DEFAULT))


def step(number: int, rows: int) -> Work[bool]:
    """Return the next step of an index, of so many rows."""
    return lambda tx: indexing.build(tx, DEFAULT, number, rows)


async def build(database: Database, steps: int = 1_000, rows: int = 3) -> None:
    """Do some steps of every index that needs it."""
    for each in await listed(database):
        for _ in range(steps):
            if not await database.write(step(each.id, rows)):
                break


async def kept_rows(database: Database) -> tuple[set[Row], set[Row]]:
    """Return what the indexes hold."""
    names = ", ".join(indexes.VALUE_COLUMNS)
    values = await database.read(f"SELECT {names} FROM trait_values WHERE workspace_id = 1")
    words = await database.read("SELECT kind, word, owner_id FROM words WHERE workspace_id = 1")
    return set(values), set(words)


async def expected_rows(database: Database) -> tuple[set[Row], set[Row]]:
    """Return what they ought to hold, as customers and accounts now stand."""
    keys: dict[Entity, dict[str, int]] = {entity: {} for entity in Entity}
    has_words = False
    for each in await listed(database):
        if each.kind is Kind.WORDS:
            has_words = True
        elif each.state is not State.GIVEN_UP:
            keys[Entity(each.kind)][each.key] = each.id
    values: set[Row] = set()
    words: set[Row] = set()
    for entity, table, folded in (
        (Entity.CUSTOMER, "customers", "email_folded"),
        (Entity.ACCOUNT, "accounts", "group_id_folded"),
    ):
        sql = f"SELECT id, key, traits, {folded}, name_folded FROM {table} WHERE workspace_id = 1"
        for number, key, traits, *texts in await database.read(sql):
            shown = Shown(key, traits, tuple(texts))
            values.update(indexes.value_rows(keys[entity], number, shown))
            words.update(indexes.word_rows(Holder(entity), number, texts))
    for number, folded in await database.read("SELECT id, folded FROM identities"):
        words.update(indexes.word_rows(Holder.IDENTITY, number, [folded]))
    return values, words if has_words else set()


async def hold_what_is_there(database: Database) -> None:
    """Assert that the indexes hold what there is."""
    values, words = await kept_rows(database)
    expected_values, expected_words = await expected_rows(database)
    assert values == expected_values
    assert words == expected_words


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_indexes_hold_what_random_histories_leave(template: Template, seed: int) -> None:
    rng = random.Random(seed)
    batches = rearranged(rng, random_history(rng, 40))
    places_of_change = rng.sample(range(len(batches) + 1), min(3, len(batches) + 1))
    url = template.copy()

    async def run() -> None:
        async with opened(url) as database:
            for at, batch in enumerate([*batches, []]):
                if at in places_of_change:
                    await declare(database, Kind.WORDS)
                    for key in rng.sample(KEYS, 7):
                        await declare(database, Kind.CUSTOMER_TRAIT, key)
                        await declare(database, Kind.ACCOUNT_TRAIT, key)
                await build(database, steps=rng.choice([0, 1, 2]))
                await save_batches(database, [batch])
            await build(database)
            assert {each.state for each in await listed(database)} == {State.COMPLETE}
            assert (await kept_rows(database))[1]
            await hold_what_is_there(database)

    asyncio.run(run())


async def test_an_index_that_was_given_up_leaves_nothing_and_can_be_had_again(
    database_url: str,
) -> None:
    batch = [said(f"u{at}", plan=at) for at in range(10)]
    async with opened(database_url) as database:
        await declare(database, Kind.CUSTOMER_TRAIT, "plan")
        await save_batches(database, [batch])
        await build(database)
        assert len((await kept_rows(database))[0]) == 10
        await database.write(lambda tx: indexing.give_up(tx, DEFAULT, Kind.CUSTOMER_TRAIT, "plan"))
        await declare(database, Kind.CUSTOMER_TRAIT, "plan")
        await save_batches(database, [[said("u1", plan="x")]])
        await build(database)
        [one] = await listed(database)
        assert (one.state, one.key) == (State.COMPLETE, "plan")
        await hold_what_is_there(database)


def _busy(number: int) -> list[list[Delivery]]:
    rng = random.Random(number)
    batch = [
        said(f"u{rng.randrange(40)}", plan=rng.choice(["a", "b", 1, None]), name=f"N{at % 9} M")
        for at in range(120)
    ]
    return cut(rng, batch)


def test_an_index_is_built_while_several_write(template: Template) -> None:
    async def write(url: str, batches: Sequence[Sequence[Delivery]]) -> None:
        async with opened(url) as database:
            await save_batches(database, batches)

    async def index(url: str, *, words: bool) -> None:
        async with opened(url) as database:
            await asyncio.sleep(0.05)
            await declare(
                database, Kind.WORDS if words else Kind.CUSTOMER_TRAIT, "" if words else "plan"
            )
            await build(database, rows=2)

    url = template.copy()

    async def run() -> None:
        # Who writes to a file is one process, and its turns come one after the other.
        writers = [_busy(number) for number in range(3 if template.words == "postgres" else 1)]
        jobs = [write(url, batches) for batches in writers]
        await asyncio.gather(*jobs, index(url, words=True), index(url, words=False))
        async with opened(url) as database:
            await build(database)
            assert {each.state for each in await listed(database)} == {State.COMPLETE}
            await hold_what_is_there(database)

    asyncio.run(run())


def test_declaring_waits_for_those_who_write_and_know_nothing_of_it(
    postgres_template: PostgresTemplate,
) -> None:
    url = postgres_template.copy()

    async def run() -> None:
        entered, go_on = asyncio.Event(), asyncio.Event()

        async def write(tx: Transaction) -> None:
            await tx.enter(DEFAULT.id)
            entered.set()
            await go_on.wait()
            await save(tx, DEFAULT, [Item(read(said("u1", plan="x")), asked=False)])

        async with opened(url) as writer, opened(url) as other:
            writing = asyncio.create_task(writer.write(write))
            await entered.wait()
            declaring = asyncio.create_task(declare(other, Kind.CUSTOMER_TRAIT, "plan"))
            done, _ = await asyncio.wait([declaring], timeout=0.3)
            go_on.set()
            await asyncio.gather(writing, declaring)
            assert not done
            await build(other)
            assert len((await kept_rows(other))[0]) == 1

    asyncio.run(run())


NUMBERS = [-1e300, -12345678.5, -2, -1.5, -1e-9, 0, 5e-324, 0.1, 0.2, 1, 1.5, 2**53, 1e300]


def test_places_sort_as_the_values_do() -> None:
    texts = ["", "a", "a b", "b", "\U0001f600", "é"]
    values = [repr(number) for number in NUMBERS] + [
        f'"{text}"' for text in sorted(texts, key=str.encode)
    ]
    found = [places.place_of(value).place for value in [*values, "true"]]
    assert [place.encode() for place in found] == sorted(place.encode() for place in found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "value", ["9007199254740993", "-9007199254740993", "1" * 5_000, '"' + "x" * 201 + '"']
)
def test_a_place_says_where_it_has_less_than_the_value(value: str) -> None:
    assert places.place_of(value).cut
    assert len(places.place_of(value).place) <= places.CHARACTERS_MAX + 1


@pytest.mark.parametrize("value", ["9007199254740992", "0.1", "1e+21", '"x"', "true", "[1]"])
def test_a_place_tells_most_values_from_all_others(value: str) -> None:
    assert not places.place_of(value).cut


def test_words_are_texts_and_the_runs_in_them_that_begin_otherwise() -> None:
    assert places.words_of(["ada lovelace", "ada@example.com", None]) == {
        *("ada lovelace", "lovelace", "ada@example.com", "example", "com")
    }


@pytest.mark.parametrize("prefix", ["a", "az", "\ud7ff", "a\U0010ffff", "\U0010ffff"])
def test_what_begins_so_lies_before_what_is_beyond(prefix: str) -> None:
    beyond = places.beyond_prefix(prefix).encode()
    assert (prefix + "\U0010ffff" * 3).encode() < beyond
    assert prefix.encode() < beyond
