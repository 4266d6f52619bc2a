"""Mend what is stored of a few customers, accounts or events, from the log and inside one transaction.

Nothing of theirs is believed but the events, and of those only what their keys vouch for; so it does
not matter what is wrong. Whoever calls sees to it that the transaction stays short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingest import log, soundness
from ingest.erasure import Oblivion
from ingest.fold import Account, Customer
from ingest.indexes import WORD_COLUMNS, Holder, word_rows
from ingest.log import Fresh
from ingest.meaning import Meaning, meaning
from ingest.refold import refold
from ingest.regroup import regroup
from ingest.working import Company, Person, Working
from models.database import Row, Transaction
from models.values import (
    Entity,
    Identifier,
    Kind,
    Message,
    Veil,
    Workspace,
    account_key,
    erasure_hash,
    identity_key,
)

_EVENT = ("id", "key", "message_id", "at", "received_at", "veil", "body", "notes")
_FLAG_KEY = ("entity", "owner_id", "audience_id")
_TABLES = {Entity.CUSTOMER: "customers", Entity.ACCOUNT: "accounts"}
_WORDS = {
    Entity.CUSTOMER: (("email_folded", "name_folded"), Holder.CUSTOMER),
    Entity.ACCOUNT: (("group_id_folded", "name_folded"), Holder.ACCOUNT),
}


async def people(tx: Transaction, workspace: Workspace, names: Iterable[Identifier]) -> None:
    """Part and fold again the customers of these identifiers, and of all that they are joined with."""
    working = Working(tx, workspace)
    oblivion = await Oblivion.load(tx, workspace)
    missing = list(names)
    while missing:
        told = await _gather(working, missing)
        await working.write_identities()
        # Their accounts must be there before they can be members of them.
        missing = await _point(tx, workspace, await _homeless(working, told))
    for identity in working.by_id.values():
        # Erased links know identities by it; where nobody was erased there is none to know.
        identity.hash = erasure_hash(oblivion.secret, identity.name) if oblivion.active else None
    numbers = sorted({identity.customer for identity in working.by_id.values()})
    rows = await tx.lookup("customers", ("id",), ("id",), workspace.id, [(n,) for n in numbers])
    for (number,) in rows:
        # What its row says is not read: it may be what is wrong.
        working.people[number] = Person(number, Customer(), b"", None, stored=True)
    await _clear(tx, workspace, Entity.CUSTOMER, numbers)
    await regroup(working, numbers)
    await refold(working)
    # Words of an identity are written when it is made: so as if it were.
    working.indexed.named.update((n, one.name.text.lower()) for n, one in working.by_id.items())
    await working.write_state()


async def companies(
    tx: Transaction, workspace: Workspace, groups: Iterable[str], made: Iterable[Company] = ()
) -> None:
    """Fold again the accounts of these groupIds; those that no event names cease to be."""
    working = Working(tx, workspace)
    keys = [(account_key(workspace.name, group),) for group in groups]
    rows = await tx.lookup("accounts", ("id", "key", "group_id"), ("key",), workspace.id, keys)
    for number, key, group in rows:
        _hold(working, Company(number, Account(), bytes(key), group, refold=True))
    for company in made:
        _hold(working, company)
        working.new_companies.add(company.id)
    await _clear(tx, workspace, Entity.ACCOUNT, list(working.companies))
    await refold(working)
    gone = [one for one in working.companies.values() if one.fold.first_seen is None]
    for company in gone:
        del working.companies[company.id]
    await tx.delete("accounts", ("id",), workspace.id, [(one.id,) for one in gone])
    await working.write_state()


async def events(tx: Transaction, workspace: Workspace, keys: Iterable[bytes]) -> None:
    """Put right what the log's columns say beside the bodies; make whom they name where there is nobody."""
    missing = await _point(tx, workspace, keys)
    if missing:
        await people(tx, workspace, missing)


async def name_identity(tx: Transaction, workspace: Workspace, number: int) -> None:
    """Give an identity the key of its name; where another has that, remove this one."""
    columns = ("key", "kind", "identifier")
    for key, kind, text in await tx.lookup(
        "identities", columns, ("id",), workspace.id, [(number,)]
    ):
        right = identity_key(workspace.name, Identifier(Kind(kind), text))
        if right != key:
            await _take_key(tx, workspace, "identities", number, right)


