"""How long work tells how far it has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""What hears how far a step has come: its name, how much of it is done, and of how much."""


def quiet(_step: str, _done: int, _total: int) -> None:
    """Tell nobody."""


def counting(progress: Progress, step: str, total: int) -> Callable[[int], None]:
    """Return what hears that so much more of a step is done, and tells how much it is by then."""
    done = 0

    def watch(count: int) -> None:
        nonlocal done
        done += count
        progress(step, done, total)

    return watch
