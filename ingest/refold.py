"""Fold a customer or an account again from the log, where a join does not suffice."""

from __future__ import annotations

from ingest import flags, log
from ingest.fold import Account, Customer, Membership
from ingest.meaning import Meaning, Place, meaning
from ingest.working import Company, Person, Working
from models.values import Entity, Message, Micros


class Inexact(Exception):
    """Folding in order was not exact: a bug, never a state of the world."""


async def refold(working: Working) -> None:
    """Fold again all that is marked, so that it holds what the log says and nothing else."""
    companies = [company for company in working.companies.values() if company.refold]
    for company in companies:
        await _refold_company(working, company)
    people = [person for person in working.people.values() if person.refold]
    for person in people:
        await _refold_person(working, person)


def take_place(place: Membership, said: Meaning, message: Message, deletion: Micros | None) -> bool:
    """Take what a message says of a user's place; answer whether that was exact."""
    if said.place is Place.ADD:
        return place.add(message.stamp, said.role, deletion)
    return place.remove(message.stamp)


async def _refold_company(working: Working, company: Company) -> None:
    fold = Account()
    events = await log.read_about(working.tx, working.workspace, "account_id", [company.id])
    for event in events:
        _must(exact=fold.take(meaning(event), event.stamp))
    await flags.remove(working.tx, working.workspace, Entity.ACCOUNT, company.id, fold.flags)
    company.fold, company.refold = fold, False


async def _refold_person(working: Working, person: Person) -> None:
    identities = await working.load_identities_of([person.id])
    numbers = [identity.id for identity in identities]
    events = await log.read_about(working.tx, working.workspace, "whom", numbers)
    said = [(event, meaning(event)) for event in events]
    placed = {said_.group_id for _, said_ in said if said_.place is not Place.NONE}
    await working.load_companies(group for group in placed if group is not None)
    fold = Customer(alias=person.fold.alias)
    places: dict[int, Membership] = {}
    for event, stated in said:
        _must(exact=fold.take(stated, event.stamp))
        if stated.place is not Place.NONE and stated.group_id is not None:
            company = working.by_group[stated.group_id]
            place = places.setdefault(company.id, Membership())
            _must(exact=take_place(place, stated, event, company.fold.deleted))
    await _replace(working, person, fold, places)


async def _replace(
    working: Working, person: Person, fold: Customer, places: dict[int, Membership]
) -> None:
    tx, workspace = working.tx, working.workspace
    if person.stored:
        await flags.remove(tx, workspace, Entity.CUSTOMER, person.id, fold.flags)
        await tx.delete("memberships", ("customer_id",), workspace.id, [(person.id,)])
    working.places[person.id] = places
    person.fold, person.refold = fold, False


def _must(*, exact: bool) -> None:
    if not exact:
        raise Inexact("a fold in the order of stamps asked for the log")
