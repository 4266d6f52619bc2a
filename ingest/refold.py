"""Fold customers and accounts again from the log, where a join does not suffice.

Who has many events is folded ahead of the transaction if that can wait; else in it, page by page.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from ingest import flags, log, walk
from ingest.fold import Account, Customer
from ingest.meaning import Meaning, Place, meaning
from ingest.ready import Ahead, Deletions, Folded, Inexact, Key, TooMuch, Wanted
from ingest.walk import Source
from ingest.working import Company, Person, Working
from models.values import Entity, Message

Said = tuple[Message, Meaning]

EVENTS_MAX = 5_000
"""Events of several customers or accounts that are at hand at once, some 10 MB."""

NUMBERS_MAX = 20_000
"""Numbers that are looked through for what came since: some 20 ms."""


@dataclass(slots=True)
class Marked:
    """A customer or an account that is to be folded again, and how many events there are about it."""

    owner: Person | Company
    events: int
    key: Key
    # Identities that this transaction has made: nobody else knows of them.
    made: frozenset[int] = field(default_factory=frozenset)

    @property
    def stored(self) -> Key:
        """Return under which key it is folded ahead."""
        return Key(self.key.by, self.key.numbers - self.made)


async def refold(working: Working, said: Sequence[Said] = ()) -> None:
    """Fold again all that is marked, so that it holds what the log says and nothing else.

    `said` is the batch. Raise TooMuch for more than `working.ahead` allows, unless that is ready.
    """
    marked = await _marked(working)
    if working.ahead is not None:
        for one, folded in await _ready(working, working.ahead, marked, said):
            await _put(working, one.owner, folded)
            marked.remove(one)
    for part in parts(marked):
        if part[0].events > EVENTS_MAX:
            folded = await walk.fold(source_of(working), Wanted(part[0].key))
            await _put(working, part[0].owner, folded)
        elif part[0].key.by == "account_id":
            await _refold_companies(working, part)
        else:
            await _refold_people(working, part)


def parts(marked: Sequence[Marked], most: int = EVENTS_MAX) -> Iterator[list[Marked]]:
    """Yield those that are marked in parts of one kind, of at most so many events; who has more is alone."""
    part: list[Marked] = []
    events = 0
    for one in marked:
        events += one.events
        if part and (events > most or one.key.by != part[0].key.by):
            yield part
            part, events = [], one.events
        part.append(one)
    if part:
        yield part


async def _marked(working: Working) -> list[Marked]:
    """Return who is marked, accounts first: when they were deleted decides who is a member."""
    most = EVENTS_MAX if working.ahead is None else max(EVENTS_MAX, working.ahead.events_max)
    companies = [company for company in working.companies.values() if company.refold]
    people = [person for person in working.people.values() if person.refold]
    await working.load_identities_of(person.id for person in people)
    numbers = {
        person.id: frozenset(one.id for one in working.held_of(person.id)) for person in people
    }
    firms = await log.count_about(
        working.tx, working.workspace, "account_id", (one.id for one in companies), most + 1
    )
    heard = await log.count_about(
        working.tx, working.workspace, "whom", frozenset().union(*numbers.values()), most + 1
    )
    made = working.made
    return [
        *(Marked(one, firms[one.id], Key("account_id", frozenset({one.id}))) for one in companies),
        *(
            Marked(one, sum(heard[n] for n in ids), Key("whom", ids), frozenset(ids & made))
            for one in people
            for ids in (numbers[one.id],)
        ),
    ]


# ------------------------------------------------------------ what is folded ahead


async def _ready(
    working: Working, ahead: Ahead, marked: Sequence[Marked], said: Sequence[Said]
) -> list[tuple[Marked, Folded]]:
    """Return what is ready of all that is too much; raise TooMuch for what is not."""
    found: list[tuple[Marked, Folded]] = []
    wanted: list[Wanted] = []
    left = sum(one.events for one in marked)
    for one in sorted(marked, key=lambda one: one.events, reverse=True):
        if left <= ahead.events_max:
            break
        left -= one.events
        folded = await _fitting(working, ahead, one)
        if folded is None:
            wanted.append(_wanted(working, one, said))
        else:
            found.append((one, folded))
    if wanted:
        raise TooMuch(wanted)
    return found


def _wanted(working: Working, one: Marked, said: Sequence[Said]) -> Wanted:
    if isinstance(one.owner, Company):
        group = one.owner.group_id
        return Wanted(one.stored, tuple(each for each, states in said if states.group_id == group))
    own = [
        each
        for each, states in said
        if states.subject is not None and working.person_of(states.subject) is one.owner
    ]
    return Wanted(one.stored, tuple(own), _deletions(working, working.by_group))


async def _fitting(working: Working, ahead: Ahead, one: Marked) -> Folded | None:
    """Return what is ready with all that came since; None where there is nothing that fits.

    What only lacks the last events stays ready, to be caught up; what cannot be right is dropped.
    """
    ready = ahead.ready.get(one.stored)
    source = source_of(working)
    if ready is None or await walk.last(source) - ready.floor > NUMBERS_MAX:
        return None
    later = await walk.since(source, one.key, ready.floor)
    new = later.keys() - ready.recent.keys()
    if await walk.is_all(source, one.key, ready, later):
        if len(new) - len(ready.own) > ahead.since_max:
            return None
        if ready.erased == await walk.erased(source, one.key):
            folded = ready.copy()
            if await _take_since(working, source, folded, new):
                return folded
    del ahead.ready[one.stored]
    return None


async def _take_since(
    working: Working, source: Source, folded: Folded, numbers: Collection[int]
) -> bool:
    """Let what is ready hear later events; answer whether it is then what the log says."""
    messages = await walk.messages_of(source, numbers)
    if not folded.own <= {message.stamp for message in messages}:
        # It has heard what did not come to the log, or not as it was.
        return False
    await working.load_companies(folded.places)
    if not folded.settle(_deletions(working, folded.places)):
        return False
    unheard = [message for message in messages if message.stamp not in folded.own]
    return await walk.hear(source, folded, unheard)


def source_of(working: Working) -> Source:
    """Return how events are read in a transaction."""

    async def deletions(groups: Collection[str]) -> Deletions:
        await working.load_companies(groups)
        return _deletions(working, groups)

    return Source(working.workspace, working.tx.fetch, deletions, go_on)


def _deletions(working: Working, groups: Collection[str]) -> Deletions:
    return {group: working.by_group[group].fold.deleted for group in groups}


async def go_on() -> None:
    """Nobody else has a turn while a transaction is open."""


async def _put(working: Working, owner: Person | Company, folded: Folded) -> None:
    """Let a customer or an account be what it was folded to."""
    fold = folded.fold
    if isinstance(owner, Company) and isinstance(fold, Account):
        owner.fold, owner.refold = fold, False
        kept = {owner.id: fold.flags}
        await flags.remove(working.tx, working.workspace, Entity.ACCOUNT, kept)
    elif isinstance(owner, Person) and isinstance(fold, Customer):
        fold.alias = owner.fold.alias
        owner.fold, owner.refold = fold, False
        await working.load_companies(folded.places)
        by_group = working.by_group
        working.places[owner.id] = {by_group[g].id: one for g, one in folded.places.items()}
        await _remove_rest(working, [owner])


# ------------------------------------------------------------ what is folded at once


async def _refold_companies(working: Working, part: list[Marked]) -> None:
    tx, workspace = working.tx, working.workspace
    companies = [one.owner for one in part if isinstance(one.owner, Company)]
    folds = {company.id: Account() for company in companies}
    for event in await log.read_about(tx, workspace, "account_id", folds):
        company = working.by_group[event.group_id or ""]
        _must(exact=folds[company.id].take(meaning(event), event.stamp))
    kept = {number: fold.flags for number, fold in folds.items()}
    await flags.remove(tx, workspace, Entity.ACCOUNT, kept)
    for company in companies:
        company.fold, company.refold = folds[company.id], False


async def _refold_people(working: Working, part: list[Marked]) -> None:
    people = [one.owner for one in part if isinstance(one.owner, Person)]
    numbers = [number for one in part for number in one.key.numbers]
    events = await log.read_about(working.tx, working.workspace, "whom", numbers)
    said = [(event, meaning(event)) for event in events]
    placed = {states.group_id for _, states in said if states.place is not Place.NONE}
    await working.load_companies(group for group in placed if group is not None)
    for person in people:
        person.fold, person.refold = Customer(alias=person.fold.alias), False
        working.places[person.id] = {}
    for event, states in said:
        if event.subject is not None:
            _take(working, working.person_of(event.subject), event, states)
    await _remove_rest(working, people)


async def _remove_rest(working: Working, people: Sequence[Person]) -> None:
    """Remove what is stored of customers and does not follow from the log."""
    tx, workspace = working.tx, working.workspace
    stored = {person.id: person.fold.flags for person in people if person.stored}
    await flags.remove(tx, workspace, Entity.CUSTOMER, stored)
    await tx.delete("memberships", ("customer_id",), workspace.id, [(one,) for one in stored])


def _take(working: Working, person: Person, event: Message, states: Meaning) -> None:
    _must(exact=person.fold.take(states, event.stamp))
    if states.place is not Place.NONE and states.group_id is not None:
        company = working.by_group[states.group_id]
        place = working.place(person.id, company.id)
        _must(exact=place.take(states, event.stamp, company.fold.deleted))


def _must(*, exact: bool) -> None:
    if not exact:
        raise Inexact("a fold in the order of times asked for the log")
