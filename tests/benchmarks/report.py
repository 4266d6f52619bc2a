"""Say what was measured, on what machine and at which commit: on the terminal as in docs/benchmarks.md."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from datetime import date
from pathlib import Path

from tests.benchmarks import aged, plot
from tests.benchmarks.aged import Ages
from tests.benchmarks.comparison import Comparison, Sizes
from tests.benchmarks.heavy import Heavy
from tests.benchmarks.imports import Imports
from tests.benchmarks.load import Measured
from tests.benchmarks.run import SYNC_BYTES, Results
from tests.benchmarks.servers import ROOT

RECORD = ROOT / "docs" / "benchmarks.md"

_HEADS = (
    "load",
    "server",
    "a second",
    "p50 ms",
    "p99 ms",
    "CPU µs each",
    "database µs",
    "ratio",
)
_AGE_HEADS = (
    "database",
    "before",
    "events a second",
    "ratio",
    "p99 ms",
    "CPU µs each",
    "bytes written each",
    "of them log",
    "bytes stored each",
    "memory MB",
)
# Where the load had a core all to itself and used it up, the server was not what was measured.
_BUSY_MAX = 0.9
_FINE_BELOW = 10
_WORD_COLUMNS = 2


def render(results: Results) -> str:
    """Return a run as Markdown that is as well read as plain text."""
    lines = [_table(results.comparisons), "", *_notes(results)]
    return "\n".join(lines)


def record(text: str, today: date, path: Path = RECORD) -> None:
    """Append what a run comes to, as it is rendered, to the record, under its day and commit."""
    before = path.read_text().rstrip("\n")
    path.write_text(f"{before}\n\n### {today.isoformat()}, {_commit()}\n\n{text}\n")


def render_imports(found: Imports, sync_ms: float) -> str:
    """Return a run of imports as Markdown."""
    rows = [["import into", "", "events a second", "seconds", "CPU µs each", "database µs"]]
    for one in found.imports:
        database = one.database_cpu_micros
        figures = [one.events / one.seconds, one.seconds, one.cpu_micros]
        told = [f"{figure:,.0f}" for figure in figures]
        rows.append([one.database, one.into, *told, "" if database is None else f"{database:,.0f}"])
    return _noted(rows, found, sync_ms)


def render_heavy(found: Heavy, sync_ms: float) -> str:
    """Return a run of heavy events as Markdown."""
    heads = ["event", "", "seconds", "others waited ms", "others", "rows read", "peak MB", "before"]
    rows = [heads]
    for one in found.told:
        figures = [one.longest_wait_ms, one.others, one.rows, one.memory_mb, one.memory_before_mb]
        told = [f"{one.seconds:,.1f}", *(f"{figure:,.0f}" for figure in figures)]
        rows.append([one.name, one.database, *told])
    return _noted(rows, found, sync_ms)


def _noted(rows: list[list[str]], found: Imports | Heavy, sync_ms: float) -> str:
    notes = [*_machine(sync_ms), *(f"{each}." for each in found.about)]
    if found.absent is not None:
        notes.append(f"PostgreSQL: not measured: {found.absent}.")
    return "\n".join([_aligned(rows), "", *(f"- {note}" for note in notes)])


def render_ages(ages: Ages, sizes: Sizes, sync_ms: float) -> str:
    """Return a run on databases of several sizes as Markdown."""
    rows = [list(_AGE_HEADS)]
    database = ""
    for one in ages.found:
        did, wrote = aged.rate(one), aged.middle(one)
        figures = [did.p99_ms, did.cpu_micros, wrote.disk_bytes, wrote.log_bytes]
        told = ["" if figure is None else f"{figure:,.0f}" for figure in figures]
        rows.append(
            [
                "" if one.database == database else one.database,
                f"{one.customers:,} customers, {one.events:,} events",
                f"{did.per_second:,.0f}",
                f"{aged.ratio(one):.2f}",
                *told,
                f"{one.stored_bytes:,.0f}",
                f"{wrote.memory_mb:,.0f}",
            ]
        )
        database = one.database
    load = f"batches of {sizes.batch}, customers evenly"
    notes = [
        *_machine(sync_ms),
        f"Rounds: {_rounds(sizes)}, {load}; the ratio is to an empty database beside it.",
        *(f"{each}." for each in ages.about),
    ]
    if ages.absent is not None:
        notes.append(f"PostgreSQL: not measured: {ages.absent}.")
    warned = _warnings([one.comparison for one in ages.found])
    return "\n".join([_aligned(rows), "", *(f"- {note}" for note in notes + warned)])


def draw_ages(ages: Ages, today: date, folder: Path = RECORD.parent) -> str:
    """Draw rate against size, for a record of today; return how the record shows it, or why not."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for one in ages.found:
        point = (one.customers, aged.rate(one).per_second)
        lines.setdefault(one.database, []).append(point)
    file = Path("benchmarks") / f"age-{today.isoformat()}.png"
    why_not = plot.draw(lines, "customers", "events a second", folder / file)
    return why_not or f"![Events a second against customers]({file.as_posix()})"


