"""What a mutation that is more than a stated fact is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from api.auth import Caller
from api.graph import stating
from api.graph.rehearsing import Explains
from api.graph.statement import Stated
from ingest import audit
from ingest.audit import Entry
from models.database import Database
from models.values import Micros, Quarantined, Receipt, Workspace


class States(Explains, Protocol):
    """What mutations, and explaining, need of ingest."""

    async def state(
        self,
        workspace: Workspace,
        message: Mapping[str, Any],
        *,
        received_at: Micros,
        by: audit.Entry | None = None,
    ) -> Receipt:
        """Return, once it is durable, what became of a message."""

    async def retry(
        self, workspace: Workspace, key: bytes, *, now: Micros, correction: Any = None
    ) -> Receipt | Quarantined | None:
        """Return, once it is durable, what became of a held message that is tried again."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Who asks for it, when, and what it works on; `entry` is what the audit will say of it."""

    database: Database
    ingest: States
    caller: Caller
    now: Micros
    entry: Entry
    new_id: Callable[[], str]
    message_bytes_max: int

    @property
    def workspace(self) -> Workspace:
        """Return the workspace of whoever asks."""
        return self.caller.workspace


@dataclass(frozen=True, slots=True)
class Done:
    """What was done: what the payload is read from, and what no statement may see."""

    stated: Stated
    # Shown once, and never bound to a statement: databases log what they are sent.
    secret: str | None = None
    # Set where nothing was written along with it: what the audit is told instead.
    noted: Entry | None = None
    # Whether the message was held before and is so still: no fault of this request.
    waits: bool = False


Act = Callable[[Desk, stating.Input], Awaitable[Done | stating.Refused]]
"""Do what a mutation asks for, and write the desk's entry along with it; or say what is wrong."""
