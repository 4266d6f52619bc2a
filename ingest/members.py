"""Fold the places of an account's members again, where a late deletion falls between their joinings."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from ingest import rows, walk
from ingest.fold import Membership
from ingest.meaning import Place, meaning
from ingest.ready import MEMBERS_MAX, Ahead, Deletions, Key, Members, TooMuch, WantedMembers
from ingest.refold import NUMBERS_MAX, go_on, source_of
from ingest.walk import AFTER_ALL, Source, Walk
from ingest.working import Company, Working
from models.database import Raced, Row, Transaction
from models.values import Micros, Workspace

# Of one statement: to send more takes long at once, and memory.
_ROWS = 5_000
_ACROSS = (
    "SELECT customer_id FROM memberships WHERE workspace_id = ?1 AND account_id = ?2"
    " AND joined_at <= ?3 AND last_add_at > ?3 LIMIT ?4"
)


async def cut(working: Working, company: Company, deleted: Micros) -> None:
    """Let a deletion cut the places of all members who joined before it and were added after it.

    Raise TooMuch where there is more than `working.ahead` allows and has ready.
    """
    ahead = working.ahead
    if ahead is not None and company.id in ahead.members and ahead.members[company.id].written:
        numbers = await _hold(working, company, deleted, ahead)
    else:
        some = MEMBERS_MAX if ahead is None else ahead.members_max
        numbers = await _across(working, company.id, deleted, some + 1)
        if len(numbers) > some:
            numbers = await _fold_places(working, company, deleted)
    await working.load_people(numbers)
    if any(n not in working.people and n not in working.gone for n in numbers):
        # Somebody has just joined one of them into another, whose place is not seen yet.
        raise Raced
    for number in numbers:
        if number in working.people:
            working.people[number].refold = True


async def fold(
    source: Source, account: int, deleted: Micros, floor: int = AFTER_ALL, until: int = AFTER_ALL
) -> Members:
    """Return the places of all members of an account, folded from the log up to a number."""
    members = Members(deleted, floor=floor)
    way = Walk(source, _key(account), until, places=True)
    await way.begin()
    while page := await way.page():
        await hear(source, members, page)
        for row in page:
            members.note(row[0], row[walk.AT])
    return members


async def hear(source: Source, members: Members, events: Collection[Row]) -> None:
    """Let members take events; those for whom that is not exact are unsure."""
    # Of what says nothing of a place there is no body, and of what is erased no identity.
    said = [(row[-1], walk.message_of(row)) for row in events if row[-2] and row[-1] is not None]
    customers = await walk.customers_of(source, (whom for whom, _ in said))
    for whom, customer in customers.items():
        was = members.whose.setdefault(whom, customer)
        if was != customer:
            members.unsure |= {was, customer}
    for whom, message in said:
        states = meaning(message)
        if states.place is Place.NONE:
            continue
        members.rows.pop(customers[whom], None)
        place = members.places.setdefault(customers[whom], Membership())
        if not place.take(states, message.stamp, members.deletion):
            members.unsure.add(customers[whom])
    await source.pause()


async def write_rows(source: Source, account: int, members: Members) -> None:
    """Have the rows of those ready who are across: to make them takes as long as to write them."""
    across = await source.ask(_ACROSS, (source.workspace.id, account, members.deletion, AFTER_ALL))
    members.rows.clear()
    for count, (customer,) in enumerate(across, 1):
        if customer in members.places and customer not in members.unsure:
            place = members.places[customer]
            members.rows[customer] = rows.membership_row(customer, account, place)
        if count % source.page == 0:
            await source.pause()


async def write_first(tx: Transaction, workspace: Workspace, ready: Ahead) -> None:
    """Write the rows that are ready, before anybody is kept out: others wait for what they touch of it.

    They are right once `cut` has held them to what came since, in the same transaction.
    """
    source = Source(workspace, tx.fetch, _nothing_deleted, go_on)
    for members in ready.members.values():
        # Of those who are gone there would be rows again.
        members.unsure |= await _moved(source, members)
        members.written = members.rows.keys() - members.unsure
        await _upsert(tx, workspace, members, members.written)
        # Who would give one of them an identity, or take one, writes in its places: from here on that waits.
        members.unsure |= await _moved(source, members)


def is_held(ready: Ahead) -> bool:
    """Return whether all that was written first was held to what came since."""
    return not any(members.written for members in ready.members.values())


async def _hold(working: Working, company: Company, deleted: Micros, ahead: Ahead) -> list[int]:
    """Hold what was written first to what came since; return who is still to be folded."""
    across = await _across(working, company.id, deleted, AFTER_ALL)
    found, ready = await _fitting(working, company, deleted, ahead), ahead.members[company.id]
    # Of two members whom the batch made one all is folded again anyway.
    sure = (found.places.keys() & ready.written) - found.unsure
    for number in sure - found.rows.keys():
        working.places.setdefault(number, {})[company.id] = found.places[number]
    rest = ready.written.union(across) - sure
    ready.written = set()
    return sorted(rest)


async def _upsert(
    tx: Transaction, workspace: Workspace, members: Members, numbers: Collection[int]
) -> None:
    """Write the rows that are ready of some members."""
    some, key = sorted(numbers), rows.MEMBERSHIP_COLUMNS[:2]
    for start in range(0, len(some), _ROWS):
        part = [members.rows[number] for number in some[start : start + _ROWS]]
        await tx.upsert("memberships", rows.MEMBERSHIP_COLUMNS, key, workspace.id, part)


async def _across(working: Working, company: int, deleted: Micros, most: int) -> list[int]:
    """Return members whose joining lies on both sides of a deletion, about so many: the log knows the later one."""
    rows = await working.tx.fetch(_ACROSS, (working.workspace.id, company, deleted, most))
    # Those who came by a join in this batch have the places of those they were.
    return [row[0] for row in rows] + [
        customer
        for customer, place in working.places_in(company)
        if place.joined is not None
        and place.joined <= deleted
        and place.last_add is not None
        and place.last_add > deleted
    ]


async def _fold_places(working: Working, company: Company, deleted: Micros) -> list[int]:
    """Let members have the places that they are folded to; return who is still to be folded."""
    members = await _members(working, company, deleted)
    at_hand = {number for number, _ in working.places_in(company.id)}
    sure = members.rows.keys() - members.unsure - at_hand
    await _upsert(working.tx, working.workspace, members, sure - working.gone)
    rest: list[int] = []
    for number in set(await _across(working, company.id, deleted, AFTER_ALL)) - working.gone:
        if number in members.places and number not in members.unsure:
            working.places.setdefault(number, {})[company.id] = members.places[number]
        else:
            rest.append(number)
    return rest


async def _members(working: Working, company: Company, deleted: Micros) -> Members:
    ahead = working.ahead
    little = ahead is None or await _is_little(working, company.id, ahead)
    if ahead is not None and not little and company.id not in ahead.members:
        raise TooMuch([WantedMembers(company.id, deleted)])
    # Nobody may give their identities to others meanwhile: their rows are not held.
    await working.tx.alone(working.workspace.id)
    if ahead is None or little:
        return await fold(source_of(working), company.id, deleted)
    return await _fitting(working, company, deleted, ahead)


async def _is_little(working: Working, account: int, ahead: Ahead) -> bool:
    most = ahead.events_max + 1
    rows = await working.tx.count("events", "account_id", working.workspace.id, [(account,)], most)
    return bool(rows[0][1] < most)


async def _fitting(working: Working, company: Company, deleted: Micros, ahead: Ahead) -> Members:
    """Return what is ready with all that came since; raise TooMuch where there is nothing that fits."""
    ready = ahead.members.get(company.id)
    source = source_of(working)
    much = TooMuch([WantedMembers(company.id, deleted)])
    if ready is None or await walk.last(source) - ready.floor > NUMBERS_MAX:
        raise much
    key = _key(company.id)
    later = await walk.since(source, key, ready.floor)
    new = later.keys() - ready.recent.keys()
    fits = await walk.is_all(source, key, ready, later) and ready.deletion == deleted
    if fits and len(new) > ahead.since_max:
        raise much
    if fits and ready.erased == await walk.erased(source, key):
        return await _with_later(source, ready, await walk.read(source, new))
    del ahead.members[company.id]
    raise much


async def _with_later(source: Source, ready: Members, events: Collection[Row]) -> Members:
    """Return what is ready with later events, whoever its identities belong to now."""
    moved = set() if ready.written else await _moved(source, ready)
    later = await walk.customers_of(source, (row[-1] for row in events if row[-1] is not None))
    places = dict(ready.places)
    for number in later.values():
        if number in places:
            places[number] = replace(places[number])
    unsure = ready.unsure | moved
    members = Members(ready.deletion, places, dict(ready.whose), unsure, dict(ready.rows))
    await hear(source, members, events)
    return members


async def _nothing_deleted(_groups: Collection[str]) -> Deletions:
    """Say nothing: only what is folded asks."""
    return {}


async def _moved(source: Source, members: Members) -> set[int]:
    """Return whose identities went to whom, both."""
    now = await walk.customers_of(source, members.whose)
    pairs = ((was, now.get(whom)) for whom, was in members.whose.items())
    return {number for pair in pairs if pair[0] != pair[1] for number in pair if number is not None}


def _key(account: int) -> Key:
    return Key("account_id", frozenset({account}))