def _table(comparisons: list[Comparison]) -> str:
    rows = [list(_HEADS)]
    for comparison in comparisons:
        found = [_measured_row(comparison, *each) for each in comparison.each()]
        found += [["", name, "not measured", *[""] * 5] for name in comparison.absent]
        # The first is what the others are compared with, and the title is said once.
        found[0][-1] = ""
        found[0][0] = comparison.title
        rows += found
    return _aligned(rows)


def _aligned(rows: list[list[str]]) -> str:
    """Return a table of which the first row is the head and the first columns are words."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    rule = ["-" * width for width in widths[:_WORD_COLUMNS]]
    rule += ["-" * (width - 1) + ":" for width in widths[_WORD_COLUMNS:]]
    return "\n".join([lines[0], f"| {' | '.join(rule)} |", *lines[1:]])


def _measured_row(comparison: Comparison, server: str, one: Measured) -> list[str]:
    database, ratio = one.database_cpu_micros, comparison.ratio_to(server)
    return [
        "",
        server,
        f"{one.per_second:,.0f} {comparison.load.unit}",
        f"{one.p50_ms:,.1f}",
        f"{one.p99_ms:,.1f}",
        f"{one.cpu_micros:,.0f}",
        "" if database is None else f"{database:,.0f}",
        f"{ratio:.2f}" if ratio < _FINE_BELOW else f"{ratio:.1f}",
    ]


def _line(cells: list[str], widths: list[int]) -> str:
    padded = [
        cell.ljust(width) if column < _WORD_COLUMNS else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _notes(results: Results) -> list[str]:
    sizes = results.sizes
    notes = [
        *_machine(results.sync_ms),
        f"Rounds: {_rounds(sizes)}, the servers in turn; medians.",
        *(f"{each}." for each in results.about),
    ]
    if results.stored:
        notes.append(
            f"Written: {sizes.senders:,} customers; {results.stored:,} events were answered"
            " with 200, and all of them were stored."
        )
    if results.rows_read:
        counts = ", ".join(f"{count:,} {table}" for table, count in results.rows_read.items())
        notes.append(f"Read: {counts}.")
    return [f"- {note}" for note in notes + _warnings(results.comparisons)]


def _rounds(sizes: Sizes) -> str:
    return f"{sizes.rounds} of {sizes.seconds:g} s after {sizes.warm_up_seconds:g} s"


def _machine(sync_ms: float) -> list[str]:
    python = f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    return [
        f"Machine: {_processor()}, {os.cpu_count()} cores, {platform.system()}; {python}.",
        f"A write of {SYNC_BYTES // 1024} KB is durable after {sync_ms:.2f} ms.",
        f"Calyx: {_commit()}.",
    ]


def _warnings(comparisons: list[Comparison]) -> list[str]:
    found = []
    for comparison in comparisons:
        for server, why in comparison.absent.items():
            found.append(f"{comparison.title}, {server}: not measured: {why}.")
        for server, one in comparison.each():
            where = f"{comparison.title}, {server}"
            if one.failures:
                found.append(f"{where}: {one.failures:,} requests failed and are not counted.")
            if one.load_busy > _BUSY_MAX:
                found.append(f"{where}: the load itself was at its limit; the rate is a floor.")
    return found


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD")
    if not commit:
        return "no commit known"
    changed = _git("status", "--porcelain", "--untracked-files=no")
    return f"commit {commit}{' with changes' if changed else ''}"


def _git(*arguments: str) -> str:
    asked = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip()
