"""What was folded ahead of a transaction, and what a transaction asks for: it goes in where it fits. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ingest.fold import Account, Customer, Membership
from ingest.meaning import Meaning, Place
from models.values import Message, Micros, Stamp

EVENTS_MAX = 10_000
"""Events that a transaction folds again by itself: a quarter of a second, or half of one for members."""

SINCE_MAX = 2_000
"""Events that a transaction takes into what is ready."""

SETTLED = 5_000
"""Numbers behind the last, of which some may belong to a transaction that is under way."""

PAGE = 500
"""Events that are read at once: some 10 ms of work."""

MEMBERS_MAX = 100
"""Members of an account that are each folded again as a whole, with what they have said elsewhere."""

_SUMMED = 2_147_483_647

Deletions = Mapping[str, Micros | None]
"""When accounts were last deleted, by groupId."""


class Inexact(Exception):
    """Folding in order was not exact: a bug, never a state of the world."""


class Key(NamedTuple):
    """Whose events: those `whom` identities said, or those of one account (`account_id`)."""

    by: str
    numbers: frozenset[int]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be folded ahead, with what the log does not have yet."""

    key: Key
    own: tuple[Message, ...] = ()
    deletions: Deletions = field(default_factory=dict)

    @property
    def stamps(self) -> frozenset[Stamp]:
        """Return the stamps of what the log does not have yet."""
        return frozenset(message.stamp for message in self.own)

    def empty(self) -> Folded:
        """Return what is known before anything was read."""
        return Folded(Customer() if self.key.by == "whom" else Account())


@dataclass(frozen=True, slots=True)
class WantedMembers:
    """An account whose places are to be folded ahead, with its last deletion."""

    account: int
    deletion: Micros


class TooMuch(Exception):
    """More would be folded than a transaction may: nothing was stored."""

    def __init__(self, wanted: Sequence[Wanted | WantedMembers]) -> None:
        super().__init__(wanted)
        self.wanted = wanted


class Mark(NamedTuple):
    """Tells one set of events from another: how many there are, and the sum of their times."""

    events: int = 0
    total: int = 0

    @classmethod
    def of(cls, times: Collection[Micros]) -> Mark:
        """Return the mark of events of these times."""
        return cls(len(times), sum(at % _SUMMED for at in times))

    def add(self, at: Micros) -> Mark:
        """Return the mark of these and one more."""
        return Mark(self.events + 1, self.total + at % _SUMMED)

    def less(self, other: Mark) -> Mark:
        """Return the mark of these without others that are among them."""
        return Mark(self.events - other.events, self.total - other.total)


NOTHING = Mark()


def marked(column: str) -> str:
    """Return what a statement selects for a mark."""
    return f"count(*), CAST(coalesce(sum({column} % {_SUMMED}), 0) AS BIGINT)"


@dataclass(slots=True, kw_only=True)
class Heard:
    """Which events were taken, so that a transaction can tell whether they are still all there are."""

    # Those up to this number are told by their mark, those behind it one by one.
    floor: int = 0
    mark: Mark = NOTHING
    recent: dict[int, Micros] = field(default_factory=dict)
    # What else may change an account: how much was erased in the workspace.
    erased: Mark = NOTHING

    def note(self, number: int, at: Micros) -> None:
        """Remember that the event of this number was taken."""
        if number > self.floor:
            self.recent[number] = at
        else:
            self.mark = self.mark.add(at)

    def rise(self, floor: int) -> None:
        """Tell the events up to a later number by their mark."""
        self.floor = max(floor, self.floor)
        for number in [number for number in self.recent if number <= self.floor]:
            self.mark = self.mark.add(self.recent.pop(number))


@dataclass(slots=True)
class Folded(Heard):
    """A customer with its places, or an account, as far as its events were read in the order of their times."""

    fold: Customer | Account
    places: dict[str, Membership] = field(default_factory=dict)
    # Of every account in which it has a place, as that was taken.
    deletions: dict[str, Micros | None] = field(default_factory=dict)
    # What was taken that was not in the log.
    own: frozenset[Stamp] = frozenset()

    def take(self, message: Message, said: Meaning) -> bool:
        """Take what an event states; answer whether that was exact."""
        exact = self.fold.take(said, message.stamp)
        group = said.group_id
        if said.place is not Place.NONE and group is not None and isinstance(self.fold, Customer):
            place = self.places.setdefault(group, Membership())
            exact = place.take(said, message.stamp, self.deletions[group]) and exact
        return exact

    def settle(self, deletions: Deletions) -> bool:
        """Let last deletions that are later than those that were taken cut its places."""
        for group, deletion in deletions.items():
            was = self.deletions.get(group)
            if was is not None and (deletion is None or deletion < was):
                return False
            self.deletions[group] = deletion
            if group in self.places and not self.places[group].settle(deletion):
                return False
        return True

    def copy(self) -> Folded:
        """Return another that may be changed."""
        return deepcopy(self)


@dataclass(slots=True)
class Members(Heard):
    """The places of all who ever were a member of an account, by customer."""

    deletion: Micros
    places: dict[int, Membership] = field(default_factory=dict)
    # Whose the identities were that said something of a place.
    whose: dict[int, int] = field(default_factory=dict)
    # Those of whom this is not sure.
    unsure: set[int] = field(default_factory=set)
    # What is written of those of whom it is, by customer.
    rows: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    # Who has such a row already, in a transaction that must still hold it to what came since.
    written: set[int] = field(default_factory=set)


@dataclass(slots=True)
class Ahead:
    """How much a transaction may fold by itself, and what is ready for it."""

    events_max: int = EVENTS_MAX
    since_max: int = SINCE_MAX
    settled: int = SETTLED
    page: int = PAGE
    members_max: int = MEMBERS_MAX
    ready: dict[Key, Folded] = field(default_factory=dict)
    # By account.
    members: dict[int, Members] = field(default_factory=dict)
