"""Which events a log may have, told at a glance, so that an import need not ask for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from models.database import Transaction
from models.values import Workspace

# One byte for each; of a million events in the log, one new event in 64 is asked for in vain.
_SLOT_BITS = 26
_SHIFT = 32 - _SLOT_BITS
_EVENTS_MAX = 1 << 24
_PARTS = 256


class Seen:
    """The slots of all messageIds that a log has; a free slot says that it has no such messageId.

    It holds while nobody else writes. Whatever is asked for is noted at once, so that what is tried
    again after a race is looked up.
    """

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots = bytearray(1 << _SLOT_BITS)

    @classmethod
    async def load(cls, tx: Transaction, workspace: Workspace) -> Self | None:
        """Return what the log has seen, None where that is too much to tell much apart."""
        seen = cls()
        sql = "SELECT key FROM events WHERE workspace_id = ?1 AND key >= ?2 AND key < ?3"
        for part in range(_PARTS):
            # The end of the last is longer than any key.
            end = bytes([part + 1]) if part + 1 < _PARTS else b"\xff" * 17
            rows = await tx.fetch(sql, (workspace.id, bytes([part]), end))
            if len(rows) * _PARTS > _EVENTS_MAX:
                return None
            seen.note(bytes(key) for (key,) in rows)
        return seen

    def note(self, keys: Iterable[bytes]) -> None:
        """Take note of events that are stored now."""
        slots = self._slots
        for key in keys:
            slots[int.from_bytes(key[:4], "big") >> _SHIFT] = 1

    def maybe(self, keys: Iterable[bytes]) -> list[bytes]:
        """Return those of whose messageIds the log may have events, and note all of them."""
        slots = self._slots
        found = []
        for key in keys:
            slot = int.from_bytes(key[:4], "big") >> _SHIFT
            if slots[slot]:
                found.append(key)
            else:
                slots[slot] = 1
        return found
