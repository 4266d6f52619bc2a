"""Text of any length is stored, found and sorted by, alike on both databases."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Index, Text
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (fills the metadata)
from models.dialect import is_meant
from tests.databases import DEFAULT, PostgresTemplate
from tests.graph.graphs import Asking, a_graph, add_workspace

SPOILT = "rows are put in beside the log, for the look of the statements"

SIZE = 100_000
SAME = 400
# What is indexed whole although it is text, and why it fits.
BOUNDED = {
    ("workspaces", "name"): "the command that makes workspaces takes 256 bytes at most",
    ("trait_values", "place"): "of a longer value it has the beginning",
    ("trait_values", "folded"): "of a longer value it has the beginning",
    ("words", "word"): "of a longer word it has the beginning",
}


def noise(seed: str) -> str:
    """Return text that nothing can make shorter, alike at the beginning for every seed."""
    letters = [chr(code) for code in range(0x4E00, 0x9FFF)]
    same = "".join(random.Random(0).choices(letters, k=SAME))
    rest = "".join(random.Random(seed).choices(letters, k=SIZE // 3 - SAME))
    return same + rest


FIRST, SECOND, THIRD = sorted(noise(seed) for seed in ("a", "b", "c"))


async def filled(asking: Asking) -> Asking:
    await asking.deliver(
        [
            {"type": "identify", "userId": "u1", "messageId": "m1", "traits": {"email": SECOND}},
            {"type": "identify", "userId": "u2", "messageId": "m2", "traits": {"email": FIRST}},
            {"type": "identify", "userId": "u3", "messageId": "m3", "traits": {"email": THIRD}},
            {"type": "group", "groupId": "g1", "messageId": "m4", "traits": {"name": SECOND}},
            {"type": "group", "groupId": "g2", "messageId": "m5", "traits": {"name": FIRST}},
            *(
                {
                    "type": "track",
                    "event": "Audience Entered",
                    "userId": user,
                    "messageId": f"a{user}",
                    "properties": {"audience_key": key},
                }
                for user, key in (("u1", FIRST), ("u2", SECOND), ("u3", FIRST))
            ),
        ]
    )
    return asking


async def users(asking: Asking, arguments: str, **variables: Any) -> list[str]:
    kinds = {"v": "String!", "l": "[String!]!"}
    declared = ", ".join(f"${name}: {kinds[name]}" for name in variables)
    query = f"query ({declared}) {{ customers({arguments}) {{ nodes {{ userId }} }} }}"
    found = await asking.get(query, variables)
    return [node["userId"] for node in found["customers"]["nodes"]]


async def test_what_is_too_long_for_a_key_of_an_index_is_stored_and_found(empty: Asking) -> None:
    await filled(empty)
    assert await empty.database.read("SELECT reason FROM quarantine") == []
    assert await users(empty, "where: {email: {eq: $v}}", v=FIRST) == ["u2"]
    assert await users(empty, "where: {email: {eq: $v}}", v=FIRST[:-1]) == []
    assert await users(empty, "where: {email: {in: $l}}", l=[THIRD, "x"]) == ["u3"]
    inside = "where: {audience: {in: $l}}"
    assert sorted(await users(empty, inside, l=[FIRST])) == ["u1", "u3"]
    asked = "query ($v: String) { accounts(where: {name: {eq: $v}}) { nodes { groupId } } }"
    found = await empty.get(asked, {"v": SECOND})
    assert found["accounts"]["nodes"] == [{"groupId": "g1"}]


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
async def test_what_begins_alike_is_sorted_by_the_rest(empty: Asking, direction: str) -> None:
    await filled(empty)
    order = f"orderBy: {{field: EMAIL, direction: {direction}}}"
    walked: list[str] = []
    after: str | None = None
    for _ in range(3):
        query = (
            f"query ($a: String) {{ customers(first: 1, after: $a, {order})"
            " { nodes { userId } pageInfo { endCursor } } }"
        )
        page = (await empty.get(query, {"a": after}))["customers"]
        walked += [node["userId"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
    in_order = ["u2", "u1", "u3"]
    assert walked == (in_order if direction == "ASC" else in_order[::-1])


def test_no_index_of_postgresql_holds_a_whole_text_that_may_be_long() -> None:
    held = [
        (table.name, column.name)
        for table in SQLModel.metadata.tables.values()
        for index in [*table.indexes, *table.constraints, table.primary_key]
        if not isinstance(index, Index) or is_meant(index, "postgresql")
        for column in getattr(index, "columns", ())
        if isinstance(column.type, Text)
    ]
    assert set(held) == set(BOUNDED)


@pytest.mark.parametrize(
    ("index", "query", "variables"),
    [
        (
            "ix_customers_email_start",
            "query ($v: String!) { customers(where: {email: {eq: $v}}) { nodes { userId } } }",
            {"v": "u5@example.com"},
        ),
        (
            "ix_customers_email_start",
            "query ($v: [String!]) { customers(where: {email: {in: $v}}) { nodes { userId } } }",
            {"v": ["u5@example.com", "u6@example.com"]},
        ),
        (
            "ix_customers_email_start",
            "{ customers(first: 5, orderBy: {field: EMAIL, direction: ASC}) { nodes { userId } } }",
            {},
        ),
    ],
)
async def test_what_is_found_by_its_beginning_is_found_by_the_index(
    postgres_template: PostgresTemplate, index: str, query: str, variables: dict[str, Any]
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    await connection.execute(_MANY)
    async with a_graph(url) as asking:
        await add_workspace(asking.database.inner, DEFAULT)
        await asking.get(query, variables)
        sql, args = asking.database.asked[-1]
    plan = await _plan(connection, sql, args)
    await connection.close()
    assert index in plan


_MANY = (
    "INSERT INTO customers (workspace_id, key, user_id, email, first_seen_at, last_seen_at, traits,"
    " registers) SELECT 1, decode(lpad(to_hex(n), 32, '0'), 'hex'), 'u' || n, 'u' || n ||"
    " '@example.com', n, n, '{}', '[]' FROM generate_series(1, 5000) AS n; ANALYZE customers"
)


async def _plan(connection: asyncpg.Connection, sql: str, args: Sequence[Any]) -> str:
    rows = await connection.fetch(f"EXPLAIN (FORMAT JSON) {sql}", *args)
    return json.dumps(rows[0][0])
