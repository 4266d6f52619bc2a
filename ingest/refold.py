"""Fold customers and accounts again from the log, where a join does not suffice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TypeVar

from ingest import flags, log
from ingest.fold import Account, Customer, Membership
from ingest.meaning import Meaning, Place, meaning
from ingest.working import Company, Person, Working
from models.values import Entity, Message, Micros

Owner = TypeVar("Owner", Person, Company)

EVENTS_MAX = 5_000
"""Events of several customers or accounts that are at hand at once, some 10 MB."""


class Inexact(Exception):
    """Folding in order was not exact: a bug, never a state of the world."""


async def refold(working: Working) -> None:
    """Fold again all that is marked, so that it holds what the log says and nothing else."""
    companies = [company for company in working.companies.values() if company.refold]
    numbers = {company.id: company.id for company in companies}
    for some in await _parts(working, "account_id", companies, numbers):
        await _refold_companies(working, some)
    people = [person for person in working.people.values() if person.refold]
    identities = await working.load_identities_of(person.id for person in people)
    owners = {identity.id: identity.customer for identity in identities}
    for part in await _parts(working, "whom", people, owners):
        await _refold_people(working, part)


def parts(
    owners: list[Owner], counts: Mapping[int, int], most: int = EVENTS_MAX
) -> Iterator[list[Owner]]:
    """Yield customers or accounts in parts of at most so many events; who has more is one of their own."""
    part: list[Owner] = []
    events = 0
    for one in owners:
        events += counts[one.id]
        if part and events > most:
            yield part
            part, events = [], counts[one.id]
        part.append(one)
    if part:
        yield part


def take_place(place: Membership, said: Meaning, message: Message, deletion: Micros | None) -> bool:
    """Take what a message says of a user's place; answer whether that was exact."""
    if said.place is Place.ADD:
        return place.add(message.stamp, said.role, deletion)
    return place.remove(message.stamp)


async def _parts(
    working: Working, by: str, marked: list[Owner], owners: Mapping[int, int]
) -> list[list[Owner]]:
    """Return those that are marked in parts of so few events that they fit into memory."""
    if len(marked) <= 1:
        # Whoever is alone is folded whole, and need not be counted.
        return [marked] if marked else []
    counts: Counter[int] = Counter()
    for number, count in (await log.count_about(working.tx, working.workspace, by, owners)).items():
        counts[owners[number]] += count
    return list(parts(marked, counts))


async def _refold_companies(working: Working, companies: list[Company]) -> None:
    tx, workspace = working.tx, working.workspace
    folds = {company.id: Account() for company in companies}
    for event in await log.read_about(tx, workspace, "account_id", folds):
        company = working.by_group[event.group_id or ""]
        _must(exact=folds[company.id].take(meaning(event), event.stamp))
    kept = {number: fold.flags for number, fold in folds.items()}
    await flags.remove(tx, workspace, Entity.ACCOUNT, kept)
    for company in companies:
        company.fold, company.refold = folds[company.id], False


async def _refold_people(working: Working, people: list[Person]) -> None:
    tx, workspace = working.tx, working.workspace
    numbers = [one.id for person in people for one in working.held_of(person.id)]
    events = await log.read_about(tx, workspace, "whom", numbers)
    said = [(event, meaning(event)) for event in events]
    placed = {states.group_id for _, states in said if states.place is not Place.NONE}
    await working.load_companies(group for group in placed if group is not None)
    for person in people:
        person.fold, person.refold = Customer(alias=person.fold.alias), False
        working.places[person.id] = {}
    for event, states in said:
        if event.subject is not None:
            _take(working, working.person_of(event.subject), event, states)
    stored = {person.id: person.fold.flags for person in people if person.stored}
    await flags.remove(tx, workspace, Entity.CUSTOMER, stored)
    await tx.delete("memberships", ("customer_id",), workspace.id, [(one,) for one in stored])


def _take(working: Working, person: Person, event: Message, states: Meaning) -> None:
    _must(exact=person.fold.take(states, event.stamp))
    if states.place is not Place.NONE and states.group_id is not None:
        company = working.by_group[states.group_id]
        place = working.place(person.id, company.id)
        _must(exact=take_place(place, states, event, company.fold.deleted))


def _must(*, exact: bool) -> None:
    if not exact:
        raise Inexact("a fold in the order of stamps asked for the log")
