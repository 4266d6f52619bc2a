"""Progress bars on a terminal, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from ingest import progress


@contextmanager
def bars() -> Iterator[progress.Progress]:
    """Give what shows each step on standard error as it is told of it; quiet where nobody watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield progress.quiet
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as shown:
        steps: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in steps:
                steps[step] = shown.add_task(step, total=total)
            shown.update(steps[step], completed=done, total=total)

        yield tell
