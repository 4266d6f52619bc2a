"""What a log may not say, whatever is done to us."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from api import observe
from tests.chaos.hostile_values import CANARY


@dataclass
class Seen:
    """The log lines that say of a fault of our own, or what nobody may log."""

    lines: list[str] = field(default_factory=list)
    secrets: Sequence[str] = ()
    """What must be in no line, beside the canary."""

    def is_bad(self, text: str) -> bool:
        """Return whether a line says what nobody may log."""
        return any(word in text for word in (CANARY, "Traceback", *self.secrets))


@contextmanager
def watched_logs() -> Iterator[Seen]:
    """Give what is seen in the log, whose lines go nowhere else."""
    seen = Seen()

    def watch(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        text = repr(event)
        if method in {"error", "critical"} or seen.is_bad(text):
            seen.lines.append(f"logged: {text[:600]}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[observe.place_instead_of_text, watch], cache_logger_on_first_use=False
    )
    try:
        yield seen
    finally:
        structlog.configure(**before)