async def name_account(tx: Transaction, workspace: Workspace, number: int) -> None:
    """Give an account the key of its groupId; where another has that, remove this one."""
    columns = ("key", "group_id")
    for key, group in await tx.lookup("accounts", columns, ("id",), workspace.id, [(number,)]):
        right = account_key(workspace.name, group)
        if right != key:
            await _take_key(tx, workspace, "accounts", number, right)


async def drop_customer(tx: Transaction, workspace: Workspace, number: int) -> None:
    """Remove a customer that no identity belongs to."""
    key = [(number,)]
    if not await tx.lookup("identities", ("id",), ("customer_id",), workspace.id, key):
        await _clear(tx, workspace, Entity.CUSTOMER, [number])
        await tx.delete("customers", ("id",), workspace.id, key)


async def flagged(
    tx: Transaction, workspace: Workspace, audience: int, limit: int
) -> list[tuple[int, int]]:
    """Return some who have a flag of an audience, as kinds and numbers; without any it is removed."""
    sql = (
        "SELECT entity, owner_id FROM flags WHERE workspace_id = ?1 AND audience_id = ?2"
        f" ORDER BY owner_id LIMIT {limit}"
    )
    rows = await tx.fetch(sql, (workspace.id, audience))
    if not rows:
        await tx.delete("intervals", ("audience_id",), workspace.id, [(audience,)])
        await tx.delete("audiences", ("id",), workspace.id, [(audience,)])
    return [(entity, owner) for entity, owner in rows]


async def rename(
    tx: Transaction, workspace: Workspace, table: str, columns: tuple[str, ...], row: Row
) -> None:
    """Let a row be called what its key is a hash of: its number, then what `columns` are to hold."""
    changed = ", ".join(f"{name} = ?{place}" for place, name in enumerate(columns, 3))
    sql = f"UPDATE {table} SET {changed} WHERE workspace_id = ?1 AND id = ?2"
    await tx.fetch(sql, (workspace.id, *row))


async def names_of(
    tx: Transaction, workspace: Workspace, keys: Iterable[bytes]
) -> list[Identifier]:
    """Return what identities are called that are stored under these keys."""
    wanted = [(key,) for key in keys]
    rows = await tx.lookup("identities", ("kind", "identifier"), ("key",), workspace.id, wanted)
    return [Identifier(Kind(kind), text) for kind, text in rows]


async def groups_of(tx: Transaction, workspace: Workspace, keys: Iterable[bytes]) -> list[str]:
    """Return what accounts are called that are stored under these keys."""
    wanted = [(key,) for key in keys]
    rows = await tx.lookup("accounts", ("group_id",), ("key",), workspace.id, wanted)
    return [group for (group,) in rows]


async def _gather(working: Working, names: list[Identifier]) -> list[Message]:
    """Load all identities that may belong together, making those that are missing; return their events."""
    heard: set[int] = set()
    told: list[Message] = []
    while names:
        missing = await working.find_identities(names)
        if missing:
            await working.add_identities(missing, {})
        await working.load_identities_of({one.customer for one in working.by_id.values()})
        numbers = working.by_id.keys() - heard
        heard |= numbers
        events = await log.read_about(working.tx, working.workspace, "whom", numbers)
        told += events
        # Only aliases join customers; a device goes where its earliest link says, and alone.
        previous = {meaning(event).previous for event in events}
        names = [name for name in previous if name is not None and name not in working.identities]
    return told


async def _homeless(working: Working, told: Iterable[Message]) -> list[bytes]:
    """Return the keys of events in accounts that are not there."""
    workspace = working.workspace
    keys = {
        account_key(workspace.name, event.group_id): event.group_id
        for event in told
        if event.group_id is not None
    }
    wanted = [(key,) for key in keys]
    for (key,) in await working.tx.lookup("accounts", ("key",), ("key",), workspace.id, wanted):
        del keys[bytes(key)]
    lost = set(keys.values())
    return [log.keyed(workspace, event).key for event in told if event.group_id in lost]


