"""Write the log as lines of JSON that `import` turns into the identical state.

Each line is a message as it was stored, with `_calyx` before its own members; what is no message
(the head, what remains of the erased, what waits in quarantine) is a line of `_calyx` alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ingest import canonical, clock
from ingest.draft import Draft
from models.connection import Row
from models.database_snapshot import Snapshot
from models.values import Held, Micros, Workspace

FORM = 1
"""What the head of an export calls the form of its lines."""

_encode = msgspec.json.encode
_MARK = b'"_calyx"'


@dataclass(frozen=True, slots=True)
class Span:
    """The time of what is exported: from `since` on, before `until`; all of it where neither is given."""

    since: Micros | None = None
    until: Micros | None = None

    def where(self, alias: str) -> tuple[str, list[Any]]:
        """Return a condition on rows and what it binds, after the workspace."""
        conditions, bound = [f"{alias}.workspace_id = ?1"], []
        for operator, at in ((">=", self.since), ("<", self.until)):
            if at is not None:
                bound.append(at)
                conditions.append(f"{alias}.at {operator} ?{1 + len(bound)}")
        return " AND ".join(conditions), bound


async def count(snapshot: Snapshot, workspace: Workspace, span: Span) -> int:
    """Return how many lines an export will have."""
    total = 1
    where, bound = span.where("t")
    parts: list[tuple[str, str, list[Any]]] = [
        ("erasures", "t.workspace_id = ?1", []),
        ("erased_edges", "t.workspace_id = ?1", []),
        ("events", where, bound),
        ("quarantine", where, bound),
    ]
    for table, condition, args in parts:
        sql = f"SELECT count(*) FROM {table} t WHERE {condition}"
        async for row in snapshot.rows(sql, (workspace.id, *args)):
            total += row[0]
    return total


async def lines(snapshot: Snapshot, workspace: Workspace, span: Span) -> AsyncIterator[bytes]:
    """Yield the whole export, line by line: what was erased comes before all messages."""
    async for line in _marks(snapshot, workspace):
        yield line
    async for line in _events(snapshot, workspace, span):
        yield line
    async for line in _waiting(snapshot, workspace, span):
        yield line


async def _marks(snapshot: Snapshot, workspace: Workspace) -> AsyncIterator[bytes]:
    """Yield the head, then what was erased and what it reaches: before all messages."""
    sql = "SELECT erasure_key FROM workspaces w WHERE w.id = ?1"
    async for (secret,) in snapshot.rows(sql, (workspace.id,)):
        yield _line({"export": FORM, "workspace": workspace.name, "erasureKey": secret.hex()})
    sql = 'SELECT e.hash, e."until" FROM erasures e WHERE e.workspace_id = ?1 ORDER BY e.hash'
    async for mark, until in snapshot.rows(sql, (workspace.id,)):
        yield _line({"erasure": bytes(mark).hex(), "until": clock.text(until)})
    sql = (
        "SELECT e.hash, e.other, e.kind, e.first_at FROM erased_edges e WHERE e.workspace_id = ?1"
        " ORDER BY e.hash, e.other, e.kind"
    )
    async for mark, other, kind, first_at in snapshot.rows(sql, (workspace.id,)):
        pair = {"erasedLink": bytes(mark).hex(), "with": bytes(other).hex()}
        yield _line({**pair, "kind": kind, "firstAt": clock.text(first_at)})


async def _events(snapshot: Snapshot, workspace: Workspace, span: Span) -> AsyncIterator[bytes]:
    """Yield the events by time, so that folding them again asks the log for as little as possible."""
    where, bound = span.where("e")
    sql = (
        "SELECT e.key, e.message_id, e.at, e.received_at, e.veil, e.notes, e.body"
        f" FROM events e WHERE {where} ORDER BY e.at, e.id"
    )
    async for row in snapshot.rows(sql, (workspace.id, *bound)):
        yield _event(row)


async def _waiting(snapshot: Snapshot, workspace: Workspace, span: Span) -> AsyncIterator[bytes]:
    """Yield the entries of the quarantine, those that were retried or erased included."""
    where, bound = span.where("q")
    sql = (
        "SELECT q.key, q.message_id, q.hash, q.reason, q.at, q.received_at, q.retried_at, q.erased,"
        f" q.notes, q.body FROM quarantine q WHERE {where} ORDER BY q.at, q.id"
    )
    async for row in snapshot.rows(sql, (workspace.id, *bound)):
        yield _entry(row)


def _event(row: Row) -> bytes:
    key, message_id, at, received_at, veil, notes, text = row
    body = text.encode()
    said: dict[str, Any] = {"at": clock.text(at), "receivedAt": clock.text(received_at)}
    if veil:
        # The message itself is gone, and its key is all by which it is known when it comes again.
        said |= {"messageId": message_id, "erased": bytes(key)[8:].hex()}
    else:
        value = canonical.read(body)
        said["digest"] = Draft(value, body).digest()
        if _MARK in body and "_calyx" in value:
            said["own"] = value.pop("_calyx")
            body = canonical.encode(value)
    if notes is not None:
        said["notes"] = msgspec.Raw(notes.encode())
    return _line(said, body)


def _entry(row: Row) -> bytes:
    key, message_id, mark, reason, at, received_at, retried_at, erased, notes, body = row
    said: dict[str, Any] = {"quarantined": reason, "messageId": message_id}
    said |= {"at": clock.text(at), "receivedAt": clock.text(received_at)}
    if retried_at is not None:
        said["retriedAt"] = clock.text(retried_at)
    if notes is not None:
        said["notes"] = msgspec.Raw(notes.encode())
    if erased:
        said["retried" if erased == Held.RETRIED else "erased"] = bytes(key).hex()
        if mark is not None:
            said["subject"] = bytes(mark).hex()
    else:
        said["body"] = msgspec.Raw(body.encode())
    return _line(said)


def _line(said: dict[str, Any], body: bytes = b"{}") -> bytes:
    rest = b"" if body == b"{}" else b"," + body[1:-1]
    return b'{"_calyx":%b%b}\n' % (_encode(said), rest)
