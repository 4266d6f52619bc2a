"""What a log may not say, whatever is done to us."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog

from api import observe
from tests.chaos.hostile_values import CANARY


@contextmanager
def watched_logs() -> Iterator[list[str]]:
    """Give the log lines that say of a fault of our own, or what nobody may log; they go nowhere else."""
    seen: list[str] = []

    def watch(_logger: Any, method: str, event: MutableMapping[str, Any]) -> Any:
        text = repr(event)
        if method in {"error", "critical"} or CANARY in text or "Traceback" in text:
            seen.append(f"logged: {text[:600]}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[observe.place_instead_of_text, watch], cache_logger_on_first_use=False
    )
    try:
        yield seen
    finally:
        structlog.configure(**before)
