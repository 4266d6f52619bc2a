"""What is measured of large databases and of limits runs as a whole, and says what it saw."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path
from typing import NoReturn

import pytest

from tests import postgres
from tests.benchmarks import aged, limits, plot, report, slow_sync
from tests.benchmarks.load import Messages, Plan, Run
from tests.benchmarks.run import Results
from tests.benchmarks.test_smoke import LINUX, TINY, silent, table_of

# Each starts servers one after the other, and others may have the cores.
pytestmark = pytest.mark.timeout(300)


@LINUX
def test_what_is_left_of_the_rate_is_measured_at_each_size(tmp_path: Path) -> None:
    found = aged.measure(60, 120, TINY, tmp_path, silent)
    printed = report.render_ages(found, TINY, sync_ms=0.3)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table_of(printed)]
    kinds = ["SQLite"] + ([] if found.absent else ["PostgreSQL"])
    assert [row[:2] for row in rows] == [[kind, "60 customers, 120 events"] for kind in kinds]
    for one in found.found:
        wrote = aged.middle(one)
        assert aged.ratio(one) > 0
        assert wrote.memory_mb > 0
        assert one.stored_bytes > 0
        assert (wrote.log_bytes is not None) == (one.database == "PostgreSQL")
    shown = report.draw_ages(found, date(2026, 3, 1), tmp_path)
    assert shown == plot.MISSING or (tmp_path / "benchmarks/age-2026-03-01.png").exists()


@LINUX
def test_limits_are_measured_beside_usual_loads(tmp_path: Path) -> None:
    def missing() -> NoReturn:
        raise postgres.Missing("it takes longer, by the same code")

    found = limits.compare(TINY, tmp_path, silent, missing)
    printed = report.render(Results(TINY, found.comparisons, {}, 0.3, about=found.about))
    named = [row.split("|")[2].strip() for row in table_of(printed)]
    loops = [limits.CLOSED, "open loop, 50% of that due", "open loop, 90% of that due"]
    assert named[:3] == loops
    overload = "open loop, 10 times that due"
    assert {limits.SLOW, limits.PEER, limits.POST, limits.INSERTS, overload} < set(named)
    assert "with 10 times as much due." in printed


@LINUX
def test_what_waits_to_be_sent_waits_from_when_it_was_due() -> None:
    what = Messages(seed=1, customers=10, drafts=10)
    plan = Plan(1, "/", {}, 1, 0.0, 0.0, os.getpid(), what, a_second=100.0)
    run = Run(plan)
    first = run.due()
    # Whatever was answered meanwhile, and whatever was not.
    assert [run.due() - first for _ in range(3)] == pytest.approx([0.01, 0.02, 0.03])
    for late in (0.0, 5.0):
        run.answered(first - late, failure=None)
    assert run.measured().p50_ms >= 5_000


@LINUX
def test_a_sync_is_slower_where_it_is_made_so(tmp_path: Path) -> None:
    slow = slow_sync.settings(tmp_path)
    if slow is None:
        pytest.skip("there is no C compiler on this machine")
    assert slow_sync.sync_ms(tmp_path, slow) >= slow_sync.MORE_MS
