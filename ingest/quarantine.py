"""Hold what cannot be applied, one entry a body, until a retry makes it an event or it is erased."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from ingest.erasure import Oblivion
from ingest.log import span_of
from models.database import Database, Row, Transaction
from models.values import (
    Held,
    JsonText,
    Message,
    Micros,
    Outcome,
    Quarantined,
    Receipt,
    Veil,
    Workspace,
    erased_message_id,
    erased_quarantine_key,
    erasure_hash,
    message_key,
    quarantine_key,
)

COLUMNS = (
    "id",
    "key",
    "message_id",
    "message_key",
    "hash",
    "reason",
    "at",
    "received_at",
    "retried_at",
    "erased",
    "notes",
    "body",
)
_ENTRY = (
    "SELECT key, message_id, at, received_at, erased, notes, body FROM quarantine"
    " WHERE workspace_id = ?1 AND key IN (?2, ?3)"
)
_BECAME = (
    "SELECT key, veil FROM events WHERE workspace_id = ?1 AND key BETWEEN ?2 AND ?3"
    " AND message_id = ?4 AND received_at = ?5"
)
# Whoever is first takes it out; who comes second finds no such row, however close behind.
_RELEASE = (
    "UPDATE quarantine SET key = ?3, message_id = ?4, message_key = ?5, hash = NULL, at = ?6,"
    f" retried_at = ?7, erased = {int(Held.RETRIED)}, notes = NULL, body = ''"
    f" WHERE workspace_id = ?1 AND key = ?2 AND erased = {int(Held.WAITS)} RETURNING id"
)
_IN_VAIN = (
    "UPDATE quarantine SET retried_at = ?3, reason = coalesce(?4, reason)"
    f" WHERE workspace_id = ?1 AND key = ?2 AND erased = {int(Held.WAITS)}"
    " RETURNING message_id, received_at"
)


class Retry(NamedTuple):
    """Which entry is tried again, when, and whether as it is or corrected."""

    key: bytes
    at: Micros
    corrected: bool = False


class Entry(NamedTuple):
    """A quarantined body as it is stored."""

    key: bytes
    message_id: str
    at: Micros
    received_at: Micros
    held: Held
    notes: tuple[str, ...]
    body: JsonText


class Holding(NamedTuple):
    """One body to hold, and the entry it is if it was tried again in vain."""

    body: Quarantined
    retry: Retry | None


async def hold(
    tx: Transaction, workspace: Workspace, oblivion: Oblivion, bodies: Sequence[Holding]
) -> list[Receipt | None]:
    """Hold bodies, each once; return their receipts, None where a retried entry waits no more."""
    again = [each.retry is not None for each in bodies]
    new = [each.body for each in bodies if each.retry is None]
    receipts = iter(await _hold_new(tx, workspace, oblivion, new) if new else ())
    return [
        await _hold_again(tx, workspace, each) if tried else next(receipts)
        for each, tried in zip(bodies, again, strict=True)
    ]


async def release(
    tx: Transaction, workspace: Workspace, secret: bytes, retry: Retry, message: Message
) -> bool:
    """Take out an entry that became `message`; answer False when it does not wait any more.

    A keyed hash of the body stays, so that the same body is still known when it comes again.
    """
    args = (
        *(workspace.id, retry.key, erased_quarantine_key(secret, retry.key)),
        *(message.message_id, message_key(workspace.name, message.message_id)),
        *(message.at, retry.at),
    )
    return bool(await tx.fetch(_RELEASE, args))


async def find(database: Database, workspace: Workspace, key: bytes) -> Entry | None:
    """Return the entry that has, or had while it waited, this key."""
    secret = (
        await database.read("SELECT erasure_key FROM workspaces WHERE id = ?1", (workspace.id,))
    )[0][0]
    args = (workspace.id, key, erased_quarantine_key(bytes(secret), key))
    for mark, message_id, at, received_at, held, notes, body in await database.read(_ENTRY, args):
        told = tuple(msgspec.json.decode(notes)) if notes else ()
        return Entry(bytes(mark), message_id, at, received_at, Held(held), told, body)
    return None


async def settled(database: Database, workspace: Workspace, entry: Entry) -> Receipt:
    """Return the answer to another retry of an entry that is an event already."""
    span = span_of(message_key(workspace.name, entry.message_id))
    args = (workspace.id, *span, entry.message_id, entry.received_at)
    found = await database.read(_BECAME, args)
    # Where two events could be meant, none is named.
    shown = len(found) == 1 and found[0][1] == Veil.NONE
    return Receipt(
        entry.message_id,
        Outcome.DUPLICATE,
        entry.received_at,
        event_key=bytes(found[0][0]) if shown else None,
    )


async def _hold_new(
    tx: Transaction, workspace: Workspace, oblivion: Oblivion, bodies: Sequence[Quarantined]
) -> list[Receipt]:
    plain = [quarantine_key(workspace.name, one.identity) for one in bodies]
    hidden = [erased_quarantine_key(oblivion.secret, key) for key in plain]
    rows = await tx.lookup(
        "quarantine", ("key",), ("key",), workspace.id, [(key,) for key in (*plain, *hidden)]
    )
    known = {row[0] for row in rows}
    numbers = iter(await tx.new_ids("quarantine", workspace.id, len(bodies)))
    receipts = []
    made: list[Row] = []
    for one, open_key, mark in zip(bodies, plain, hidden, strict=True):
        gone = await oblivion.covers(one.subject, one.at, one.received_at)
        key = mark if gone else open_key
        there = bool(known & {open_key, mark})
        if not there:
            who = None if one.subject is None else erasure_hash(oblivion.secret, one.subject)
            held = Held.ERASED if gone else Held.WAITS
            kept = erased_message_id(oblivion.secret, one.message_id) if gone else one.message_id
            row = (
                *(next(numbers), key, kept, message_key(workspace.name, kept)),
                *(who, one.reason.value, one.at, one.received_at, None, int(held)),
                *(None if gone else _notes(one.notes), "" if gone else one.body),
            )
            made.append(row)
            known.add(key)
        outcome = Outcome.DUPLICATE if there else Outcome.QUARANTINED
        if gone:
            outcome = Outcome.ERASED
        receipts.append(
            Receipt(one.message_id, outcome, one.received_at, one.reason, one.notes, None, key)
        )
    await tx.insert("quarantine", COLUMNS, workspace.id, made)
    return receipts


async def _hold_again(tx: Transaction, workspace: Workspace, held: Holding) -> Receipt | None:
    body, retry = held
    if retry is None:
        raise TypeError("only what was retried is held again")
    # The entry is what first came: a correction that failed says nothing of it.
    reason = None if retry.corrected else body.reason.value
    rows = await tx.fetch(_IN_VAIN, (workspace.id, retry.key, retry.at, reason))
    for message_id, received_at in rows:
        return Receipt(
            message_id,
            Outcome.QUARANTINED,
            received_at,
            body.reason,
            body.notes,
            quarantine_key=retry.key,
        )
    return None


def _notes(notes: Iterable[str]) -> str | None:
    return msgspec.json.encode(list(notes)).decode() if notes else None
