"""What is measured of heavy events runs as a whole, and says what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from tests import postgres
from tests.benchmarks import heavy, report
from tests.benchmarks.test_smoke import LINUX, silent, table_of

# Each starts programs one after the other, and others may have the cores.
pytestmark = pytest.mark.timeout(300)


@LINUX
def test_events_with_much_behind_them_are_measured(tmp_path: Path) -> None:
    def missing() -> NoReturn:
        raise postgres.Missing("it takes longer, by the same code")

    found = heavy.measure(12_000, 60, tmp_path, silent, missing)
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table_of(report.render_heavy(found, sync_ms=0.3))
    ]
    assert [row[1] for row in rows] == ["SQLite"] * 3
    alias, link, deletion = found.told[:3]
    for one in (alias, link):
        assert one.rows >= 12_000
    # So few members are cut in the transaction.
    assert deletion.rows < 12_000
    assert all(one.others > 0 and one.longest_wait_ms > 0 for one in found.told)
