"""Fold many plain messages at once: of the writes of one key only the newest is merged, the others cannot win.

What is merged and how is the fold's; here is only left out what a join of all would overrule anyway.
Where a key is or becomes a flag, every write of it counts, and is taken in the order of stamps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ingest.fold import Profile
from ingest.meaning import Meaning
from ingest.plain import Plain
from models.values import JsonText, Micros

_UNMARKED = Meaning(None, None)


class Gist:
    """What messages, heard in the order of their stamps, say of one customer or account."""

    __slots__ = ("active_last", "at_first", "flags", "said", "traits", "whose")

    def __init__(self, at: Micros) -> None:
        self.at_first = at
        self.active_last: Micros | None = None
        # The newest write of each key, and which message wrote it.
        self.traits: dict[str, JsonText] = {}
        self.whose: dict[str, int] = {}
        # Those keys that any of them wrote a boolean to.
        self.flags: set[str] = set()
        # The messages that write.
        self.said: list[int] = []

    def hear(self, number: int, one: Plain) -> None:
        """Take in what a message writes, which is later than all before."""
        traits = one.traits
        self.said.append(number)
        self.traits.update(traits)
        self.whose.update(dict.fromkeys(traits, number))
        if one.flags:
            self.flags.update(one.flags)

    def flags_of(self, fold: Profile) -> set[str]:
        """Return the keys of which every write counts."""
        known = fold.traits
        held = {key for key in self.traits if key in known and known[key].flag}
        return held | self.flags

    def merge(self, fold: Profile, batch: Sequence[Plain]) -> bool:
        """Take all of it into `fold`; answer whether its flags are still exact."""
        fold.see(self.at_first, active=False)
        if self.active_last is not None:
            fold.see(self.active_last, active=True)
        flags = self.flags_of(fold)
        newest: dict[int, dict[str, JsonText]] = {}
        for key, number in self.whose.items():
            if key not in flags:
                newest.setdefault(number, {})[key] = self.traits[key]
        for number, traits in newest.items():
            fold.write(batch[number].stamp, traits, _UNMARKED)
        return self._merge_flags(fold, batch, flags) if flags else True

    def standing(self, fold: Profile, batch: Sequence[Plain]) -> Iterator[int]:
        """Yield the messages of which a write stands."""
        known = fold.traits
        for key, number in self.whose.items():
            if known[key].stamp == batch[number].stamp:
                yield number

    def _merge_flags(self, fold: Profile, batch: Sequence[Plain], flags: Iterable[str]) -> bool:
        exact = True
        wanted = sorted(flags)
        for number in self.said:
            traits = batch[number].traits
            written = {key: traits[key] for key in wanted if key in traits}
            if written:
                exact = fold.write(batch[number].stamp, written, _UNMARKED) and exact
        return exact
