"""Find whose each identifier is, as links and aliases come in (docs/semantics.md, section 3)."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.meaning import Meaning
from ingest.working import Identity, Person, Working
from models.database import Row
from models.values import Identifier, Kind, Message, Stamp

Said = tuple[Message, Meaning]

_LINK = ("device", "owner")
_ALIAS = ("previous", "owner")
LINK_COLUMNS = (*_LINK, "at", "message_id", "digest")
ALIAS_COLUMNS = (*_ALIAS, "first_at", "at", "message_id", "digest")


async def settle(working: Working, said: list[Said], hashes: dict[Identifier, bytes]) -> None:
    """Load or make every identity that `said` names, and join, move and split customers.

    Customers that cannot be joined exactly are marked to be folded again from the log.
    """
    missing = await working.meet(_names(said))
    if missing:
        await working.add_identities(missing, hashes)
    await working.load_all_of(_joined(working, said))
    links: dict[tuple[int, int], Stamp] = {}
    aliases: dict[tuple[int, int], tuple[int, Stamp]] = {}
    for message, meaning in said:
        await _settle_one(working, message, meaning, links, aliases)
    await _write_links(working, links)
    await _write_aliases(working, aliases)
    await working.write_identities()


def is_carried(message: Message, name: Identifier) -> bool:
    """Return whether a message carries `name` itself, and does not only alias it."""
    text = message.anonymous_id if name.kind is Kind.DEVICE else message.user_id
    return text == name.text


def _joined(working: Working, said: list[Said]) -> list[Person]:
    """Return the customers that are likely to be joined, so that they are loaded at once."""
    found: dict[int, Person] = {}
    for _, meaning in said:
        if meaning.subject is None:
            continue
        named = [working.identities[name] for name in meaning.devices]
        others = [device.customer for device in named if device.owner is None]
        if meaning.previous is not None:
            others.append(working.identities[meaning.previous].customer)
        user = working.identities[meaning.subject].customer
        for number in others:
            if number != user:
                found |= {each: working.people[each] for each in (user, number)}
    return list(found.values())


async def _settle_one(
    working: Working,
    message: Message,
    meaning: Meaning,
    links: dict[tuple[int, int], Stamp],
    aliases: dict[tuple[int, int], tuple[int, Stamp]],
) -> None:
    if meaning.subject is None:
        return
    user = working.identities[meaning.subject]
    _see(working, user)
    stamp = message.stamp
    for name in meaning.devices:
        device = working.identities[name]
        if is_carried(message, name):
            _see(working, device)
        if device.owner == user.id and device.link is not None and stamp >= device.link:
            continue
        pair = (device.id, user.id)
        links[pair] = min(stamp, links.get(pair, stamp))
        if device.link is None or stamp < device.link:
            await _own(working, device, user, stamp)
    if meaning.previous is not None:
        previous = working.identities[meaning.previous]
        pair = (previous.id, user.id)
        first, newest = aliases.get(pair, (stamp.at, stamp))
        aliases[pair] = (min(first, stamp.at), max(newest, stamp))
        await _alias(working, previous, user, stamp)


async def _own(working: Working, device: Identity, user: Identity, stamp: Stamp) -> None:
    """Give a device to the user of a link that is earlier than any known."""
    had_owner = device.owner is not None
    device.owner, device.link = user.id, stamp
    working.changed.add(device.id)
    if device.customer == user.customer:
        return
    mine, theirs = working.people[device.customer], working.people[user.customer]
    if had_owner:
        # What it said goes with it, and only the log can tell that apart.
        mine.refold = theirs.refold = True
        working.move(device, theirs.id)
    else:
        await _join(working, mine, theirs)


async def _alias(working: Working, previous: Identity, user: Identity, stamp: Stamp) -> None:
    winner = working.people[user.customer]
    loser = working.people[previous.customer]
    if winner is not loser:
        if loser.stored and not winner.stored:
            # The one that has rows stays, so that fewer are written.
            winner, loser = loser, winner
        await _join(working, loser, winner)
    if winner.fold.alias is None or stamp > winner.fold.alias:
        winner.fold.alias = stamp
        winner.key, winner.user_id = user.key, user.name.text


async def _join(working: Working, loser: Person, winner: Person) -> None:
    """Make two customers one."""
    _take_root(loser, winner)
    if loser.refold or winner.refold:
        winner.fold.take_alias(loser.fold.alias)
        winner.refold = True
    else:
        await working.load_all_of((loser, winner))
        winner.refold = not winner.fold.join(loser.fold)
    ours = working.places.setdefault(winner.id, {})
    for account, place in working.places.get(loser.id, {}).items():
        if account in ours:
            winner.refold = True
        else:
            ours[account] = place
    identities = working.held_of(loser.id)
    if loser.stored and not loser.whole:
        identities = await working.load_identities_of([loser.id])
    for identity in identities:
        working.move(identity, winner.id)
    working.drop(loser)


def _take_root(loser: Person, winner: Person) -> None:
    """Let the customer answer to the userId of its newest alias, or to the only one it has."""
    ours, theirs = winner.fold.alias, loser.fold.alias
    newer = theirs is not None and (ours is None or theirs > ours)
    if newer or (winner.user_id is None and loser.user_id is not None):
        winner.key, winner.user_id = loser.key, loser.user_id


def _see(working: Working, identity: Identity) -> None:
    if not identity.seen:
        identity.seen = True
        working.changed.add(identity.id)


def _names(said: Iterable[Said]) -> list[Identifier]:
    names: dict[Identifier, None] = {}
    for _, meaning in said:
        if meaning.subject is not None:
            names[meaning.subject] = None
        names.update(dict.fromkeys(meaning.devices))
        if meaning.previous is not None:
            names[meaning.previous] = None
    return list(names)


async def _write_links(working: Working, links: dict[tuple[int, int], Stamp]) -> None:
    if not links:
        return
    workspace = working.workspace.id
    known = await working.tx.lookup("links", LINK_COLUMNS, _LINK, workspace, sorted(links))
    for device, owner, *stamp in known:
        links[device, owner] = min(links[device, owner], Stamp(*stamp))
    rows: list[Row] = [(*pair, *stamp) for pair, stamp in sorted(links.items())]
    await working.tx.upsert("links", LINK_COLUMNS, _LINK, workspace, rows)


async def _write_aliases(
    working: Working, aliases: dict[tuple[int, int], tuple[int, Stamp]]
) -> None:
    if not aliases:
        return
    workspace = working.workspace.id
    known = await working.tx.lookup("aliases", ALIAS_COLUMNS, _ALIAS, workspace, sorted(aliases))
    for previous, owner, first, *stamp in known:
        ours, newest = aliases[previous, owner]
        aliases[previous, owner] = (min(ours, first), max(newest, Stamp(*stamp)))
    rows: list[Row] = [(*pair, first, *stamp) for pair, (first, stamp) in sorted(aliases.items())]
    await working.tx.upsert("aliases", ALIAS_COLUMNS, _ALIAS, workspace, rows)
