"""Merge what is said into what is known: join, and nothing else. Pure, and blind to order.

Each method takes one statement with its stamp. It answers True where the join is exact, and False
where a late statement falls between others that are not kept here: then the log must be asked, by
folding the events again in the order of their times, for which every join is exact.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from ingest.meaning import Meaning, Place
from models.values import FALSE, NULL, TRUE, JsonText, Micros, Stamp

Run = tuple[Micros, bool | None]
"""From this moment on a key was true, false, or (None) no boolean."""


@dataclass(slots=True)
class Register:
    """One trait: its newest write, and the newest that Engage marked."""

    stamp: Stamp
    value: JsonText
    marked: Stamp | None = None
    computation: str | None = None
    flag: bool = False


@dataclass(slots=True)
class Profile:
    """What a customer and an account have in common."""

    first_seen: Micros | None = None
    last_active: Micros | None = None
    traits: dict[str, Register] = field(default_factory=dict)
    # The runs of each key that was ever a boolean; those that were not loaded are absent.
    flags: dict[str, list[Run]] = field(default_factory=dict)

    @property
    def last_seen(self) -> Micros:
        """Return when last seen: not before first seen, whatever counted."""
        first = self.first_seen or 0
        return first if self.last_active is None else max(first, self.last_active)

    def see(self, at: Micros, *, active: bool) -> None:
        """Take note of a sighting."""
        self.first_seen = at if self.first_seen is None else min(self.first_seen, at)
        if active:
            self.last_active = at if self.last_active is None else max(self.last_active, at)

    def write(self, stamp: Stamp, traits: Mapping[str, JsonText], said: Meaning) -> bool:
        """Take traits, with their marks; answer whether their flags are still exact."""
        exact = True
        for key, value in traits.items():
            old = self.traits.get(key)
            plain = key not in said.marks and boolean(value, marked=False) is None
            if plain and old is None:
                self.traits[key] = Register(stamp, value)
            elif plain and old is not None and not old.flag and stamp > old.stamp:
                # The common case by far: nothing to merge but the word that stands.
                old.stamp, old.value = stamp, value
            else:
                exact = self._write(stamp, key, value, said) and exact
        return exact

    def _write(self, stamp: Stamp, key: str, value: JsonText, said: Meaning) -> bool:
        old = self.traits.get(key)
        new = Register(stamp, value)
        if key in said.marks:
            new.marked, new.computation = stamp, said.computation
        flag = boolean(value, marked=key in said.marks)
        runs = self.flags.get(key)
        exact = True
        if runs is not None:
            exact = turn(runs, stamp, None if old is None else old.stamp, value=flag)
        elif flag is not None:
            # What other values the key had before is not kept: only what comes last is sure.
            last = old is None or stamp > old.stamp
            # At the very moment of the newest write it was overruled there and then.
            exact = last or (old is not None and stamp.at == old.stamp.at)
            self.flags[key] = [(stamp.at, flag)] if last else []
        new.flag = flag is not None
        self.traits[key] = new if old is None else merge(old, new)
        return exact


@dataclass(slots=True)
class Customer(Profile):
    """A person: the registers of all their ids together."""

    signed_up: Micros | None = None
    # The newest alias among their userIds.
    alias: Stamp | None = None

    def take(self, said: Meaning, stamp: Stamp) -> bool:
        """Take all that a message states of its subject, but for their places in accounts."""
        self.see(stamp.at, active=said.active)
        if said.signed_up:
            self.signed_up = _earliest(self.signed_up, stamp.at)
        return self.write(stamp, said.traits, said)

    def take_alias(self, alias: Stamp | None) -> None:
        """Take note of an alias among its userIds."""
        if alias is not None:
            self.alias = alias if self.alias is None else max(self.alias, alias)

    def join(self, other: Customer) -> bool:
        """Take all that is known of `other`; answer whether that was exact."""
        for seen, active in ((other.first_seen, False), (other.last_active, True)):
            if seen is not None:
                self.see(seen, active=active)
        if other.signed_up is not None:
            self.signed_up = _earliest(self.signed_up, other.signed_up)
        self.take_alias(other.alias)
        exact = True
        for key, theirs in other.traits.items():
            ours = self.traits.get(key)
            if ours is None:
                self.traits[key] = theirs
                if theirs.flag:
                    self.flags[key] = other.flags[key]
                continue
            exact = exact and not (ours.flag or theirs.flag)
            self.traits[key] = merge(ours, theirs)
        return exact


@dataclass(slots=True)
class Account(Profile):
    """A company, team or other group."""

    created: Micros | None = None
    alive: Micros | None = None
    deleted: Micros | None = None
    # The newest of all that says whether it lives; for receipts.
    last_word: Stamp | None = None

    def take(self, said: Meaning, stamp: Stamp) -> bool:
        """Take all that a message states of its account."""
        self.see(stamp.at, active=said.active)
        if said.created:
            self.created = _earliest(self.created, stamp.at)
        if said.alive:
            self.alive = _latest(self.alive, stamp.at)
        if said.deleted:
            self.deleted = _latest(self.deleted, stamp.at)
        if said.alive or said.deleted:
            self.last_word = stamp if self.last_word is None else max(self.last_word, stamp)
        return self.write(stamp, said.account_traits, said)

    @property
    def deleted_at(self) -> Micros | None:
        """Return when it was deleted, None while it lives."""
        if self.deleted is None or (self.alive is not None and self.alive > self.deleted):
            return None
        return self.deleted


@dataclass(slots=True)
class Membership:
    """A customer's place in an account. Its cut is its last removal or the account's last deletion."""

    joined: Micros | None = None
    role: JsonText | None = None
    role_stamp: Stamp | None = None
    last_add: Micros | None = None
    removed: Micros | None = None
    # The newest word of all, for receipts.
    last_word: Stamp | None = None

    def take(self, said: Meaning, stamp: Stamp, deletion: Micros | None) -> bool:
        """Take what a message states of this place; answer whether that was exact."""
        if said.place is Place.ADD:
            return self.add(stamp, said.role, deletion)
        return self.remove(stamp)

    def add(self, stamp: Stamp, role: JsonText | None, deletion: Micros | None) -> bool:
        """Take an add, with a role where it says one; `deletion` is the account's last."""
        self._hear(stamp)
        exact = self.settle(deletion)
        self.last_add = _latest(self.last_add, stamp.at)
        if stamp.at > self._cut(deletion):
            self.joined = _earliest(self.joined, stamp.at)
            if role is not None and (self.role_stamp is None or stamp > self.role_stamp):
                self.role, self.role_stamp = role, stamp
        return exact

    def remove(self, stamp: Stamp) -> bool:
        """Take a removal; answer whether the adds that are left are known."""
        self._hear(stamp)
        if self.removed is not None and stamp.at <= self.removed:
            return True
        self.removed = stamp.at
        if self.joined is None or stamp.at < self.joined:
            return True
        if self.last_add is not None and stamp.at < self.last_add:
            return False
        self._end()
        return True

    def settle(self, deletion: Micros | None) -> bool:
        """Let the account's last deletion cut it; answer whether the adds that are left are known."""
        cut = self._cut(deletion)
        if self.joined is None or self.joined > cut:
            return True
        exact = self.last_add is None or self.last_add <= cut
        self._end()
        return exact

    def _cut(self, deletion: Micros | None) -> Micros:
        return max(
            -1 if self.removed is None else self.removed, -1 if deletion is None else deletion
        )

    def _end(self) -> None:
        self.joined = self.role = self.role_stamp = None

    def _hear(self, stamp: Stamp) -> None:
        self.last_word = stamp if self.last_word is None else max(self.last_word, stamp)


