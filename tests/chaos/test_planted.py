"""Each oracle bites on a bug that is planted for it."""

from __future__ import annotations

from pathlib import Path

from tests.chaos import kills
from tests.chaos.plan import Outcome, Plan

SEED = 11


def planted(folder: Path, name: str) -> Plan:
    return Plan(SEED, folder, quick=True, count=2, planted=name)


async def test_an_answer_before_the_commit_is_found_by_kills(tmp_path: Path) -> None:
    outcome = Outcome("kills-sqlite")
    await kills.on_sqlite(planted(tmp_path, "acknowledge-before-commit"), outcome)
    assert any("lost" in trouble and " 0 lost" not in trouble for trouble in outcome.troubles)
