"""Save one batch of one workspace: the log first, then all that follows from it, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ingest import erasure, flags, log, members, owners, quarantine, receipts
from ingest.fold import Register, boolean
from ingest.log import Fresh, Known
from ingest.meaning import Meaning, Place, meaning
from ingest.message import Parsed
from ingest.owners import Said
from ingest.quarantine import Holding, Retry
from ingest.refold import refold
from ingest.working import Working
from models.database import Transaction
from models.values import (
    Entity,
    Erased,
    Identifier,
    JsonText,
    Outcome,
    Quarantined,
    Receipt,
    Veil,
    Workspace,
)


class Item(NamedTuple):
    """One message to save, whether anyone asked what becomes of it, and of which entry it is a retry."""

    parsed: Parsed
    asked: bool
    retry: Retry | None = None


async def save(
    tx: Transaction,
    workspace: Workspace,
    items: Sequence[Item],
    working: Working | None = None,
) -> list[Receipt | None]:
    """Store what is new and fold it in; return a receipt for each item that was asked about.

    None is also the answer to the retry of an entry that does not wait any more. A `working` that
    is given tells afterwards whom it was about.
    """
    await tx.enter(workspace.id)
    oblivion = await erasure.Oblivion.load(tx, workspace)
    answers: list[Receipt | None] = [None] * len(items)
    await _quarantine(tx, workspace, items, answers, oblivion)
    places, batch = await _messages(tx, workspace, items, oblivion)
    told = {one.key for place, one in zip(places, batch, strict=True) if items[place].asked}
    found = await log.unknown(tx, workspace, batch, oblivion.secret_if_any, told)
    fresh = found.fresh
    is_fresh = {id(one) for one in fresh}
    working = working or Working(tx, workspace)
    kept = await oblivion.screen(working, fresh)
    if oblivion.tally is not None:
        # The log itself has changed: only this transaction knows what it says.
        working.ahead = None
    said = [(one.message, meaning(one.message)) for one in kept]
    await fold(working, kept, said, oblivion.hashes(said))
    erased = Erased() if oblivion.tally is None else await oblivion.tally.end()
    stated = {one.key: pair for one, pair in zip(fresh, zip(kept, said, strict=True), strict=True)}
    asked = [(place, one) for place, one in zip(places, batch, strict=True) if items[place].asked]
    shared = found.shared(kept)
    if oblivion.tally is not None:
        # What was erased may have lost the messageId that it was found by.
        new = [stated[one.key][0] for _, one in asked if id(one) in is_fresh]
        shared = await log.shared(tx, workspace, new)
    for place, one in asked:
        if id(one) in is_fresh:
            now, (_, states) = stated[one.key]
            receipt = receipts.receipt(working, now, states, shared)
            # It is told under the id it came with, whatever is kept of that.
            receipt = replace(receipt, message_id=one.message.message_id)
            answers[place] = replace(receipt, erased=erased) if states.erases else receipt
        else:
            answers[place] = _duplicate(one, found.known.get(one.key))
    return answers


async def replay(tx: Transaction, workspace: Workspace, batch: Sequence[Fresh]) -> None:
    """Store and fold events of a log, as they stand there: what was erased stays so."""
    await tx.enter(workspace.id)
    fresh = (await log.unknown(tx, workspace, batch, None)).fresh
    said = [(one.message, meaning(one.message)) for one in fresh]
    await fold(Working(tx, workspace), fresh, said, {})


async def fold(
    working: Working,
    batch: Sequence[Fresh],
    said: list[Said],
    hashes: dict[Identifier, bytes],
) -> None:
    """Append a batch to the log and merge it into the customers and accounts it is about."""
    if not batch:
        return
    living = [pair for pair in said if not pair[1].erases]
    await owners.settle(working, living, hashes)
    await working.load_companies(m.group_id for _, m in living if m.group_id is not None)
    await log.append(working, batch, [states for _, states in said])
    await _load_flags(working, living)
    await _take_accounts(working, living)
    await _take_people(working, living)
    await refold(working, living)
    await working.write_state()


async def _load_flags(working: Working, said: list[Said]) -> None:
    """Load the runs of every flag that `said` writes."""
    people: dict[tuple[int, str], None] = {}
    companies: dict[tuple[int, str], None] = {}
    for _, states in said:
        if states.subject is not None and states.traits:
            person = working.person_of(states.subject)
            known = person.fold.traits
            keys = [key for key in states.traits if _is_flag(key, states.traits, known, states)]
            people.update(dict.fromkeys((person.id, key) for key in keys))
        if states.group_id is not None and states.account_traits:
            company = working.by_group[states.group_id]
            known = company.fold.traits
            traits = states.account_traits
            keys = [key for key in traits if _is_flag(key, traits, known, states)]
            companies.update(dict.fromkeys((company.id, key) for key in keys))
    tx, workspace = working.tx, working.workspace
    customers = {number: working.people[number].fold for number, _ in people}
    await flags.load(tx, workspace, Entity.CUSTOMER, customers, people, working.flagged)
    accounts = {number: working.companies[number].fold for number, _ in companies}
    await flags.load(tx, workspace, Entity.ACCOUNT, accounts, companies, working.flagged)


def _is_flag(
    key: str, traits: Mapping[str, JsonText], known: Mapping[str, Register], said: Meaning
) -> bool:
    """Return whether a key was ever a flag, or becomes one: then what is stored of it is read."""
    if key in known and known[key].flag:
        return True
    return boolean(traits[key], marked=key in said.marks) is not None


async def _take_accounts(working: Working, said: list[Said]) -> None:
    deletions = {company.id: company.fold.deleted for company in working.companies.values()}
    for message, states in said:
        if states.group_id is not None:
            company = working.by_group[states.group_id]
            if not company.fold.take(states, message.stamp):
                company.refold = True
    for company in working.companies.values():
        deleted = company.fold.deleted
        if deleted is not None and deleted != deletions[company.id]:
            await members.cut(working, company, deleted)


async def _take_people(working: Working, said: list[Said]) -> None:
    pairs: dict[tuple[int, int], None] = {}
    for _, states in said:
        if states.place is not Place.NONE and states.subject is not None:
            company = working.by_group[states.group_id or ""]
            pairs[working.person_of(states.subject).id, company.id] = None
    held = working.places
    keys = [pair for pair in pairs if pair[1] not in held.get(pair[0], {})]
    await working.load_places(("customer_id", "account_id"), keys)
    for message, states in said:
        if states.subject is None:
            continue
        person = working.person_of(states.subject)
        exact = person.fold.take(states, message.stamp)
        if states.place is not Place.NONE:
            company = working.by_group[states.group_id or ""]
            place = working.place(person.id, company.id)
            exact = place.take(states, message.stamp, company.fold.deleted) and exact
        if not exact:
            person.refold = True


async def _messages(
    tx: Transaction, workspace: Workspace, items: Sequence[Item], oblivion: erasure.Oblivion
) -> tuple[list[int], list[Fresh]]:
    """Return the messages among `items` with their places; retries only if they are the first."""
    places: list[int] = []
    batch: list[Fresh] = []
    for place, item in enumerate(items):
        message = item.parsed
        if isinstance(message, Quarantined):
            continue
        if item.retry is not None and not await quarantine.release(
            tx, workspace, oblivion.secret, item.retry, message
        ):
            continue
        places.append(place)
        batch.append(log.keyed(workspace, message))
    return places, batch


async def _quarantine(
    tx: Transaction,
    workspace: Workspace,
    items: Sequence[Item],
    answers: list[Receipt | None],
    oblivion: erasure.Oblivion,
) -> None:
    held = [
        (place, Holding(item.parsed, item.retry))
        for place, item in enumerate(items)
        if isinstance(item.parsed, Quarantined)
    ]
    if not held:
        return
    receipts = await quarantine.hold(tx, workspace, oblivion, [each for _, each in held])
    for (place, _), receipt in zip(held, receipts, strict=True):
        if items[place].asked:
            answers[place] = receipt


def _duplicate(one: Fresh, first: Known | None) -> Receipt:
    """Return the answer to a delivery that added nothing; the first copy's times stay."""
    message = one.message
    received_at = message.received_at if first is None else first.received_at
    shown = first is None or first.veil is Veil.NONE
    key = one.key if shown else None
    return Receipt(
        message.message_id, Outcome.DUPLICATE, received_at, notes=message.notes, event_key=key
    )
