"""How long work tells how far it has come."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""What hears how far a step has come: its name, how much of it is done, and of how much."""


def quiet(_step: str, _done: int, _total: int) -> None:
    """Tell nobody."""
