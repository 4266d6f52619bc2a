"""How much goes into one transaction of an import: much where nobody waits, little where others write."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.lines import BLOCK_BYTES

MESSAGES_MAX = 100_000
BYTES_MAX = 128 * 1024 * 1024

_SECONDS_SHARED = 0.15
# Whoever is met often in one transaction is read and written once for all of it.
_SECONDS_ALONE = 4.0
_FIRST_SHARED, _FIRST_ALONE = 500, 20_000
_MESSAGES_MIN = 50
_PAUSE_S_MIN = 0.01
_BLOCK_BYTES_SHARED = 128 * 1024


@dataclass(slots=True)
class Pace:
    """The size of the next transaction, learnt from the last."""

    # Whether others use the database: they are given every other turn.
    shared: bool
    messages: int = 0

    def __post_init__(self) -> None:
        self.messages = _FIRST_SHARED if self.shared else _FIRST_ALONE

    @property
    def block_bytes(self) -> int:
        """Return how much of the source is read at once, which is the least that is stored at once."""
        return _BLOCK_BYTES_SHARED if self.shared else BLOCK_BYTES

    def share(self) -> None:
        """Make room for others, who have turned up."""
        if not self.shared:
            self.shared, self.messages = True, _FIRST_SHARED

    def is_enough(self, messages: int, size: int) -> bool:
        """Return whether so many messages, of so many bytes, are a transaction."""
        return messages >= self.messages or size >= BYTES_MAX

    def learn(self, messages: int, seconds: float) -> float:
        """Take note of a transaction; return how many seconds to wait before the next."""
        aim = _SECONDS_SHARED if self.shared else _SECONDS_ALONE
        if messages:
            fitting = int(messages * aim / max(seconds, 0.001))
            self.messages = max(_MESSAGES_MIN, min(MESSAGES_MAX, 2 * self.messages, fitting))
        # SQLite lets whoever asks first have the next turn, and waiting writers look only now and then.
        return max(seconds, _PAUSE_S_MIN) if self.shared else 0.0
