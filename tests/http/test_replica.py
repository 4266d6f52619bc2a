"""A streaming replica answers queries while it keeps up; what was written is read where it was written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg
import pytest

from api.auth import Scope
from models.database_replica import Lag
from tests.databases import PostgresTemplate
from tests.http.running import Running, a_calyx
from tests.postgres import Server

Pair = tuple[Server, Server]
LAG_SECONDS_MAX = 2.0
QUERY = '{ customer(userId: "u1") { traits } }'
SIGN_UP = 'mutation { signUp(input: {userId: "u%d"}) { customer { userId } userErrors { code } } }'


@pytest.fixture(scope="module")
def template(postgres_pair: Pair) -> Iterator[PostgresTemplate]:
    with PostgresTemplate.made(postgres_pair[0].url) as template:
        yield template


@pytest.fixture
async def calyx(postgres_pair: Pair, template: PostgresTemplate) -> AsyncIterator[Running]:
    """Give a Calyx that reads the replica: one, for each says of itself how far it sees it behind."""
    url = await asyncio.to_thread(template.copy)
    read_url = f"{postgres_pair[1].url}/{url.rsplit('/', 1)[1]}"
    lag = LAG_SECONDS_MAX
    given = {"read_database_url": read_url, "read_lag_seconds_max": lag}
    async with a_calyx(url, nodes=1, **given) as running:
        await until(running, lambda status, _: status == "ready")
        yield running


async def until(calyx: Running, holds: Callable[[str, str], bool]) -> None:
    """Wait until readiness says so; it is served all the while."""
    async with asyncio.timeout(15):
        while True:
            answer = await calyx.client.get("/readyz")
            assert answer.status_code == 200, answer.text
            if holds(answer.json()["status"], answer.json()["message"]):
                return
            await asyncio.sleep(0.1)


async def identify(calyx: Running, plan: str) -> None:
    body = {"type": "identify", "userId": "u1", "messageId": plan, "traits": {"plan": plan}}
    assert (await calyx.post("/segment", json=body)).status_code == 200


async def ask(calyx: Running, query: str, scope: Scope = Scope.READ) -> Any:
    answer = await calyx.post("/graphql", json={"query": query}, headers=calyx.key(scope))
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


async def plan(calyx: Running) -> str | None:
    customer = (await ask(calyx, QUERY))["customer"]
    return None if customer is None else customer["traits"]["plan"]


async def on(server: Server, sql: str) -> None:
    connection = await asyncpg.connect(server.url.replace("+asyncpg", "") + "/postgres")
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def test_queries_are_answered_by_the_replica(calyx: Running, postgres_pair: Pair) -> None:
    await identify(calyx, "pro")
    for _ in range(50):
        if await plan(calyx) == "pro":
            break
        await asyncio.sleep(0.1)
    await on(postgres_pair[1], "SELECT pg_wal_replay_pause()")
    try:
        await identify(calyx, "free")
        # An answer that is behind can only come from the replica.
        assert await plan(calyx) == "pro"
    finally:
        await on(postgres_pair[1], "SELECT pg_wal_replay_resume()")


async def test_a_mutation_answers_with_what_it_wrote_and_a_new_key_works_while_the_replica_stands(
    calyx: Running, postgres_pair: Pair
) -> None:
    await on(postgres_pair[1], "SELECT pg_wal_replay_pause()")
    try:
        for number in range(5):
            payload = (await ask(calyx, SIGN_UP % number, Scope.WRITE))["signUp"]
            assert payload == {"customer": {"userId": f"u{number}"}, "userErrors": []}
    finally:
        await on(postgres_pair[1], "SELECT pg_wal_replay_resume()")


async def test_a_replica_that_lags_is_said_and_left_aside_until_it_keeps_up(
    calyx: Running, postgres_pair: Pair
) -> None:
    await on(postgres_pair[1], "SELECT pg_wal_replay_pause()")
    try:
        await identify(calyx, "late")
        await until(calyx, lambda status, told: status == "lagging" and "seconds behind" in told)
        assert await plan(calyx) == "late"
        metrics = (await calyx.client.get("/metrics")).text
        (line,) = [x for x in metrics.splitlines() if x.startswith("calyx_replica_lag_seconds ")]
        assert float(line.split()[1]) > LAG_SECONDS_MAX
    finally:
        await on(postgres_pair[1], "SELECT pg_wal_replay_resume()")
    await until(calyx, lambda status, _: status == "ready")
    assert await plan(calyx) == "late"


async def test_without_its_replica_it_answers_every_query_and_takes_it_back(
    calyx: Running, postgres_pair: Pair
) -> None:
    await identify(calyx, "alone")
    asking = asyncio.create_task(keep_asking(calyx))
    await asyncio.to_thread(postgres_pair[1].stop)
    await until(calyx, lambda status, told: status == "lagging" and "does not answer" in told)
    assert await plan(calyx) == "alone"
    await asyncio.to_thread(postgres_pair[1].start)
    await until(calyx, lambda status, _: status == "ready")
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_without_its_primary_the_replica_goes_on_answering(
    calyx: Running, postgres_pair: Pair
) -> None:
    await identify(calyx, "last")
    await until(calyx, lambda status, _: status == "ready")
    await asyncio.sleep(2)
    assert await plan(calyx) == "last"
    await asyncio.to_thread(postgres_pair[0].stop, "fast")
    try:
        body = {"type": "identify", "userId": "u1", "traits": {"plan": "unheard"}}
        assert (await calyx.post("/segment", json=body)).status_code == 503
        for _ in range(3):
            # Long enough for a key to be read again, which the replica has too.
            calyx.clock.forward(3)
            assert await plan(calyx) == "last"
    finally:
        await asyncio.to_thread(postgres_pair[0].start)


async def keep_asking(calyx: Running) -> None:
    while True:
        await plan(calyx)


def test_a_lag_is_known_once_the_replica_reached_what_the_primary_had() -> None:
    lag = Lag()
    assert lag.note(1, 100, 50) is None
    assert lag.note(2, 200, 90) is None
    assert lag.note(3, 300, 100) == 1
    assert lag.note(4, 300, 300) == 0


def test_an_idle_primary_makes_nobody_late() -> None:
    lag = Lag()
    assert [lag.note(at, 100, 100) for at in (1, 500, 9_000)] == [0, 0, 0]
    assert lag.note(9_001, 200, 100) == 0
    assert lag.note(9_004, 200, 100) == 3


def test_without_a_primary_a_replica_is_as_late_as_it_was_seen_to_be() -> None:
    lag = Lag()
    assert lag.note(1, 100, 100) == 0
    assert lag.note(60, None, 100) == 0
    assert lag.note(61, 200, 100) == 0
    assert lag.note(71, None, 100) == 10
