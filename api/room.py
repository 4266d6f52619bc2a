"""How many may be connected to what is live, and how many are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from api.auth import Caller
from api.errors import Refusal, unavailable
from api.limits import LiveLimits


class Room:
    """The places of one process."""

    def __init__(self, limits: LiveLimits) -> None:
        self.limits = limits
        self.connected = 0
        self.subscriptions = 0
        self.handshakes = 0
        self._by_key: Counter[tuple[int, bytes]] = Counter()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Let in somebody who has not said yet whose they are; raise an UNAVAILABLE refusal where it is full."""
        if self.handshakes >= self.limits.handshakes_max:
            raise _full("too many wait to say whose they are")
        self.handshakes += 1
        try:
            yield
        finally:
            self.handshakes -= 1

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """Give a connection a place; raise an UNAVAILABLE refusal where there is none."""
        key = caller.workspace.id, caller.key
        if self.connected >= self.limits.sockets_max:
            raise _full(f"{self.limits.sockets_max} are connected")
        if self._by_key[key] >= self.limits.sockets_per_key_max:
            raise _full(f"{self.limits.sockets_per_key_max} are connected with this key")
        self.connected += 1
        self._by_key[key] += 1
        try:
            yield
        finally:
            self.connected -= 1
            self._by_key[key] -= 1
            if not self._by_key[key]:
                del self._by_key[key]

    @contextmanager
    def subscription(self) -> Iterator[None]:
        """Count a subscription as long as it goes on."""
        self.subscriptions += 1
        try:
            yield
        finally:
            self.subscriptions -= 1


def _full(why: str) -> Refusal:
    return unavailable(f"there is no room: {why}; try again later", retry_after_seconds=5)
