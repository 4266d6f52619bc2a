"""PostgreSQL keeps the plans of a writer, from when there was nothing: they must be right for many rows."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.walk import page_statement
from models import dialect
from models.database import Transaction
from tests.databases import PostgresTemplate, Template, opened

LOOK_UPS = [
    dialect.lookup_arrays(table, (by[-1],), by)
    for table, by in (
        ("events", ("key",)),
        ("events", ("whom",)),
        ("events", ("account_id",)),
        ("identities", ("key",)),
        ("identities", ("id",)),
        ("identities", ("customer_id",)),
        ("identities", ("hash",)),
        ("customers", ("id",)),
        ("accounts", ("id",)),
        ("accounts", ("key",)),
        ("memberships", ("customer_id",)),
        ("memberships", ("customer_id", "account_id")),
        ("flags", ("entity", "owner_id")),
        ("flags", ("entity", "owner_id", "audience_id")),
        ("audiences", ("id",)),
        ("audiences", ("entity", "key")),
        ("links", ("device", "owner")),
        ("links", ("owner",)),
        ("aliases", ("previous", "owner")),
        ("aliases", ("owner",)),
        ("erasures", ("hash",)),
        ("erased_edges", ("hash", "other", "kind")),
        ("erased_edges", ("other",)),
        ("quarantine", ("key",)),
        ("quarantine", ("hash",)),
    )
]
OTHERS = [
    dialect.between_arrays("events", ("message_id",), "key"),
    dialect.count_arrays("events", "whom"),
    dialect.count_arrays("events", "account_id"),
    dialect.follow_arrays("customers", ("id",), ("identities", "key", "customer_id"), waits=True),
]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each step of a plan."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


@pytest.mark.parametrize("sql", [*LOOK_UPS, *OTHERS])
async def test_a_plan_that_was_made_for_nothing_goes_by_the_whole_key(
    postgres_template: PostgresTemplate, sql: str
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    count = len(set(re.findall(r"\$\d", sql)))

    async def plan(tx: Transaction) -> dict[str, Any]:
        await tx.fetch(f"PREPARE looked AS {sql}", ())
        nothing = ", ".join(["NULL"] * count)
        rows = await tx.fetch(f"EXPLAIN (FORMAT JSON) EXECUTE looked ({nothing})", ())
        found: dict[str, Any] = json.loads(rows[0][0])[0]["Plan"]
        return found

    async with opened(url) as database:
        found = await database.write(plan)
    scans = [node for node in nodes(found) if "Relation Name" in node]
    assert scans
    for scan in scans:
        assert scan["Node Type"] in {"Index Scan", "Index Only Scan"}
        # By the workspace and something else; what is not in the index would be a filter.
        assert " AND " in scan["Index Cond"]
        # Texts that begin alike are told apart in the row.
        assert "Filter" not in scan or scan["Relation Name"] == "audiences"


@pytest.mark.parametrize(("by", "index"), [("whom", "whom"), ("account_id", "account")])
async def test_pages_of_one_are_found_by_the_index_that_has_them_in_order(
    template: Template, by: str, index: str
) -> None:
    """Also where nothing is known of how many there are."""
    url = await asyncio.to_thread(template.copy)
    page = page_statement("id, body", by, 500)

    async def plan(tx: Transaction) -> str:
        if template.words == "sqlite":
            rows = await tx.fetch(f"EXPLAIN QUERY PLAN {page}", (1, 2, 3, 4, 5))
        else:
            await tx.fetch(f"PREPARE page AS {dialect.numbered(page)}", ())
            rows = await tx.fetch("EXPLAIN EXECUTE page (1, 2, 3, 4, 5)", ())
        return " ".join(str(row[-1]) for row in rows)

    async with opened(url) as database:
        found = await database.write(plan)
    assert f"ix_events_{index}" in found
    assert "ix_events_at" not in found
