"""A bounded store of what was made before; what was not used for longest goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Made = TypeVar("Made")


class Lru(Generic[Key, Made]):
    """What was made before, by what it was made of."""

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._made: OrderedDict[Key, Made] = OrderedDict()

    def get(self, key: Key, make: Callable[[], Made]) -> Made:
        """Return what `make` makes, or made earlier; what it raises is not kept."""
        found = self.find(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def find(self, key: Key) -> Made | None:
        """Return what was made earlier; None where it was not, or is not kept any more."""
        found = self._made.get(key)
        if found is not None:
            self._made.move_to_end(key)
        return found

    def keep(self, key: Key, made: Made) -> None:
        """Keep what was made."""
        self._made[key] = made
        if len(self._made) > self._count_max:
            self._made.popitem(last=False)

    def __len__(self) -> int:
        return len(self._made)
