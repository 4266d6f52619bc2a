"""Nothing acknowledged is lost when a node or a database is killed, and what would be lost is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.database import Unavailable, open_database
from tests.cluster.oracle import judge, longest_gap
from tests.cluster.scenarios import Plan, cluster
from tests.databases import PostgresTemplate

# Servers run as programs of their own, on a server of their own; this one says whether there is any.
with_postgres = pytest.mark.usefixtures("postgres_server")

QUICK = Plan(seed=1, seconds=1, outage_seconds=0.3, pace_seconds=0.05)


def silent(_line: str) -> None:
    """Say nothing: a test that fails shows the whole result."""


@with_postgres
async def test_a_killed_node_and_a_killed_primary_lose_and_double_nothing() -> None:
    async with cluster(QUICK, silent) as made:
        for result in (
            await made.run("node kill", made.kill_node),
            await made.run("failover", made.kill_primary),
        ):
            assert result.is_well, (result.name, result.verdict, result.tally.unexpected)
            assert result.verdict.acknowledged > 100
            assert result.reads > 20
        assert await made.stale() == 0
        assert await made.errors() == []


@with_postgres
async def test_without_a_synchronous_standby_the_loss_is_seen() -> None:
    plan = replace(QUICK, synchronous=False, balancer="own", nodes=1)
    async with cluster(plan, silent) as made:
        result = await made.run("failover", made.kill_primary)
        assert result.verdict.lost > 0
        assert not result.is_well


async def test_hosts_of_which_none_is_a_primary_are_unavailable(
    postgres_template: PostgresTemplate,
) -> None:
    user, _, host = postgres_template.server.rpartition("@")
    url = f"{user}@/{postgres_template.name}?host={host},{host}"
    with pytest.raises(Unavailable):
        await open_database(f"{url}&target_session_attrs=standby")
    await (await open_database(f"{url}&target_session_attrs=primary")).close()


def test_the_oracle_tells_what_is_lost_double_torn_and_made_up() -> None:
    sent = [("a1", "a2"), ("b1", "b2"), ("c1",), ("d1",)]
    assert judge(sent, {"a1", "a2"}, ["a1", "a2", "b1", "b2", "c1"]).is_well
    assert judge(sent, {"c1", "d1"}, ["c1"]).lost == 1
    assert judge(sent, {"c1"}, ["c1", "c1"]).duplicated == 1
    assert judge(sent, set(), ["a1", "b1", "b2"]).torn == 1
    assert judge(sent, set(), ["e1"]).foreign == 1


def test_the_longest_gap_counts_from_the_beginning_to_the_end() -> None:
    assert longest_gap([], 1.0, 4.0) == 3.0
    assert longest_gap([2.0, 2.5, 9.0], 1.0, 4.0) == 1.5
    assert longest_gap([3.9, 1.5], 1.0, 4.0) == pytest.approx(2.4)
