"""Read what is known of customers and accounts, register by register, each with the word that stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from ingest import canonical, clock, flags
from ingest.fold import Account, Membership, Profile, intervals
from ingest.working import Company, Person, Working
from models.database import Transaction
from models.values import NULL, Entity, Identifier, JsonText, Kind, Micros, Stamp, Workspace


class EffectKind(StrEnum):
    """What a register is about."""

    SEEN = "SEEN"
    IDENTITY = "IDENTITY"
    TRAIT = "TRAIT"
    AUDIENCE = "AUDIENCE"
    MEMBERSHIP = "MEMBERSHIP"
    SIGNED_UP = "SIGNED_UP"
    CREATED = "CREATED"
    DELETED = "DELETED"
    ERASED = "ERASED"


Owner = Identifier | str
"""The identifier that stands for a customer, or a groupId."""


class Place(NamedTuple):
    """Which register of whom."""

    kind: EffectKind
    owner: Owner
    key: str | None = None


class Standing(NamedTuple):
    """What stands there, and the word that it is, where one word decides."""

    value: JsonText = NULL
    stamp: Stamp | None = None


@dataclass(slots=True)
class Sought:
    """Whom to read: by numbers, by names and by groupId."""

    customers: set[int] = field(default_factory=set)
    names: set[Identifier] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Registers:
    """All registers of those who were sought, and which customer each name belongs to."""

    standing: dict[Place, Standing] = field(default_factory=dict)
    roots: dict[Identifier, Identifier] = field(default_factory=dict)

    def at(self, place: Place) -> Standing:
        """Return what stands at a place."""
        return self.standing.get(place, _NOTHING)


_NOTHING = Standing()


async def read(tx: Transaction, workspace: Workspace, sought: Sought) -> Registers:
    """Return the registers of those who are sought and exist."""
    working = Working(tx, workspace)
    await working.find_identities(sorted(sought.names))
    customers = sought.customers | {each.customer for each in working.identities.values()}
    await working.load_people(customers)
    people = list(working.people.values())
    await working.load_all_of(people)
    await working.load_companies(sorted(sought.groups))
    await working.load_companies_by_id({at for mine in working.places.values() for at in mine})
    named = [each for each in working.companies.values() if each.group_id in sought.groups]
    firms = [each for each in named if each.id not in working.new_companies]
    folds: dict[int, Profile] = {each.id: each.fold for each in firms}
    await flags.load_all(tx, workspace, Entity.ACCOUNT, folds)
    found = Registers()
    for person in people:
        found.standing.update(_of_person(working, person, found.roots))
    for company in firms:
        found.standing.update(_of_company(company))
    return found


def root_text(root: Identifier) -> JsonText:
    """Return the name of a customer as JSON."""
    return _json({"userId" if root.kind is Kind.USER else "anonymousId": root.text})


def _of_person(
    working: Working, person: Person, roots: dict[Identifier, Identifier]
) -> Iterator[tuple[Place, Standing]]:
    identities, fold = working.held_of(person.id), person.fold
    root = next(each.name for each in identities if each.key == person.key)
    for identity in identities:
        roots[identity.name] = root
        if identity.seen:
            yield (
                Place(EffectKind.IDENTITY, identity.name),
                Standing(root_text(root), identity.link),
            )
    yield from _of_profile(root, fold)
    if fold.signed_up is not None:
        yield Place(EffectKind.SIGNED_UP, root), Standing(_moment(fold.signed_up))
    for account, place in working.places.get(person.id, {}).items():
        company = working.companies[account]
        value = _membership(place, company.fold)
        yield Place(EffectKind.MEMBERSHIP, root, company.group_id), Standing(value, place.last_word)


def _of_company(company: Company) -> Iterator[tuple[Place, Standing]]:
    group, fold = company.group_id, company.fold
    yield from _of_profile(group, fold)
    created = fold.first_seen if fold.created is None else fold.created
    if created is not None:
        # As it is shown: an account that nobody said to be created was so when first seen.
        yield Place(EffectKind.CREATED, group), Standing(_moment(created))
    gone = fold.deleted_at
    value = NULL if gone is None else _moment(gone)
    yield Place(EffectKind.DELETED, group), Standing(value, fold.last_word)


def _of_profile(owner: Owner, fold: Profile) -> Iterator[tuple[Place, Standing]]:
    if fold.first_seen is not None:
        seen = {"firstSeenAt": _text(fold.first_seen), "lastSeenAt": _text(fold.last_seen)}
        yield Place(EffectKind.SEEN, owner), Standing(_json(seen))
    for key, register in fold.traits.items():
        yield Place(EffectKind.TRAIT, owner, key), Standing(register.value, register.stamp)
    for key, runs in fold.flags.items():
        value = NULL
        if runs and runs[-1][1] is not None:
            spans = [{"from": _text(start), "to": _text(end)} for start, end in intervals(runs)]
            since = _text(runs[-1][0])
            value = _json({"member": runs[-1][1], "since": since, "intervals": spans})
        yield Place(EffectKind.AUDIENCE, owner, key), Standing(value, fold.traits[key].stamp)


def _membership(place: Membership, account: Account) -> JsonText:
    joined, deleted = place.joined, account.deleted
    if joined is None or account.deleted_at is not None:
        return NULL
    if deleted is not None and joined <= deleted:
        return NULL
    return f'{{"joinedAt":{_moment(joined)},"role":{place.role or NULL}}}'


def _moment(at: Micros) -> JsonText:
    return _json(_text(at))


def _text(at: Micros | None) -> str | None:
    return None if at is None else clock.text(at)


def _json(value: Any) -> JsonText:
    return canonical.encode(value).decode()
