"""Each revision leaves what older code needs: it may add, but takes nothing away and forbids nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection, inspect, text

from models.database import engine_of
from models.migrate import Fit, fit, upgrade
from tests.store import recorded

# What seems to forbid something and does not, with the reason.
ARGUED = {
    "audiences: index ux_audiences_key_start is unique": "it forbids what ux_audiences_key forbade, which it replaces",
}


@dataclass(frozen=True)
class Table:
    """What code may lean on in a table."""

    columns: Mapping[str, tuple[str, bool, bool]]
    unique: frozenset[str]
    checks: frozenset[str]


async def tables(url: str) -> dict[str, Table]:
    def read(connection: Connection) -> dict[str, Table]:
        inspector = inspect(connection)
        return {
            name: Table(
                {column["name"]: _column(column) for column in inspector.get_columns(name)},
                frozenset(
                    str(index["name"])
                    for index in [*inspector.get_indexes(name)]
                    if index["unique"]
                ),
                frozenset(str(check["sqltext"]) for check in inspector.get_check_constraints(name)),
            )
            for name in inspector.get_table_names()
        }

    engine = engine_of(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(read)
    await engine.dispose()
    return found


def _column(column: Any) -> tuple[str, bool, bool]:
    # What it holds, whether it may be left out, whether it may be null.
    return (
        str(column["type"]),
        column["nullable"] or column["default"] is not None,
        column["nullable"],
    )


def taken(before: Mapping[str, Table], after: Mapping[str, Table]) -> Iterator[str]:
    """Yield what an older process would miss or be refused."""
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            yield f"{name} is gone"
            continue
        for column, (kind, _, nullable) in old.columns.items():
            if column not in new.columns:
                yield f"{name}: {column} is gone"
            elif new.columns[column][0] != kind:
                yield f"{name}: {column} is {new.columns[column][0]}, was {kind}"
            elif nullable and not new.columns[column][2]:
                yield f"{name}: {column} must not be null"
        for column in new.columns.keys() - old.columns.keys():
            if not new.columns[column][1]:
                yield f"{name}: {column} is new and must be given"
        yield from (f"{name}: index {index} is unique" for index in new.unique - old.unique)
        yield from (f"{name}: {check} must hold" for check in new.checks - old.checks)


@pytest.mark.parametrize(
    ("older", "newer"), list(zip(recorded.revisions(), recorded.revisions()[1:], strict=False))
)
async def test_a_revision_takes_nothing_from_older_code_unless_it_says_so(
    empty_url: str, older: str, newer: str
) -> None:
    await upgrade(empty_url, older)
    before = await tables(empty_url)
    await upgrade(empty_url, newer)
    if fit(newer, older) is Fit.AHEAD:
        assert set(taken(before, await tables(empty_url))) - ARGUED.keys() == set()


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("ALTER TABLE events DROP COLUMN notes", "events: notes is gone"),
        ("DROP TABLE intervals", "intervals is gone"),
        ("ALTER TABLE events RENAME COLUMN notes TO remarks", "events: notes is gone"),
        ("CREATE UNIQUE INDEX one ON links (workspace_id, at)", "links: index one is unique"),
    ],
)
async def test_what_is_taken_is_found(empty_url: str, sql: str, found: str) -> None:
    await upgrade(empty_url)
    before = await tables(empty_url)
    engine = engine_of(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text(sql))
    await engine.dispose()
    assert found in set(taken(before, await tables(empty_url)))


async def test_nothing_is_taken_by_what_may_be_left_out(empty_url: str) -> None:
    await upgrade(empty_url)
    before = await tables(empty_url)
    engine = engine_of(empty_url)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE events ADD COLUMN mood TEXT"))
        await connection.execute(text("CREATE INDEX two ON links (workspace_id, at)"))
        await connection.execute(text("CREATE TABLE moods (workspace_id INTEGER)"))
    await engine.dispose()
    assert set(taken(before, await tables(empty_url))) == set()


@pytest.mark.parametrize(
    ("at", "own", "expected"),
    [
        (None, "0002", Fit.BEHIND),
        ("0001", "0002", Fit.BEHIND),
        ("0002", "0002", Fit.EXACT),
        ("0003", "0002", Fit.AHEAD),
        ("0005_since_0002", "0002", Fit.AHEAD),
        ("0005_since_0003", "0002", Fit.BEYOND),
        ("0005_since_0003", "0003_since_0001", Fit.AHEAD),
        ("other", "0002", Fit.BEYOND),
    ],
)
def test_a_revision_says_which_code_it_can_live_with(at: str, own: str, expected: Fit) -> None:
    assert fit(at, own) is expected


def test_what_a_revision_demands_the_later_ones_demand_too() -> None:
    demanded = [(one.partition("_since_")[2] or "0000") for one in recorded.revisions()]
    assert demanded == sorted(demanded)
    assert all(fit("9999", one) is Fit.AHEAD for one in recorded.revisions())
