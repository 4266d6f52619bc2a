"""The log: append what is new, read again what was said of someone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from typing import NamedTuple

import msgspec

from ingest import message as messages
from ingest.meaning import Meaning
from ingest.working import Working
from models.database import Row, Transaction
from models.values import Message, Micros, Stamp, Veil, Workspace, erased_event_key, event_key

COLUMNS = (
    "id",
    "key",
    "message_id",
    "type",
    "name",
    "at",
    "received_at",
    "whom",
    "device",
    "account_id",
    "veil",
    "written",
    "notes",
    "body",
)
_KNOWN = ("key", "message_id", "received_at", "veil")
_READ = ("key", "message_id", "at", "received_at", "veil", "body")


class Fresh(NamedTuple):
    """A message that the log has not, with its key."""

    key: bytes
    message: Message


class Known(NamedTuple):
    """What the log has of a message that came again."""

    received_at: Micros
    veil: Veil


class Unknown(NamedTuple):
    """What of a batch the log has not, what it has by key, and how often by messageId."""

    fresh: list[Fresh]
    known: dict[bytes, Known]
    names: Counter[str]

    def shared(self, batch: Iterable[Fresh]) -> frozenset[str]:
        """Return the messageIds under which there are several events, once `batch` is stored too."""
        names = self.names + Counter(fresh.message.message_id for fresh in batch)
        return frozenset(name for name, count in names.items() if count > 1)


async def unknown(
    tx: Transaction,
    workspace: Workspace,
    batch: Sequence[Fresh],
    secret: bytes | None,
    told: Container[bytes] = (),
) -> Unknown:
    """Return those of `batch` that the log has not, each once, and what it has of the others.

    `secret` is given where anyone was erased. Of the keys that are `told` it is also asked which
    other events have their messageId.
    """
    first = {fresh.key: fresh for fresh in reversed(batch)}
    # What is stored by what was sent: erased events are known by keyed hashes only.
    sent = {key: key for key in first}
    if secret is not None:
        sent |= {
            erased_event_key(secret, workspace.name, fresh.message.message_id, key): key
            for key, fresh in first.items()
        }
    spans = [span_of(key[:8]) if sent[key] in told else (key, key) for key in sorted(sent)]
    rows = await tx.between("events", _KNOWN, "key", workspace.id, spans)
    known = {
        sent[key]: Known(received_at, Veil(veil))
        for key, _, received_at, veil in rows
        if key in sent
    }
    new = [fresh for fresh in batch if fresh.key not in known and first[fresh.key] is fresh]
    return Unknown(new, known, Counter(name for _, name in {row[:2] for row in rows}))


async def append(working: Working, batch: Sequence[Fresh], said: Sequence[Meaning]) -> None:
    """Write new messages at the end of the log; their identities and accounts are loaded."""
    tx, workspace = working.tx, working.workspace
    numbers = await tx.new_ids("events", workspace.id, len(batch))
    rows = [row_of(working, *each) for each in zip(numbers, batch, said, strict=True)]
    await tx.claim("events", COLUMNS, "key", workspace.id, rows)


async def read_about(
    tx: Transaction, workspace: Workspace, by: str, numbers: Iterable[int]
) -> list[Message]:
    """Return all events about these identities (`whom`) or accounts (`account_id`), by stamp."""
    keys = [(number,) for number in sorted(set(numbers))]
    rows = await tx.lookup("events", _READ, (by,), workspace.id, keys)
    found = [restore(row) for row in rows]
    found.sort(key=_stamp)
    return found


async def count_about(
    tx: Transaction, workspace: Workspace, by: str, numbers: Iterable[int], most: int
) -> dict[int, int]:
    """Return how many events there are about each of these identities or accounts, at most `most`."""
    keys = [(number,) for number in sorted(set(numbers))]
    return dict(await tx.count("events", by, workspace.id, keys, most))


async def shared(tx: Transaction, workspace: Workspace, batch: Iterable[Fresh]) -> frozenset[str]:
    """Return those messageIds of a stored batch under which there are several events."""
    # The index finds them by a hash of the messageId; the text decides.
    spans = [span_of(fresh.key[:8]) for fresh in batch]
    rows = await tx.between("events", ("message_id",), "key", workspace.id, spans)
    return frozenset(name for (name,), count in Counter(rows).items() if count > 1)


def span_of(prefix: bytes) -> tuple[bytes, bytes]:
    """Return the first and the last key that an event of a messageId's hash may have."""
    return prefix + bytes(8), prefix + b"\xff" * 8


def keyed(workspace: Workspace, message: Message) -> Fresh:
    """Return a message with the key under which the log holds it."""
    return Fresh(event_key(workspace.name, message.message_id, message.digest), message)


def restore(row: Row) -> Message:
    """Return the message of a row of `key, message_id, at, received_at, veil, body`."""
    key, message_id, at, received_at, veil, body = row
    digest = key[8:].hex()
    return messages.restore(body, message_id, digest, at, received_at, Veil(veil))


def row_of(working: Working, number: int, fresh: Fresh, states: Meaning) -> Row:
    """Return what the log holds of a message, in the order of COLUMNS; whom it names is at hand."""
    key, message = fresh
    whom = device = None
    if message.veil is Veil.NONE and message.subject is not None:
        whom = working.identities[message.subject].id
        if message.user_id is not None and message.anonymous_id is not None:
            device = working.device_of(message.anonymous_id).id
    hidden = message.veil is Veil.DELETE or message.group_id is None
    account = None if hidden else working.by_group[message.group_id or ""].id
    notes = msgspec.json.encode(message.notes).decode() if message.notes else None
    return (
        number,
        key,
        message.message_id,
        int(message.type),
        message.name,
        message.at,
        message.received_at,
        whom,
        device,
        account,
        int(message.veil),
        states.written,
        notes,
        message.body,
    )


def _stamp(message: Message) -> Stamp:
    return message.stamp
