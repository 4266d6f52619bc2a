"""What the numbers tell of GraphQL: which operations took how long, and why others were refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.auth import Scope
from api.observe import OPERATIONS_MAX, Metrics
from tests.databases import opened
from tests.http.running import Running, a_calyx


async def ask(calyx: Running, query: str, scope: Scope = Scope.ADMIN, **more: Any) -> Any:
    answer = await calyx.post("/graphql", json={"query": query, **more}, headers=calyx.key(scope))
    return answer.json()


async def numbers(calyx: Running) -> list[str]:
    return (await calyx.client.get("/metrics")).text.splitlines()


async def test_operations_are_timed_by_their_names(one_calyx: Running) -> None:
    await ask(one_calyx, "query First { viewer { scopes } }")
    both = "query First { viewer { scopes } } query Other { viewer { scopes } }"
    await ask(one_calyx, both, operationName="Other")
    await ask(one_calyx, "{ viewer { scopes } }")
    await ask(
        one_calyx, 'mutation Say { identify(input: {userId: "u", traits: {}}) { __typename } }'
    )
    lines = await numbers(one_calyx)
    for kind, name in (
        ("query", "First"),
        ("query", "Other"),
        ("query", "(unnamed)"),
        ("mutation", "Say"),
    ):
        labels = f'{{kind="{kind}",operation="{name}"}}'
        assert f"calyx_graphql_seconds_count{labels} 1.0" in lines
    assert 'calyx_receipts_total{outcome="APPLIED"} 1.0' in lines


async def test_what_did_not_run_leaves_no_name_and_its_code_is_counted(database_url: str) -> None:
    async with a_calyx(database_url, nodes=1, graphql_cost_max=50) as calyx:
        page = "query Dear { customers(first: 51) { nodes { id } } }"
        assert "errors" in await ask(calyx, page)
        assert "errors" in await ask(calyx, "query Deep { a" + " { a" * 20 + "}" * 20 + "}")
        assert "errors" in await ask(calyx, "query Log { auditLog { totalCount } }", Scope.READ)
        assert "errors" in await ask(calyx, "query Wrong { nothing }")
        assert "errors" in await ask(calyx, "query")
        lines = await numbers(calyx)
    codes = {"COST_LIMIT": 1, "DEPTH_LIMIT": 1, "FORBIDDEN": 1, "BAD_USER_INPUT": 2}
    told = [line for line in lines if line.startswith("calyx_graphql_errors_total")]
    assert sorted(told) == sorted(
        f'calyx_graphql_errors_total{{code="{code}"}} {count:.1f}' for code, count in codes.items()
    )
    assert not [line for line in lines if line.startswith("calyx_graphql_seconds_count")]


@pytest.mark.parametrize("length", [1, 65])
def test_there_are_no_more_names_than_are_told_apart(length: int) -> None:
    metrics = Metrics()
    for number in range(OPERATIONS_MAX + 50):
        with metrics.graphql.timed("query", "q" * length + str(number)):
            pass
    lines = metrics.text().decode().splitlines()
    counts = [line for line in lines if line.startswith("calyx_graphql_seconds_count")]
    others = {1: 50, 65: OPERATIONS_MAX + 50}[length]
    assert len(counts) == (OPERATIONS_MAX + 1 if length == 1 else 1)
    assert f'calyx_graphql_seconds_count{{kind="query",operation="(other)"}} {others}.0' in counts


async def test_connections_that_read_are_told(one_calyx: Running) -> None:
    size = one_calyx.database.readers.size
    assert size > 0
    lines = await numbers(one_calyx)
    assert f'calyx_readers{{database="primary"}} {size}.0' in lines
    assert [line for line in lines if line.startswith('calyx_readers_busy{database="primary"}')]


async def test_a_connection_is_busy_while_it_reads(database_url: str) -> None:
    async with opened(database_url) as database:
        reading = asyncio.create_task(database.read("select count(*) from events"))
        busy = set()
        while not reading.done():
            busy.add(database.readers.busy)
            await asyncio.sleep(0)
        await reading
        assert busy == {0, 1}
        assert database.readers.busy == 0
