"""What dashboards ask of many customers is found by indexes, on either database."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest

from api.auth import Scope
from tests.databases import DEFAULT, Template
from tests.graph.crowd import fill
from tests.graph.graphs import Asking, a_graph, add_workspace
from tests.graph.test_contract import PAGES, VARIABLES

CUSTOMERS = 5_000
SPOILT = "the crowd is put straight into the tables, and the log knows nothing of it"

# How each database is asked for its plan, and tells in it of a table that is read from end to end: as it is, or
# by the index of a key, of which it knows no more than the workspace.
# Of some thousands of rows PostgreSQL would rather read all, whatever indexes there are.
SCANS = {
    "sqlite": (
        "SELECT 1",
        "EXPLAIN QUERY PLAN ",
        re.compile(
            r"\bSCAN (\w+)(?! USING)"
            # All rows are put into these before the first is looked up.
            r"|\bBLOOM FILTER ON (\w+)|\bSEARCH (\w+) USING AUTOMATIC"
            r"|\bSEARCH (\w+) USING (?:COVERING )?(?:INDEX (?:ux|sqlite_autoindex)_\w+|PRIMARY KEY)"
            r" \(workspace_id=\?\)"
        ),
    ),
    "postgres": (
        "SELECT set_config('enable_seqscan', 'off', false)",
        "EXPLAIN ",
        re.compile(
            r"Seq Scan on (\w+)"
            r"|using (?:ux|pk)_\w+ on (\w+)[^\n]*\n *Index Cond: \(workspace_id = [^()]*\)\n"
        ),
    ),
}
# A file has its statistics from the first on, a server gathers its own.
STATISTICS = {"sqlite": "SELECT 1", "postgres": "ANALYZE"}
# Tables of which a workspace may have any number of rows.
LARGE = {"customers", "accounts", "identities", "events", "flags", "memberships"} | {
    "intervals",
    "words",
    "trait_values",
}
# The catalog of trait keys counts what all have; decision 0018 says why.
WHOLE = {"FilterBuilder"}
# What is not run unless a page comes to it: those without the trait that a list is sorted by, who come last, and
# accounts by words that thousands share, of which SQLite rather sorts all than to look the first up.
RARELY = {"AccountList": {"accounts"}, "SearchBox": {"accounts"}}
# What was known then is folded from the log, not read by a statement.
FOLDED = {"CustomerAsOf"}
INDEXED = sorted({each.stem for each in PAGES.glob("*.graphql")} - WHOLE - FOLDED)

QUESTIONS = {
    "a trait that is indexed": 'where: {trait: {key: "plan", eq: "pro"}}',
    "few of a trait that is indexed": 'where: {trait: {key: "n", in: [5, 6, "x"]}}',
    "a range of it": 'where: {trait: {key: "n", gt: 5, lte: 40}}',
    "how a text begins": 'where: {trait: {key: "plan", startsWith: "Tri"}}',
    "two traits": 'where: {trait: {key: "n", lt: 9}, and: [{trait: {key: "plan", eq: "pro"}}]}',
    "the order of a trait": 'orderBy: [{trait: "n"}]',
    "the order of a trait upwards": 'orderBy: [{trait: "n", direction: ASC}]',
    "a word": 'search: "ad"',
    "several words": 'search: "ada user-55"',
    "an email": 'where: {email: {eq: "user-5@example.com"}}',
    "a userId": 'where: {userId: {eq: "user-5"}}',
    "the members of an account": 'where: {accounts: {some: {groupId: {eq: "acct-5"}}}}',
    "an audience": 'where: {audience: {in: ["audience_3"]}}',
    "the last seen": "",
}


@pytest.fixture(scope="module")
def crowd_url(template: Template) -> str:
    """Give a database with many customers."""
    url = template.copy()

    async def make() -> None:
        async with a_graph(url) as asking:
            await add_workspace(asking.database.inner, DEFAULT)
            await fill(asking.database.inner, CUSTOMERS, STATISTICS[template.words])

    asyncio.run(make())
    return url


async def scans(asking: Asking, words: str, query: str, variables: Any, **more: Any) -> set[str]:
    """Return the large tables that the statement of a query reads from end to end."""
    asking.database.asked.clear()
    await asking.get(query, variables, **more)
    [(sql, arguments)] = asking.database.asked
    prepare, explain, scan = SCANS[words]
    await asking.database.inner.read(prepare)
    plan = await asking.database.inner.read(explain + sql, arguments)
    told = "\n".join(str(row[-1]) for row in plan)
    tables = {alias: table for table, alias in re.findall(r"(\w+) AS (\w+)", sql)}
    found = {name for names in scan.findall(told) for name in names if name}
    return {tables.get(name, name) for name in found} & LARGE


@pytest.mark.parametrize(
    "order", ["", "orderBy: [{field: CREATED_AT}]", "orderBy: [{field: NAME}]"]
)
async def test_accounts_are_listed_in_the_order_of_an_index(
    template: Template, crowd_url: str, order: str
) -> None:
    given = f"(first: 20, {order})".replace(", )", ")")
    query = f"{{ accounts{given} {{ nodes {{ id name }} pageInfo {{ hasNextPage endCursor }} }} }}"
    async with a_graph(crowd_url) as asking:
        await asking.index()
        assert (await asking.get(query))["accounts"]["nodes"]
        assert await scans(asking, template.words, query, {}) == set()


@pytest.mark.parametrize("question", QUESTIONS)
async def test_a_filter_search_or_order_is_found_by_an_index(
    template: Template, crowd_url: str, question: str
) -> None:
    given = f"({QUESTIONS[question]}, first: 20)".replace("(, ", "(")
    query = f"{{ customers{given} {{ nodes {{ id name traits }} pageInfo {{ hasNextPage endCursor }} }} }}"
    async with a_graph(crowd_url) as asking:
        await asking.index()
        found = await asking.get(query)
        assert found["customers"]["nodes"]
        read = await scans(asking, template.words, query, {})
    # Those without the trait come last, and are not looked for until a page reaches them.
    assert read <= ({"customers"} if "orderBy" in given else set())


async def test_that_no_value_is_cut_is_learned_without_reading_the_values(
    template: Template, crowd_url: str
) -> None:
    async with a_graph(crowd_url) as asking:
        await asking.index()
        asking.database.asked.clear()
        await asking.get('{ customers(where: {trait: {key: "plan", eq: "pro"}}) { nodes { id } } }')
        [(sql, arguments)] = asking.database.asked
        explain = SCANS[template.words][1]
        plan = await asking.database.inner.read(explain + sql, arguments)
    assert "ix_trait_values_cut" in "\n".join(str(row[-1]) for row in plan)


@pytest.mark.parametrize("page", INDEXED)
async def test_no_page_of_a_dashboard_reads_a_table_from_end_to_end(
    template: Template, crowd_url: str, page: str
) -> None:
    text = (PAGES / f"{page}.graphql").read_text()
    async with a_graph(crowd_url) as plain:
        asking = replace(plain, scopes=frozenset({Scope.ADMIN}))
        await asking.index()
        for name in re.findall(r"^query (\w+)", text, re.MULTILINE):
            # Whoever counts a whole list looks at the whole of it.
            uncounted = re.sub(r"^\s*totalCount\n", "", text, flags=re.MULTILINE)
            variables = VARIABLES.get(page)
            found = await scans(asking, template.words, uncounted, variables, operationName=name)
            assert found <= RARELY.get(page, set())