async def _point(tx: Transaction, workspace: Workspace, keys: Iterable[bytes]) -> list[Identifier]:
    """Let events refer to whom they name, making accounts; return who was missing and has no customer yet."""
    rows = await tx.lookup("events", _EVENT, ("key",), workspace.id, [(key,) for key in keys])
    sound = [(row, one) for row in rows if (one := _read(workspace, row)) is not None]
    said = [(one.message, meaning(one.message)) for _, one in sound]
    working = Working(tx, workspace)
    missing = await working.find_identities(_named(said))
    if missing:
        await working.add_identities(missing, {})
        await working.write_identities()
    groups = {states.group_id for _, states in said if states.group_id is not None}
    made = await _find_companies(working, groups)
    changed = [
        (*log.row_of(working, row[0], one, states)[:-2], row[-1], row[-2])
        for (row, one), (_, states) in zip(sound, said, strict=True)
    ]
    await tx.upsert("events", log.COLUMNS, ("id",), workspace.id, changed)
    if made:
        await companies(tx, workspace, (), made)
    return missing


def _hold(working: Working, company: Company) -> None:
    working.companies[company.id] = company
    working.by_group[company.group_id] = company


def _read(workspace: Workspace, row: Row) -> Fresh | None:
    """Return the message of a row, None for one that nobody wrote as it is."""
    core = tuple(row[1:7])
    veil = soundness.veil_of(core)
    if veil is None or not soundness.is_named(workspace.name, core):
        return None
    return Fresh(bytes(core[0]), log.restore((*core[:4], veil, core[5])))


def _named(said: Iterable[tuple[Message, Meaning]]) -> list[Identifier]:
    names: dict[Identifier, None] = {}
    for message, states in said:
        if message.veil is Veil.NONE and states.subject is not None:
            names[states.subject] = None
            names.update(dict.fromkeys(states.devices))
            if states.previous is not None:
                names[states.previous] = None
    return list(names)


async def _find_companies(working: Working, groups: set[str]) -> list[Company]:
    """Let accounts be found by groupId without reading what they hold; return new ones for the missing."""
    tx, workspace = working.tx, working.workspace
    keys = {account_key(workspace.name, group): group for group in sorted(groups)}
    found = await tx.lookup(
        "accounts", ("id", "key"), ("key",), workspace.id, [(key,) for key in keys]
    )
    for number, key in found:
        _hold(working, Company(number, Account(), bytes(key), keys[bytes(key)]))
    missing = sorted(groups - working.by_group.keys())
    numbers = await tx.new_ids("accounts", workspace.id, len(missing)) if missing else ()
    made = [
        Company(number, Account(), account_key(workspace.name, group), group, refold=True)
        for number, group in zip(numbers, missing, strict=True)
    ]
    for company in made:
        _hold(working, company)
    return made


async def _clear(
    tx: Transaction, workspace: Workspace, entity: Entity, owners: Sequence[int]
) -> None:
    """Remove what a fold writes in rows of its own, whoever wrote it there."""
    keys = [(int(entity), owner) for owner in owners]
    rows = await tx.lookup("flags", ("audience_id", "owner_id"), _FLAG_KEY[:2], workspace.id, keys)
    await tx.delete("intervals", ("audience_id", "owner_id"), workspace.id, rows)
    await tx.delete("flags", _FLAG_KEY[:2], workspace.id, keys)
    numbers = [(owner,) for owner in owners]
    if entity is Entity.CUSTOMER:
        await tx.delete("memberships", ("customer_id",), workspace.id, numbers)
    sql = "SELECT id FROM kept_indexes WHERE workspace_id = ?1 AND kind = ?2"
    kept = await tx.fetch(sql, (workspace.id, int(entity)))
    values = [(index, owner) for (index,) in kept for owner in owners]
    await tx.delete("trait_values", ("index_id", "owner_id"), workspace.id, values)
    # Words are not found by whose they are, but by what they say.
    columns, holder = _WORDS[entity]
    rows = await tx.lookup(_TABLES[entity], ("id", *columns), ("id",), workspace.id, numbers)
    words = [row for owner, *texts in rows for row in word_rows(holder, owner, texts)]
    await tx.delete("words", WORD_COLUMNS, workspace.id, words)


async def _take_key(
    tx: Transaction, workspace: Workspace, table: str, number: int, key: bytes
) -> None:
    if await tx.lookup(table, ("id",), ("key",), workspace.id, [(key,)]):
        await tx.delete(table, ("id",), workspace.id, [(number,)])
    else:
        sql = f"UPDATE {table} SET key = ?3 WHERE workspace_id = ?1 AND id = ?2"
        await tx.fetch(sql, (workspace.id, number, key))
