"""Take over what another database erased or held: its key, its hashes, and what they mean for what is here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from ingest import canonical
from ingest.carried import Edge, Entry, Erased, Head
from ingest.draft import Draft
from ingest.erasure import Edges, Oblivion
from ingest.quarantine import COLUMNS
from ingest.refold import refold
from ingest.working import Working
from models.database import Row, Transaction
from models.values import (
    Held,
    Identifier,
    Kind,
    Micros,
    Outcome,
    Workspace,
    erased_message_id,
    erased_quarantine_key,
    erasure_hash,
    message_key,
)

_ROWS = 5_000


class OtherKey(Exception):
    """Both databases erased people, each by a key of its own: hashes of one mean nothing to the other."""


async def adopt_key(tx: Transaction, workspace: Workspace, head: Head) -> bool:
    """Make the key of an export this workspace's own; return False where hashes by another are kept."""
    await tx.enter(workspace.id)
    sql = "SELECT erasure_key FROM workspaces WHERE id = ?1"
    if bytes((await tx.fetch(sql, (workspace.id,)))[0][0]) == head.secret:
        return True
    await tx.alone(workspace.id)
    sql = (
        "SELECT EXISTS (SELECT 1 FROM erasures WHERE workspace_id = ?1)"
        " OR EXISTS (SELECT 1 FROM events WHERE workspace_id = ?1 AND veil <> 0)"
        " OR EXISTS (SELECT 1 FROM quarantine WHERE workspace_id = ?1 AND erased <> 0)"
    )
    if (await tx.fetch(sql, (workspace.id,)))[0][0]:
        return False
    sql = "UPDATE workspaces SET erasure_key = ?2 WHERE id = ?1"
    await tx.fetch(sql, (workspace.id, head.secret))
    await _hash_quarantine(tx, workspace, head.secret)
    return True


async def adopt_marks(
    tx: Transaction, workspace: Workspace, erased: Sequence[Erased], links: Sequence[Edge]
) -> None:
    """Erase here what is erased there, and remember along which links it spreads."""
    await tx.enter(workspace.id)
    oblivion = await Oblivion.load(tx, workspace)
    until: dict[bytes, Micros] = {}
    for one in erased:
        until[one.hash] = max(one.until, until.get(one.hash, one.until))
    edges: Edges = {}
    for edge in links:
        key = (edge.hash, edge.other, edge.kind)
        edges[key] = min(edge.first_at, edges.get(key, edge.first_at))
    marks = set(until)
    marks.update(end for pair in edges for end in pair[:2])
    working = Working(tx, workspace)
    names = await _names(tx, workspace, oblivion.secret, marks)
    await oblivion.take_over(working, until, edges, names)
    await refold(working)
    await working.write_state()
    if oblivion.tally is not None:
        # Only to let go of the audiences that nobody is in any more.
        await oblivion.tally.end()


async def adopt_entries(
    tx: Transaction, workspace: Workspace, entries: Sequence[Entry]
) -> Counter[Outcome]:
    """Hold entries of another quarantine as they stood; return what became of them."""
    await tx.enter(workspace.id)
    oblivion = await Oblivion.load(tx, workspace)
    hidden = [erased_quarantine_key(oblivion.secret, one.key) for one in entries]
    sought = [(key,) for one, mark in zip(entries, hidden, strict=True) for key in (one.key, mark)]
    rows = await tx.lookup("quarantine", ("key",), ("key",), workspace.id, sought)
    known = {bytes(row[0]) for row in rows}
    numbers = iter(await tx.new_ids("quarantine", workspace.id, len(entries)))
    became: Counter[Outcome] = Counter()
    for one, mark in zip(entries, hidden, strict=True):
        if one.key in known or (one.state is Held.WAITS and mark in known):
            became[Outcome.DUPLICATE] += 1
            if one.retried_at is not None:
                await _note_retry(tx, workspace, one)
            continue
        row, outcome = await _entry_row(oblivion, one, mark)
        known.add(row[0])
        if one.state is Held.RETRIED:
            # What became of it is told of the event that it is.
            await _release(tx, workspace, oblivion.secret, one)
        else:
            became[outcome] += 1
        await tx.insert("quarantine", COLUMNS, workspace.id, [(next(numbers), *row)])
    return became


