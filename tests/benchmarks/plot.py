"""Draw rates against sizes, where matplotlib is installed: `pip install 'calyx-cdp[bench]'`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

Line = Sequence[tuple[float, float]]
"""Points of one line, by their first figure."""

MISSING = "matplotlib is not installed, so nothing was drawn: pip install 'calyx-cdp[bench]'"


def draw(lines: Mapping[str, Line], across: str, up: str, file: Path) -> str | None:
    """Write a PNG of these lines, the sizes by their logarithm; return why not, if there is none."""
    try:
        matplotlib = import_module("matplotlib")
    except ImportError:
        return MISSING
    # It draws into the file, and needs no screen.
    matplotlib.use("Agg")
    figure, axes = import_module("matplotlib.pyplot").subplots(figsize=(8, 4.5), dpi=100)
    for name, line in lines.items():
        axes.plot(*zip(*line, strict=True), marker="o", label=name)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Without the version that it would write into it, the same figures make the same file.
    figure.savefig(file, bbox_inches="tight", metadata={"Software": None})
    return None
