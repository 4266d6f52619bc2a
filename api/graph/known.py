"""Which customers match a filter, as whoever subscribed to it knows, and what they are told next. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping

from api.graph.ids import KEY_BYTES
from api.graph.told import NOTHING, Change

Found = Mapping[bytes, tuple[bytes, bool] | None]
"""Whom keys find, and whether these match; None for a key that finds nobody."""


class Known:
    """The keys of those who match: sorted and packed, for there may be many in many subscriptions."""

    def __init__(self, keys: Iterable[bytes]) -> None:
        self._packed = bytearray(b"".join(sorted(keys)))

    def __len__(self) -> int:
        return len(self._packed) // KEY_BYTES

    def __getitem__(self, place: int) -> bytes:
        if not 0 <= place < len(self):
            raise IndexError(place)
        return bytes(self._packed[place * KEY_BYTES : (place + 1) * KEY_BYTES])

    def __contains__(self, key: object) -> bool:
        if not isinstance(key, bytes):
            return False
        place = bisect_left(self, key)
        return place < len(self) and self[place] == key

    def take(
        self, found: Found, touched: Mapping[bytes, bytes], beside: Mapping[bytes, bytes]
    ) -> Iterator[Change]:
        """Yield what a piece of the log changed, and know it from now on.

        `touched` and `beside` are the keys looked at, each with its event: of those whom the events are
        about, and of members of their accounts, who at most came to match or ceased to.
        """
        now: dict[bytes, tuple[bool, bytes]] = {}
        about: set[bytes] = set()
        for key, customer in found.items():
            cause = touched.get(key) or beside[key]
            if key in self and (customer is None or customer[0] != key):
                self._remove(key)
                yield Change("LEFT", key, cause, shown=False)
            if customer is not None:
                if customer[0] == key or customer[0] not in now:
                    now[customer[0]] = customer[1], cause
                if key in touched:
                    about.add(customer[0])
        for key, (matches, cause) in now.items():
            knew = key in self
            if matches and not knew:
                self._add(key)
                yield Change("ENTERED", key, cause)
            elif knew and not matches:
                self._remove(key)
                yield Change("LEFT", key, cause)
            elif knew and key in about:
                yield Change("CHANGED", key, cause)

    def replace(self, keys: Iterable[bytes]) -> Iterator[Change]:
        """Yield who came and who went, now that these are all who match."""
        before, now = set(self), set(keys)
        for key in sorted(before - now):
            yield Change("LEFT", key)
        for key in sorted(now - before):
            yield Change("ENTERED", key)
        self._packed = bytearray(b"".join(sorted(now)))

    def __iter__(self) -> Iterator[bytes]:
        return (self[place] for place in range(len(self)))

    def _add(self, key: bytes) -> None:
        at = bisect_left(self, key) * KEY_BYTES
        self._packed[at:at] = key

    def _remove(self, key: bytes) -> None:
        at = bisect_left(self, key) * KEY_BYTES
        del self._packed[at : at + KEY_BYTES]


def change(before: bytes | None, now: bytes | None, cause: bytes | None) -> Change | None:
    """Return what is told of one customer who had one key and now has another; None where it is nothing."""
    if now is None:
        return None if before is None else Change("LEFT", before, shown=False)
    if before is None:
        return Change("ENTERED", now, cause or NOTHING)
    if cause is None:
        return None if before == now else Change("CHANGED", now)
    return Change("CHANGED", now, cause)
