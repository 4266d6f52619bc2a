"""The contract of the fold, done the slowest and plainest way: the judge of the real one.

Nothing here is incremental. Every question is answered by looking at all events again, so
that order of arrival has no way in, but for one: of two copies the one listed first stays.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar

from tests.laws import model_bytes, model_traits
from tests.laws.model_message import Delivery, Event, Quarantined, Stamp, read
from tests.laws.model_says import SAID_NOTHING, Says, say
from tests.laws.model_traits import Write
from tests.laws.model_who import alias, joined, links

Stored = TypeVar("Stored", Event, Quarantined)
# Of the workspace in which tests tell what is judged here.
ERASURE_KEY = b"a key of thirty-two bytes, fixed"

__all__ = ["Delivery", "as_of", "dump", "read", "state", "world"]


def state(deliveries: Iterable[Delivery]) -> dict[str, Any]:
    """Return everything that is known after `deliveries`, keyed by identifiers."""
    return _known(*_stored(deliveries))


def dump(known: dict[str, Any]) -> str:
    """Return a state as canonical JSON text."""
    return model_bytes.canonical(known)


def as_of(deliveries: Iterable[Delivery], at: int) -> dict[str, Any]:
    """Return the fold of what is stored with `at` at or before the given one (the law)."""
    return _known(*_stored(deliveries), at)


def world(deliveries: Iterable[Delivery]) -> "_World":
    """Return what all events say, gathered by whom it is said of."""
    return _gathered(_stored(deliveries)[0])


def _gathered(events: list[Event], until: int = 2**63) -> "_World":
    erased = _erased(events)
    # What was derived of the content is told no more, and orders by what stands in its place.
    gone = {id(event) for event in events if event in erased}
    hidden = {id(e): _hidden(e) for e in events if id(e) in gone or e.type == "delete"}
    known = [hidden.get(id(event), event) for event in events if event.at <= until]
    known.sort(key=lambda event: event.stamp)
    return _World.of(known, [one for number, one in hidden.items() if number in gone])


def _known(
    events: list[Event], quarantined: list[Quarantined], until: int = 2**63
) -> dict[str, Any]:
    world = _gathered(events, until)
    quarantined = [_hidden(held) if _forgotten(held, events) else held for held in quarantined]
    events = world.events
    return {
        "customers": {rep: _customer(world, rep) for rep in sorted(world.sightings)},
        "accounts": {group: _account(world, group) for group in sorted(world.account_events)},
        "erasures": sorted(
            (
                {"messageId": event.message_id, "at": event.at}
                for event in events
                if event.type == "delete"
            ),
            key=lambda erasure: (erasure["messageId"], erasure["at"]),
        ),
        "quarantine": sorted(
            (
                {
                    "messageId": held.message_id,
                    "reason": held.reason,
                    "receivedAt": held.received_at,
                }
                for held in quarantined
                if not _forgotten(held, events)
            ),
            key=lambda held: (held["messageId"], held["reason"], held["receivedAt"]),
        ),
        "receipts": _receipts(world, quarantined),
    }


def _stored(deliveries: Iterable[Delivery]) -> tuple[list[Event], list[Quarantined]]:
    """Section 1: same messageId and digest is one event; section 6: one entry a quarantined body."""
    events: dict[tuple[str, str], Event] = {}
    quarantined: dict[str, Quarantined] = {}
    for delivery in deliveries:
        stored = read(delivery)
        if isinstance(stored, Quarantined):
            quarantined.setdefault(stored.body, stored)
        else:
            events.setdefault((stored.message_id, stored.digest), stored)
    return sorted(events.values(), key=lambda event: event.stamp), list(quarantined.values())


# Whom it is about: section 3.


class _Identity:
    """Who is who, by the events that were not erased."""

    def __init__(self, events: list[Event]) -> None:
        # `events` come by stamp: the first link is the earliest, the last alias the newest.
        self._aliases = [pair for event in events for pair in alias(event)]
        self._owners: dict[str, str] = {}
        for event in events:
            for anonymous, user in links(event):
                self._owners.setdefault(anonymous, user)
        self._seen = {
            event.anonymous for event in events if event.type != "delete" and event.anonymous
        }

    def users(self, user: str) -> set[str]:
        return joined(user, self._aliases)

    def rep_of_user(self, user: str) -> str:
        """A joined set answers to the userId of its newest alias."""
        users = self.users(user)
        newest = [new for _, new in self._aliases if new in users]
        return f"user:{newest[-1] if newest else user}"

    def rep_of_anonymous(self, anonymous: str) -> str:
        """About the user of the earliest event that carries both ids, else a customer of its own."""
        owner = self._owners.get(anonymous)
        return f"anonymous:{anonymous}" if owner is None else self.rep_of_user(owner)

    def rep(self, event: Event) -> str | None:
        if event.user is not None:
            return self.rep_of_user(event.user)
        return self.rep_of_anonymous(event.anonymous) if event.anonymous is not None else None

    def anonymous_ids(self, rep: str) -> list[str]:
        """Only those seen as `anonymousId` are listed, not those an alias named."""
        return sorted(seen for seen in self._seen if self.rep_of_anonymous(seen) == rep)


# Who was erased: section 7.


def _erased(events: list[Event]) -> list[Event]:
    """Return the events that some delete in the stored set erases."""
    deletes = [event for event in events if event.type == "delete"]
    return [event for event in events if any(_erases(delete, event, events) for delete in deletes)]


def _forgotten(held: Quarantined, events: list[Event]) -> bool:
    """Return whether some delete erases a body that waits: nothing of it is kept but its receipt."""
    return any(_erases(delete, held, events) for delete in events if delete.type == "delete")


def _hidden(stored: Stored) -> Stored:
    """Of an erased event stays its messageId, but a keyed hash of one that was derived (0024)."""
    if not stored.message_id.startswith("derived:"):
        return stored
    digest = sha256(ERASURE_KEY + b"\0message\0" + stored.message_id.encode()).hexdigest()
    return replace(stored, message_id=f"derived:{digest[:32]}")


def _erases(delete: Event, event: Event | Quarantined, events: list[Event]) -> bool:
    if isinstance(event, Event) and event.type == "delete":
        return False
    if min(event.at, event.received_at) > delete.at:
        return False
    users, anonymous = _erased_ids(delete, events)
    # "Events with another userId stay", though they carry one of the anonymousIds.
    return event.user in users if event.user is not None else event.anonymous in anonymous


def _erased_ids(delete: Event, events: list[Event]) -> tuple[set[str], set[str]]:
    """The userId (else the anonymousId alone), what aliases at or before E joined to it, and
    every anonymousId ever carried with one of these; links of erased events count too.
    """
    if delete.user is None:
        assert delete.anonymous is not None
        return set(), {delete.anonymous}
    users = joined(
        delete.user, [pair for event in events if event.at <= delete.at for pair in alias(event)]
    )
    carried = {anonymous for event in events for anonymous, user in links(event) if user in users}
    return users, carried


# What is said, gathered by whom it is said of: sections 4 and 5.


@dataclass
class _World:
    """All effects of the stored set, by customer, by account and by both."""

    events: list[Event]
    erased: list[Event]
    identity: _Identity
    sightings: dict[str, list[tuple[Event, Says]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    account_events: dict[str, list[tuple[Event, Says]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    writes: dict[tuple[str, ...], list[Write]] = field(default_factory=lambda: defaultdict(list))
    members: dict[tuple[str, str], list[tuple[Event, Says]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    # The registers each event wrote, for its receipt, and the newest stamp on each register.
    wrote: dict[Stamp, list[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(list))
    newest: dict[tuple[str, ...], Stamp] = field(default_factory=dict)

    @classmethod
    def of(cls, events: list[Event], erased: list[Event]) -> "_World":
        world = cls(events, erased, _Identity([event for event in events if event not in erased]))
        for event in events:
            if event.type == "delete":
                continue
            says = say(event)
            rep = world.identity.rep(event)
            if rep is not None and event not in erased:
                world._hear_of_customer(event, says, rep)
            # "What an erased event says of an account stands, without the person."
            if event.group is not None:
                world._hear_of_account(event, says, event.group)
        return world

    def _hear_of_customer(self, event: Event, says: Says, rep: str) -> None:
        self.sightings[rep].append((event, says))
        self._hear_traits(event, says.customer_traits, ("customer", rep))
        if says.member is not None:
            assert event.group is not None
            self.members[rep, event.group].append((event, says))
            self._note(event, ("member", rep, event.group))

    def _hear_of_account(self, event: Event, says: Says, group: str) -> None:
        self.account_events[group].append((event, says))
        self._hear_traits(event, says.account_traits, ("account", group))
        if says.alive or says.deleted:
            self._note(event, ("life", group))

    def _hear_traits(self, event: Event, traits: dict[str, Any], whom: tuple[str, str]) -> None:
        for key, value in traits.items():
            self.writes[*whom, key].append(Write.of(event, key, value))
            self._note(event, ("trait", *whom, key))

    def _note(self, event: Event, register: tuple[str, ...]) -> None:
        # Events are heard by stamp, so the last one to write is the newest.
        self.wrote[event.stamp].append(register)
        self.newest[register] = event.stamp

    def traits_of(self, *whom: str) -> dict[str, list[Write]]:
        """Return every write by key, oldest first, of one customer or account."""
        return {
            register[2]: writes for register, writes in self.writes.items() if register[:2] == whom
        }

    def last_deletion(self, group: str) -> int | None:
        return max(
            (event.at for event, says in self.account_events[group] if says.deleted), default=None
        )

    def deleted_at(self, group: str) -> int | None:
        """Deleted while the last deletion is not earlier than the last alive mark."""
        last = self.last_deletion(group)
        alive = max(
            (event.at for event, says in self.account_events[group] if says.alive), default=None
        )
        return last if last is not None and (alive is None or last >= alive) else None


def _seen(heard: list[tuple[Event, Says]]) -> dict[str, int]:
    first = min(event.at for event, _ in heard)
    return {
        "firstSeenAt": first,
        "lastSeenAt": max([first, *(event.at for event, says in heard if says.seen_last)]),
    }


def _customer(world: _World, rep: str) -> dict[str, Any]:
    heard = world.sightings[rep]
    writes = world.traits_of("customer", rep)
    user = rep.removeprefix("user:") if rep.startswith("user:") else None
    accounts = {
        group: _membership(world, rep, group) for who, group in sorted(world.members) if who == rep
    }
    return {
        "userId": user,
        "anonymousIds": world.identity.anonymous_ids(rep),
        "aliases": sorted(world.identity.users(user) - {user}) if user is not None else [],
        **model_traits.typed(writes, model_traits.CUSTOMER_FIELDS),
        "signedUpAt": min((event.at for event, says in heard if says.signed_up), default=None),
        **_seen(heard),
        "traits": model_traits.standing(writes),
        "audiences": model_traits.flags(writes),
        "accounts": {group: live for group, live in accounts.items() if live is not None},
    }


def _account(world: _World, group: str) -> dict[str, Any]:
    heard = world.account_events[group]
    writes = world.traits_of("account", group)
    seen = _seen(heard)
    return {
        **model_traits.typed(writes, model_traits.ACCOUNT_FIELDS),
        "createdAt": min(
            (event.at for event, says in heard if says.created), default=seen["firstSeenAt"]
        ),
        "deletedAt": world.deleted_at(group),
        **seen,
        "traits": model_traits.standing(writes),
        "audiences": model_traits.flags(writes),
    }


def _membership(world: _World, rep: str, group: str) -> dict[str, Any] | None:
    """Return the live membership: an add is later than the cut, and the account is not deleted."""
    heard = world.members[rep, group]
    cuts = [event.at for event, says in heard if says.member == "removed"]
    deletion = world.last_deletion(group)
    cut = max([*cuts, *([] if deletion is None else [deletion])], default=None)
    adds = [
        (event, says)
        for event, says in heard
        if says.member == "added" and (cut is None or event.at > cut)
    ]
    if not adds or world.deleted_at(group) is not None:
        return None
    # `heard` came by stamp: the last of the roles is the newest.
    roles = [says.role for _, says in adds if says.role is not SAID_NOTHING]
    return {"role": roles[-1] if roles else None, "joinedAt": min(event.at for event, _ in adds)}


# What became of each message: section 6.


def _receipts(world: _World, quarantined: list[Quarantined]) -> list[dict[str, Any]]:
    receipts = [
        {
            "messageId": held.message_id,
            "outcome": "erased" if _forgotten(held, world.events) else "quarantined",
            "reason": held.reason,
            "at": None,
            "receivedAt": held.received_at,
        }
        for held in quarantined
    ]
    receipts += [
        {
            "messageId": event.message_id,
            "outcome": _outcome(world, event),
            "reason": None,
            "at": event.at,
            "receivedAt": event.received_at,
        }
        for event in world.events
    ]
    return sorted(receipts, key=_receipt_order)


def _receipt_order(receipt: dict[str, Any]) -> tuple[Any, ...]:
    at = receipt["at"]
    when = (at is not None, at or 0)
    return (
        receipt["messageId"],
        when,
        receipt["receivedAt"],
        receipt["outcome"],
        receipt["reason"] or "",
    )


def _outcome(world: _World, event: Event) -> str:
    if event in world.erased:
        return "erased"
    if any(other.message_id == event.message_id and other != event for other in world.events):
        return "conflict"
    # It wrote keys, and a newer write stands on each of them.
    wrote = world.wrote[event.stamp]
    if wrote and all(world.newest[register] > event.stamp for register in wrote):
        return "superseded"
    return "applied"
