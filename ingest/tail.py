"""The end of a log as it grows: what was accepted since, and whom that is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from models.database import Database
from models.values import EventType, Identifier, Kind, Veil, Workspace, identity_key

WINDOW_EVENTS_MAX = 1_000
"""Events that are looked at in one piece."""

MEMBERS_MAX = 1_000
"""Members of the accounts of one piece that are looked at one by one."""

_STEP = (
    "SELECT count(*), max(id) FROM (SELECT id FROM events WHERE workspace_id = ?1"
    " AND id > ?2 AND id <= ?3 ORDER BY id LIMIT ?4) AS t"
)
_EVENTS = (
    "SELECT id, key, type, veil, account_id, written, CASE WHEN type = 3 THEN body END FROM events"
    " WHERE workspace_id = ?1 AND id > ?2 AND id <= ?3 ORDER BY id"
)
_IN = "e.workspace_id = ?1 AND e.id > ?2 AND e.id <= ?3"
# A device goes to the user of the event that is its link, and to no other.
_LINKS = "d.id = e.device AND d.link_message_id = e.message_id AND d.link_at = e.at"
# Who an event is about; all userIds of that customer, whose own it may have been before a join; the
# device that it gives to somebody; and all userIds of whoever else had that device.
_WHOM = f"""
SELECT e.id, e.key, i.key FROM events e, identities i
WHERE {_IN} AND i.workspace_id = ?1 AND i.id = e.whom
UNION ALL
SELECT e.id, e.key, u.key FROM events e, identities i, identities u
WHERE {_IN} AND i.workspace_id = ?1 AND i.id = e.whom
    AND u.workspace_id = ?1 AND u.customer_id = i.customer_id AND u.kind = 0
UNION ALL
SELECT e.id, e.key, d.key FROM events e, identities d
WHERE {_IN} AND d.workspace_id = ?1 AND {_LINKS}
UNION ALL
SELECT e.id, e.key, u.key FROM events e, identities d, links l, identities o, identities u
WHERE {_IN} AND d.workspace_id = ?1 AND {_LINKS} AND l.workspace_id = ?1 AND l.device = d.id
    AND o.workspace_id = ?1 AND o.id = l.owner
    AND u.workspace_id = ?1 AND u.customer_id = o.customer_id AND u.kind = 0
"""
_MEMBERS = (
    "SELECT c.key FROM memberships m, customers c WHERE m.workspace_id = ?1 AND m.account_id = ?2"
    " AND c.workspace_id = ?1 AND c.id = m.customer_id LIMIT ?3"
)
# What a message writes of an account itself: its traits, or that it lives or is gone.
_OF_ACCOUNT = 4 | 8
_json = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(slots=True)
class Window:
    """A piece of the log: the keys of those it is about, each with the last event that says so."""

    touched: dict[bytes, bytes] = field(default_factory=dict)
    accounts: dict[int, bytes] = field(default_factory=dict)
    erases: bool = False


async def step(database: Database, workspace: Workspace, after: int, upto: int) -> int:
    """Return how far to read in one piece, which is `upto` at most."""
    if upto - after <= WINDOW_EVENTS_MAX:
        return upto
    args = (workspace.id, after, upto, WINDOW_EVENTS_MAX)
    count, last = (await database.read(_STEP, args))[0]
    return last if count == WINDOW_EVENTS_MAX else upto


async def window(database: Database, workspace: Workspace, after: int, upto: int) -> Window:
    """Return whom the events behind `after`, up to `upto`, are about."""
    args, found = (workspace.id, after, upto), Window()
    for _, key, kind, veil, account, written, body in await database.read(_EVENTS, args):
        if veil != Veil.NONE:
            found.erases |= veil == Veil.DELETE
            continue
        if account is not None and written & _OF_ACCOUNT:
            found.accounts[account] = bytes(key)
        if kind == EventType.ALIAS:
            found.touched.update(dict.fromkeys(_previous(workspace, body), bytes(key)))
    rows = sorted(await database.read(_WHOM, args), key=lambda row: row[0])
    found.touched |= {bytes(whom): bytes(key) for _, key, whom in rows}
    return found


async def members(
    database: Database, workspace: Workspace, accounts: Mapping[int, bytes]
) -> dict[bytes, bytes] | None:
    """Return the keys of all who are or were in these accounts, with the event of it; None where they are too many."""
    found: dict[bytes, bytes] = {}
    for account, event in accounts.items():
        rows = await database.read(_MEMBERS, (workspace.id, account, MEMBERS_MAX + 1))
        found |= {bytes(key): event for (key,) in rows}
        if len(found) > MEMBERS_MAX:
            return None
    return found


def _previous(workspace: Workspace, body: str) -> Iterator[bytes]:
    """Yield the keys that the previous id of an alias may have."""
    text = _json(body).get("previousId")
    if text is not None:
        for kind in Kind:
            yield identity_key(workspace.name, Identifier(kind, str(text)))
