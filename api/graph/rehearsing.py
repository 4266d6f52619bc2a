"""Explain a message: rehearsed where it would be written, then read with the events that beat it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Protocol

from api.graph.failures import bad_input
from api.graph.plan import Field, Leaf
from api.graph.statement import Asked, Compiled
from ingest.accept import Unreadable
from ingest.explain import Explanation
from models.connection import Queries
from models.values import Micros, Workspace


class Explains(Protocol):
    """What explaining needs of ingest."""

    async def explain(
        self, workspace: Workspace, message: Any, *, received_at: Micros, seconds: float
    ) -> Explanation:
        """Return what a message would change; nothing is written."""


async def answer(
    primary: Queries,
    ingest: Explains,
    field: Field,
    compiled: Compiled,
    asked: Asked,
    until: float,
) -> str:
    """Return the JSON text of a field; raise TimedOut when the clock that never steps passes `until`."""
    leaf = field.given("message")
    if not isinstance(leaf, Leaf):
        raise bad_input("`message` must not be null: send a whole message", field.node)
    message, seconds = leaf.read(asked.variables), until - time.monotonic()
    try:
        found = await ingest.explain(
            asked.workspace, message, received_at=asked.now, seconds=seconds
        )
    except Unreadable as error:
        raise bad_input(f"`message` cannot be read: {error}", field.node) from None
    # A replica may not know yet what beats it.
    seconds = max(until - time.monotonic(), 0)
    arguments = compiled.arguments(replace(asked, explained=found))
    text: str = (await primary.read(compiled.sql, arguments, seconds))[0][0]
    return text