async def _entry_row(oblivion: Oblivion, one: Entry, mark: bytes) -> tuple[Row, Outcome]:
    """Return the row of an entry, and what became of its message."""
    body, key, state, who = one.body, one.key, one.state, one.hash
    message_id = body.message_id
    if state is Held.WAITS:
        who = None if body.subject is None else erasure_hash(oblivion.secret, body.subject)
        if await oblivion.covers(body.subject, body.at, body.received_at):
            key, state = mark, Held.ERASED
            message_id = erased_message_id(oblivion.secret, message_id)
    text = body.body
    notes = msgspec.json.encode(body.notes).decode() if body.notes else None
    if state is not Held.WAITS:
        text, notes = "", None
    named = (key, message_id, message_key(oblivion.workspace.name, message_id), who)
    times = (body.at, body.received_at, one.retried_at)
    outcome = Outcome.QUARANTINED if state is Held.WAITS else Outcome.ERASED
    return (*named, body.reason.value, *times, int(state), notes, text), outcome


async def _note_retry(tx: Transaction, workspace: Workspace, one: Entry) -> None:
    sql = (
        "UPDATE quarantine SET retried_at = ?3 WHERE workspace_id = ?1 AND key = ?2"
        " AND retried_at IS NULL"
    )
    await tx.fetch(sql, (workspace.id, one.key, one.retried_at))


async def _release(tx: Transaction, workspace: Workspace, secret: bytes, one: Entry) -> None:
    """Let go of the body that waits here and is an event there."""
    name = message_key(workspace.name, one.body.message_id)
    sql = (
        "SELECT key FROM quarantine WHERE workspace_id = ?1 AND message_key = ?2"
        f" AND erased = {int(Held.WAITS)}"
    )
    for (key,) in await tx.fetch(sql, (workspace.id, name)):
        if erased_quarantine_key(secret, bytes(key)) == one.key:
            await tx.delete("quarantine", ("key",), workspace.id, [(key,)])


async def _hash_quarantine(tx: Transaction, workspace: Workspace, secret: bytes) -> None:
    """Let what waits be found by the new key when somebody it names is erased."""
    last = 0
    while True:
        sql = (
            "SELECT id, body FROM quarantine WHERE workspace_id = ?1 AND id > ?2 AND hash IS NOT NULL"
            f" ORDER BY id LIMIT {_ROWS}"
        )
        rows = await tx.fetch(sql, (workspace.id, last))
        for number, body in rows:
            value = canonical.read(body.encode())
            subject = Draft(value, body.encode()).subject() if isinstance(value, dict) else None
            mark = None if subject is None else erasure_hash(secret, subject)
            update = "UPDATE quarantine SET hash = ?3 WHERE workspace_id = ?1 AND id = ?2"
            await tx.fetch(update, (workspace.id, number, mark))
        if len(rows) < _ROWS:
            return
        last = rows[-1][0]


async def _names(
    tx: Transaction, workspace: Workspace, secret: bytes, marks: set[bytes]
) -> dict[bytes, Identifier]:
    """Return those identifiers here whose hashes are among `marks`: hashes do not tell them."""
    found: dict[bytes, Identifier] = {}
    last = 0
    while True:
        sql = (
            "SELECT id, kind, identifier FROM identities WHERE workspace_id = ?1 AND id > ?2"
            f" ORDER BY id LIMIT {_ROWS}"
        )
        rows = await tx.fetch(sql, (workspace.id, last))
        for _, kind, text in rows:
            name = Identifier(Kind(kind), text)
            mark = erasure_hash(secret, name)
            if mark in marks:
                found[mark] = name
        if len(rows) < _ROWS:
            return found
        last = rows[-1][0]
