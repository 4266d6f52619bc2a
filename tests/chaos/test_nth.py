"""A fault at any SQL call shows nowhere once the request was sent again; a planted bug is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import nth, planted
from tests.chaos.grounds import Ground, postgres_ground, sqlite_ground
from tests.chaos.nth import fail_all_of, fail_one, without_faults
from tests.chaos.plan import Outcome, Plan
from tests.chaos.planted_faults import Faults, When
from tests.databases import SqliteTemplate, Template


@pytest.fixture
def ground(template: Template, sqlite_template: SqliteTemplate) -> Ground:
    make = {"sqlite": sqlite_ground, "postgres": postgres_ground}[template.words]
    return make(template, sqlite_template)


@pytest.mark.parametrize("when", When, ids=lambda when: when.value)
async def test_a_call_that_fails_leaves_nothing_behind(
    ground: Ground, when: When, tmp_path: Path
) -> None:
    outcome = Outcome(nth.SCENARIOS[0].name)
    await fail_all_of(ground, when, Plan(20, tmp_path, count=24), outcome)
    assert outcome.troubles == []
    assert outcome.did[f"faults on {ground.name}"] >= 2


async def test_a_log_that_is_committed_before_its_fold_is_found(
    sqlite_template: SqliteTemplate,
) -> None:
    ground = sqlite_ground(sqlite_template, sqlite_template)
    with planted.growing("log-apart-from-fold"):
        expected, calls = await without_faults(ground)
        for place in range(1, calls):
            if await fail_one(ground, Faults(place, When.BEFORE), expected):
                return
    raise AssertionError("not found")