def merge(a: Register, b: Register) -> Register:
    """Return what two writes of one trait come to: the newest value, the newest mark."""
    newest = a if a.stamp >= b.stamp else b
    marked = b if a.marked is None or (b.marked is not None and b.marked > a.marked) else a
    return Register(newest.stamp, newest.value, marked.marked, marked.computation, a.flag or b.flag)


def boolean(value: JsonText, *, marked: bool) -> bool | None:
    """Return a write as a flag takes it: Engage's `"true"` counts, the application's does not."""
    if value == TRUE or (marked and value == '"true"'):
        return True
    if value == FALSE or (marked and value == '"false"'):
        return False
    return None


def turn(runs: list[Run], stamp: Stamp, newest: Stamp | None, *, value: bool | None) -> bool:
    """Take one write into `runs`, whose newest write is `newest`; answer whether that was exact."""
    if newest is None or stamp > newest:
        if runs and runs[-1][0] == stamp.at:
            # All written at this very moment is overruled by its newest write.
            runs.pop()
        if (runs[-1][1] if runs else None) is not value:
            runs.append((stamp.at, value))
        return True
    if stamp.at == newest.at:
        return True
    place = bisect_right(runs, stamp.at, key=lambda run: run[0]) - 1
    holding = runs[place][1] if place >= 0 else None
    return holding is value


def intervals(runs: list[Run]) -> list[tuple[Micros, Micros | None]]:
    """Return the spans in which a flag was true, the last open while it is."""
    spans = []
    for place, (start, value) in enumerate(runs):
        if value:
            end = runs[place + 1][0] if place + 1 < len(runs) else None
            spans.append((start, end))
    return spans


def is_set(register: Register) -> bool:
    """Return whether a trait has a value: null unsets."""
    return register.value != NULL


def _earliest(a: Micros | None, b: Micros) -> Micros:
    return b if a is None else min(a, b)


def _latest(a: Micros | None, b: Micros) -> Micros:
    return b if a is None else max(a, b)
