"""A short share of the chaos, and the bugs that it must find."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.plan import Plan, Scenario, outcome_of
from tests.chaos.scenarios import SCENARIOS

SEED = 11
# What a server loses depends on the moment it is killed at, so a bug may stay unseen a few times.
TRIES_MAX = 12
NAMED = {one.name: one for one in SCENARIOS}
# How much of each. A server of PostgreSQL of their own is for the command alone.
SHARE = {
    "kills-sqlite": 2,
    "kills-workers": 3,
    "disk-full": 1,
    "connections": 6,
    "clocks": 3,
    "sigterm": 2,
    "permuted": 8,
    "hostile": 400,
}
# Those whose bug shows soon; `python -m tests.chaos --planted` plants them all.
BITING = {"kills-sqlite": 1, "sigterm": 2, "permuted": 24, "hostile": 400}


def share(
    postgres_server: str, folder: Path, count: int, planted: str | None = None, seed: int = SEED
) -> Plan:
    return Plan(seed, folder, quick=True, count=count, planted=planted, server=postgres_server)


@pytest.mark.parametrize("name", SHARE)
async def test_what_is_hurt_keeps_all_it_acknowledged(
    name: str, postgres_server: str, tmp_path: Path
) -> None:
    scenario: Scenario = NAMED[name]
    outcome = await outcome_of(scenario, share(postgres_server, tmp_path, SHARE[name]))
    assert outcome.troubles == []
    assert sum(outcome.did.values()) >= SHARE[name]


@pytest.mark.parametrize("name", BITING)
async def test_a_planted_bug_is_found(name: str, postgres_server: str, tmp_path: Path) -> None:
    scenario = NAMED[name]
    for seed in range(SEED, SEED + TRIES_MAX):
        plan = share(postgres_server, tmp_path, BITING[name], scenario.plant, seed)
        if (await outcome_of(scenario, plan)).troubles:
            return
    raise AssertionError("not found")


def test_there_is_a_bug_for_each_scenario() -> None:
    assert all(one.plant for one in SCENARIOS)
    assert NAMED.keys() >= SHARE.keys() | BITING.keys()
