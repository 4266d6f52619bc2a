"""Part customers anew after an erasure took links and aliases away: from the log alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ingest import log
from ingest.fold import Customer
from ingest.meaning import meaning
from ingest.owners import ALIAS_COLUMNS, LINK_COLUMNS, is_carried
from ingest.working import Identity, Person, Working
from models.values import Kind, Message, Stamp


async def regroup(working: Working, customers: Iterable[int]) -> None:
    """Make of these customers those that their living events still speak of.

    Identities that nothing living names are removed. Customers that remain are marked to be
    folded again; those that do not are dropped.
    """
    numbers = sorted(set(customers))
    await working.load_people(numbers)
    identities = await working.load_identities_of(numbers)
    events = await log.read_about(
        working.tx, working.workspace, "whom", [identity.id for identity in identities]
    )
    await _rewrite_edges(working, identities, events)
    kept = await _settle(working, identities, events)
    groups = await _groups(working, kept)
    await _assign(working, numbers, groups)
    await working.write_identities()


async def _rewrite_edges(
    working: Working, identities: list[Identity], events: list[Message]
) -> None:
    """Write the links and aliases that living events make."""
    links: dict[tuple[int, int], Stamp] = {}
    aliases: dict[tuple[int, int], tuple[int, Stamp]] = {}
    for message in events:
        said = meaning(message)
        if said.subject is None:
            continue
        user = working.identities[said.subject].id
        others = [*said.devices, *([said.previous] if said.previous else [])]
        await working.find_identities(others)
        for device in said.devices:
            # By stamp, so that the first is the earliest.
            links.setdefault((working.identities[device].id, user), message.stamp)
        if said.previous is not None:
            pair = (working.identities[said.previous].id, user)
            first = aliases[pair][0] if pair in aliases else message.at
            aliases[pair] = (first, message.stamp)
    tx, workspace = working.tx, working.workspace.id
    owners = [(one.id,) for one in identities if one.name.kind is Kind.USER]
    await tx.delete("links", ("owner",), workspace, owners)
    await tx.delete("aliases", ("owner",), workspace, owners)
    rows = [(*pair, *stamp) for pair, stamp in sorted(links.items())]
    await tx.upsert("links", LINK_COLUMNS, LINK_COLUMNS[:2], workspace, rows)
    alias_rows = [(*pair, first, *stamp) for pair, (first, stamp) in sorted(aliases.items())]
    await tx.upsert("aliases", ALIAS_COLUMNS, ALIAS_COLUMNS[:2], workspace, alias_rows)


async def _settle(
    working: Working, identities: list[Identity], events: list[Message]
) -> list[Identity]:
    """Find the owner of each device again; return the identities that something living names."""
    tx, workspace = working.tx, working.workspace.id
    devices = [(one.id,) for one in identities if one.name.kind is Kind.DEVICE]
    links = await tx.lookup("links", LINK_COLUMNS, ("device",), workspace, devices)
    first: dict[int, tuple[Stamp, int]] = {}
    for device, owner, *stamp in links:
        link = (Stamp(*stamp), owner)
        first[device] = min(link, first.get(device, link))
    # A device may also be carried by users of other customers, whom the erasure does not touch.
    others = {row[1] for row in links} - {one.id for one in identities}
    heard = [*events, *await log.read_about(tx, working.workspace, "whom", others)]
    carried = {
        name for message in heard for name in meaning(message).devices if is_carried(message, name)
    }
    users = [(one.id,) for one in identities if one.name.kind is Kind.USER]
    aliases = await tx.lookup("aliases", ("previous",), ("previous",), workspace, users)
    named = {message.subject for message in events} | carried
    aliased = {row[0] for row in aliases}
    kept: list[Identity] = []
    lost: list[Identity] = []
    for one in identities:
        one.link, one.owner = first.get(one.id, (None, None))
        one.seen = one.name in named
        alive = one.seen or one.owner is not None or one.id in aliased
        (kept if alive else lost).append(one)
        working.changed.add(one.id)
    for one in lost:
        working.forget(one)
    await tx.delete("identities", ("id",), workspace, [(one.id,) for one in lost])
    return kept


async def _groups(
    working: Working, kept: list[Identity]
) -> list[tuple[list[Identity], Stamp | None]]:
    """Return who belongs together, with the newest alias that says so."""
    tx, workspace = working.tx, working.workspace.id
    await working.load_identities_by_id(one.owner for one in kept if one.owner is not None)
    users = [(one.id,) for one in kept if one.name.kind is Kind.USER]
    rows = await tx.lookup("aliases", ALIAS_COLUMNS, ("owner",), workspace, users)
    parent = {one.id: one.id for one in kept}

    def root(number: int) -> int:
        while parent[number] != number:
            number = parent[number]
        return number

    for previous, owner, *_ in rows:
        parent[root(previous)] = root(owner)
    members: dict[int, list[Identity]] = defaultdict(list)
    for one in kept:
        if one.owner is not None and one.owner not in parent:
            # It was this customer's by a link that is gone, and is another's now.
            other = working.by_id[one.owner].customer
            working.move(one, other)
            await working.load_people([other])
            working.people[other].refold = True
        else:
            members[root(one.id if one.owner is None else one.owner)].append(one)
    newest: dict[int, Stamp] = {}
    for _, owner, _, *stamp in rows:
        place = root(owner)
        newest[place] = max(Stamp(*stamp), newest.get(place, Stamp(*stamp)))
        if newest[place] == Stamp(*stamp):
            _put_first(members[place], owner)
    return [(group, newest.get(place)) for place, group in members.items()]


def _put_first(group: list[Identity], head: int) -> None:
    group.sort(key=lambda one: one.id != head)


async def _assign(
    working: Working, numbers: list[int], groups: list[tuple[list[Identity], Stamp | None]]
) -> None:
    free = [number for number in numbers if number in working.people]
    if len(groups) > len(free):
        free += await working.new_customers(len(groups) - len(free))
    for number, (group, alias) in zip(free[: len(groups)], groups, strict=True):
        users = [one for one in group if one.name.kind is Kind.USER]
        head = users[0] if users else group[0]
        user_id = head.name.text if users else None
        stored = number in working.people and working.people[number].stored
        person = Person(number, Customer(alias=alias), head.key, user_id, stored, refold=True)
        working.people[number] = person
        for one in group:
            working.move(one, number)
    for number in free[len(groups) :]:
        working.drop(working.people[number])
