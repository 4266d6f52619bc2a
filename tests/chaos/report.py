"""Say what a run of chaos did and found: on the terminal as in docs/reliability.md."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.plan import Outcome, Scenario

ROOT = Path(__file__).parents[2]
RECORD = ROOT / "docs" / "reliability.md"

_HEADS = ("scenario", "done", "acknowledged", "stored", "found", "seconds", "figures")
_RECORD_HEADS = (
    "scenario", "goal", "done", "acknowledged", "stored", "found", "figures", "day, commit, seed",
)  # fmt: skip
_BEGIN = "## What was counted\n\n"
_END = "\n\n## "


def render(outcomes: Sequence[Outcome]) -> str:
    """Return a table as Markdown that is as well read as plain text."""
    rows = [list(_HEADS), *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([lines[0], rule, *lines[1:]])


def line(outcome: Outcome) -> str:
    """Return what came of a scenario in one line."""
    return "  ".join(_row(outcome))


def record(
    scenario: Scenario, outcome: Outcome, seed: int, began: str, path: Path = RECORD
) -> None:
    """Write the row of a scenario into the record, in the place of an older one.

    `began` is the day and the commit at which it did.
    """
    text = path.read_text()
    head, rest = text.split(_BEGIN, 1)
    table, tail = rest.split(_END, 1)
    rows = {row.split("|")[1].strip(): row for row in table.split("\n")[4:] if row}
    name, done, acknowledged, stored, found, _, figures = _row(outcome)
    when = f"{began}, {seed}"
    cells = (name, scenario.goal, done, acknowledged, stored, found, figures, when)
    rows[name] = f"| {' | '.join(cells)} |"
    heads = [f"| {' | '.join(_RECORD_HEADS)} |", f"|{' --- |' * len(_RECORD_HEADS)}"]
    whole = "\n".join([machine(), "", *heads, *(rows[each] for each in sorted(rows))])
    path.write_text(f"{head}{_BEGIN}{whole}{_END}{tail}")


def machine() -> str:
    """Return on what a run was made."""
    return (
        f"Machine: {_processor()}, {os.cpu_count()} cores shared with other work,"
        f" {platform.system()} {platform.release()}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}."
    )


def _row(outcome: Outcome) -> list[str]:
    done = ", ".join(f"{count:,} {what}" for what, count in outcome.did.items()) or "nothing"
    found = "nothing" if outcome.is_well else f"{len(outcome.troubles)} TROUBLES"
    return [
        outcome.name,
        done,
        f"{outcome.acknowledged:,}",
        f"{outcome.stored:,}",
        found,
        f"{outcome.seconds:.0f}",
        "; ".join(outcome.notes),
    ]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((one.split(": ", 1)[1] for one in lines if one.startswith("model name")), "unknown")


def commit() -> str:
    """Return what is checked out."""
    words = ("git", "rev-parse", "--short=7", "HEAD")
    said = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT)
    return said.stdout.strip() or "no commit"
