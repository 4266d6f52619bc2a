"""One run: writing, reading or both, on this machine and this disk."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.benchmarks import dashboards, limits, reads, writes
from tests.benchmarks.comparison import Comparison, Say, Sizes

QUICK = Sizes(
    rounds=1,
    seconds=0.5,
    warm_up_seconds=0.2,
    senders=1_000,
    drafts=1_000,
    customers=600,
    accounts=60,
)
"""Enough to see that it runs; its figures mean nothing."""

SYNC_BYTES = 4_096

_SYNCS = 50


@dataclass(frozen=True)
class Results:
    """All that one run measured."""

    sizes: Sizes
    comparisons: list[Comparison]
    rows_read: dict[str, int]
    sync_ms: float
    stored: int = 0
    """Events that were written, and found stored."""
    about: list[str] = field(default_factory=list)
    """The versions of all but Calyx."""


def measure(what: str, sizes: Sizes, folder: Path, say: Say, *, installs: bool = False) -> Results:
    """Return what was measured of `ingest`, `read` or `all`, with files in `folder`.

    If it `installs`, it gets the packages of the peers on Node first; else those without are left out.
    """
    comparisons: list[Comparison] = []
    rows_read: dict[str, int] = {}
    stored, about = 0, []
    if what in {"ingest", "all"}:
        written = writes.compare(sizes, folder, say, installs=installs)
        comparisons += written.comparisons
        stored, about = written.stored, written.about
    if what in {"read", "all"}:
        found, rows_read = reads.compare(sizes, folder, say)
        comparisons += found
    if what == "limits":
        limits_found = limits.compare(sizes, folder, say, installs=installs)
        comparisons, about = limits_found.comparisons, limits_found.about
    if what == "dashboards":
        measured = dashboards.compare(sizes, folder, say, installs=installs)
        comparisons += measured.comparisons
        about = measured.about
    return Results(sizes, comparisons, rows_read, sync_ms(folder), stored, about)


def sync_ms(folder: Path) -> float:
    """Return how long the disk under a folder takes to make a small write durable: the median."""
    times = []
    with (folder / "sync").open("wb") as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter()
            file.write(bytes(SYNC_BYTES))
            file.flush()
            os.fsync(file.fileno())
            times.append(1_000 * (time.perf_counter() - begun))
    return median(times)
