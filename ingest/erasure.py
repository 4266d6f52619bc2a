"""Erase people, and keep what is erased from coming back (docs/semantics.md, section 7).

An identifier is erased up to a time: the latest of the deletes that reach it. They reach the
userIds joined to theirs by an alias no later than the delete, and every device ever carried with
one of these. Of erased events the links stay as keyed hashes, so that it spreads along them still.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from ingest import log, regroup
from ingest.log import Fresh
from ingest.meaning import Meaning, meaning
from ingest.owners import Said
from ingest.tally import Tally
from ingest.veil import veil
from ingest.working import Identity, Working
from models.database import Row, Transaction
from models.values import (
    Identifier,
    Kind,
    Micros,
    Veil,
    Workspace,
    erased_event_key,
    erased_message_id,
    erased_quarantine_key,
    erasure_hash,
    message_key,
)

_CARRIED, _ALIASED = 0, 1
_NEVER = -1
_EDGE = ("hash", "other", "kind", "first_at")
_EVENT = ("id", "key", "message_id", "at", "received_at", "veil", "body", "account_id", "type")

Edges = dict[tuple[bytes, bytes, int], Micros]
"""(userId, device or other userId, kind) as keyed hashes, with the earliest time."""


@dataclass(slots=True)
class Oblivion:
    """What one workspace has erased: loaded as far as a batch needs it."""

    tx: Transaction
    workspace: Workspace
    secret: bytes
    # Whether anyone was ever erased here; while not, nothing is looked up.
    active: bool
    until: dict[bytes, Micros] = field(default_factory=dict)
    raised: dict[bytes, None] = field(default_factory=dict)
    names: dict[bytes, Identifier] = field(default_factory=dict)
    # Once anything is erased: what it comes to.
    tally: Tally | None = None

    @classmethod
    async def load(cls, tx: Transaction, workspace: Workspace) -> Oblivion:
        """Return what is needed to tell whether anything is erased at all."""
        sql = (
            "SELECT erasure_key, EXISTS (SELECT 1 FROM erasures WHERE workspace_id = ?1)"
            " FROM workspaces WHERE id = ?1"
        )
        rows = await tx.fetch(sql, (workspace.id,))
        return cls(tx, workspace, bytes(rows[0][0]), bool(rows[0][1]))

    @property
    def secret_if_any(self) -> bytes | None:
        """Return the key of the hashes, None while nobody was erased."""
        return self.secret if self.active else None

    def hashes(self, said: list[Said]) -> dict[Identifier, bytes]:
        """Return by which hash erased links may know each identifier; none while nobody was erased."""
        if not self.active:
            return {}
        names = chain.from_iterable(_names(states) for _, states in said)
        return {name: self._hash(name) for name in names}

    async def covers(self, name: Identifier | None, at: Micros, received_at: Micros) -> bool:
        """Return whether what this identifier said at this time is erased."""
        if not self.active or name is None:
            return False
        mark = self._hash(name)
        await self._load_until([mark])
        return self._is_erased(mark, at, received_at)

    async def screen(self, working: Working, fresh: Sequence[Fresh]) -> list[Fresh]:
        """Return a batch without what is erased, after erasing all that it says to erase.

        What it erases in the log and among customers is written when this returns; customers that
        lost something are marked to be folded again.
        """
        if not self.active and all(one.message.veil is not Veil.DELETE for one in fresh):
            return list(fresh)
        said = [(one.message, meaning(one.message)) for one in fresh]
        edges = self._edges(said)
        names = dict.fromkeys(chain.from_iterable(_names(states) for _, states in said))
        await self._load_until(self._hash(name) for name in names)
        await self._spread(working, said, edges)
        await self._forget_stored(working)
        kept = [self._screen_one(one) for one in fresh]
        hidden = [pair for one, pair in zip(kept, said, strict=True) if one.message.veil]
        await self._remember_edges(working, self._edges(hidden))
        return kept

    async def take_over(
        self,
        working: Working,
        until: Mapping[bytes, Micros],
        edges: Edges,
        names: Mapping[bytes, Identifier],
    ) -> None:
        """Erase here what another database erased; `names` are those of its hashes that live here."""
        self.names |= names
        await self._load_until([*until, *chain.from_iterable(edge[:2] for edge in edges)])
        for mark, at in until.items():
            self._raise(mark, at)
        await self._spread(working, [], edges)
        await self._forget_stored(working)
        await self._remember_edges(working, edges)

    # ------------------------------------------------------------ how far it reaches

    def _edges(self, said: Iterable[Said]) -> Edges:
        edges: Edges = {}
        for message, states in said:
            if states.subject is None:
                continue
            user = self._hash(states.subject)
            found = [(user, self._hash(device), _CARRIED) for device in states.devices]
            if states.previous is not None:
                found.append((user, self._hash(states.previous), _ALIASED))
            for edge in found:
                edges[edge] = min(message.at, edges.get(edge, message.at))
        return edges

    async def _spread(self, working: Working, said: list[Said], edges: Edges) -> None:
        near: dict[bytes, Edges] = defaultdict(dict)
        for edge, first_at in edges.items():
            near[edge[0]][edge] = near[edge[1]][edge] = first_at
        for message, states in said:
            if states.erases and states.subject is not None:
                self._raise(self._hash(states.subject), message.at)
        # What was erased before reaches on along what this batch links to it.
        queue = list(dict.fromkeys([*self.raised, *(mark for mark in near if mark in self.until)]))
        while queue:
            mark = queue.pop()
            reached = dict(near.get(mark, {}))
            for edge, first_at in (await self._stored_edges(working, mark)).items():
                reached[edge] = min(first_at, reached.get(edge, first_at))
            others = [edge[1] if edge[0] == mark else edge[0] for edge in reached]
            await self._load_until(others)
            for (user, other, kind), first_at in reached.items():
                limit = self.until.get(mark, _NEVER)
                if kind == _CARRIED and mark != user:
                    continue
                if kind == _ALIASED and first_at > limit:
                    continue
                target = other if mark == user else user
                if self._raise(target, limit):
                    queue.append(target)

    def _raise(self, mark: bytes, until: Micros) -> bool:
        if self.until.get(mark, _NEVER) >= until:
            return False
        self.until[mark] = until
        self.raised[mark] = None
        return True

    async def _stored_edges(self, working: Working, mark: bytes) -> Edges:
        """Return the links and aliases of an identifier, those of living events and of erased ones."""
        tx, workspace = self.tx, self.workspace.id
        edges: Edges = {}
        for by in ("hash", "other"):
            for user, other, kind, first_at in await tx.lookup(
                "erased_edges", _EDGE, (by,), workspace, [(mark,)]
            ):
                edges[user, other, kind] = first_at
        identity = await self._identity(working, mark)
        if identity is None or identity.name.kind is Kind.DEVICE:
            return edges
        living = [
            (identity.id, row[0], _CARRIED, row[1])
            for row in await tx.lookup(
                "links", ("device", "at"), ("owner",), workspace, [(identity.id,)]
            )
        ]
        for by in ("owner", "previous"):
            living += [
                (owner, previous, _ALIASED, first_at)
                for owner, previous, first_at in await tx.lookup(
                    "aliases", ("owner", "previous", "first_at"), (by,), workspace, [(identity.id,)]
                )
            ]
        await working.load_identities_by_id(chain.from_iterable(row[:2] for row in living))
        for owner, other, kind, first_at in living:
            user, target = (self._hash(working.by_id[n].name) for n in (owner, other))
            edge = (user, target, kind)
            edges[edge] = min(first_at, edges.get(edge, first_at))
        return edges

    async def _identity(self, working: Working, mark: bytes) -> Identity | None:
        name = self.names.get(mark)
        if name is not None:
            await working.find_identities([name])
            return working.identities.get(name)
        await working.load_identities_by_hash(mark)
        identity = working.by_hash.get(mark)
        if identity is None or identity.id not in working.by_id:
            return None
        self.names[mark] = identity.name
        return identity

    async def _load_until(self, marks: Iterable[bytes]) -> None:
        wanted = [(mark,) for mark in dict.fromkeys(marks) if mark not in self.until]
        rows = await self.tx.lookup(
            "erasures", ("hash", "until"), ("hash",), self.workspace.id, wanted
        )
        for mark, until in rows:
            self.until[mark] = until

    def _is_erased(self, mark: bytes, at: Micros, received_at: Micros) -> bool:
        return min(at, received_at) <= self.until.get(mark, _NEVER)

    # ------------------------------------------------------------ what it takes away

    async def _forget_stored(self, working: Working) -> None:
        tx, workspace = self.tx, self.workspace.id
        if not self.raised:
            return
        # Nobody may store what is being erased, not knowing of it yet.
        await tx.alone(workspace)
        rows = [(mark, self.until[mark]) for mark in self.raised]
        await tx.upsert("erasures", ("hash", "until"), ("hash",), workspace, rows)
        self.active = True
        touched: dict[int, Identity] = {}
        tally = self.tally = Tally(tx, self.workspace)
        for mark in self.raised:
            tally.quarantined += await self._forget_quarantined(mark)
            identity = await self._identity(working, mark)
            if identity is not None:
                touched[identity.id] = identity
        forgotten: list[Said] = []
        await tally.begin(identity.customer for identity in touched.values())
        for identity in touched.values():
            forgotten += await self._forget_events(working, identity)
        tally.events = len(forgotten)
        await self._remember_edges(working, self._edges(forgotten))
        # A device may have been carried by these events alone, though it was erased before.
        devices = [name for _, states in forgotten for name in states.devices]
        await working.find_identities(devices)
        for name in devices:
            if name in working.identities:
                touched[working.identities[name].id] = working.identities[name]
        if touched:
            await regroup.regroup(working, {identity.customer for identity in touched.values()})

    async def _forget_events(self, working: Working, identity: Identity) -> list[Said]:
        """Veil the erased events about an identity; return what they said."""
        tx, workspace = self.tx, self.workspace.id
        until = self.until[self._hash(identity.name)]
        forgotten: list[Said] = []
        changed: list[Row] = []
        accounts: set[int] = set()
        for row in await tx.lookup("events", _EVENT, ("whom",), workspace, [(identity.id,)]):
            number, key, _, at, received_at, *_, account, kind = row
            if min(at, received_at) > until:
                continue
            message = log.restore(row[1:7])
            hidden = veil(message)
            forgotten.append((message, meaning(message)))
            kept_id = await self._forget_message_id(message.message_id)
            kept = (
                number,
                erased_event_key(self.secret, self.workspace.name, message.message_id, key),
                kept_id,
                kind,
                hidden.name,
            )
            changed.append(
                (
                    *(*kept, at, received_at, None, None, account, int(hidden.veil)),
                    *(meaning(hidden).written, None, hidden.body),
                )
            )
            if account is not None:
                accounts.add(account)
        await tx.upsert("events", log.COLUMNS, ("id",), workspace, changed)
        await working.load_companies_by_id(accounts)
        for account in accounts:
            # Its registers still name what the erased events were.
            working.companies[account].refold = True
        return forgotten

    async def _forget_quarantined(self, mark: bytes) -> int:
        """Empty the waiting bodies that name an identity; return how many."""
        forgotten = 0
        tx, workspace = self.tx, self.workspace.id
        columns = ("id", "key", "at", "received_at", "erased", "message_id")
        for number, key, at, received_at, erased, message_id in await tx.lookup(
            "quarantine", columns, ("hash",), workspace, [(mark,)]
        ):
            if not erased and self._is_erased(mark, at, received_at):
                sql = (
                    "UPDATE quarantine SET key = ?3, body = '', notes = NULL, erased = 1"
                    " WHERE workspace_id = ?1 AND id = ?2"
                )
                await tx.fetch(sql, (workspace, number, erased_quarantine_key(self.secret, key)))
                await self._forget_message_id(message_id)
                forgotten += 1
        return forgotten

    async def _forget_message_id(self, message_id: str) -> str:
        """Return what stays of a messageId, also in what was held before it became an event."""
        kept, name = erased_message_id(self.secret, message_id), self.workspace.name
        if kept != message_id:
            sql = (
                "UPDATE quarantine SET message_id = ?4, message_key = ?5"
                " WHERE workspace_id = ?1 AND message_key = ?2 AND message_id = ?3"
            )
            old, new = message_key(name, message_id), message_key(name, kept)
            await self.tx.fetch(sql, (self.workspace.id, old, message_id, kept, new))
        return kept

    def _screen_one(self, one: Fresh) -> Fresh:
        message = one.message
        if message.veil is Veil.DELETE:
            return self._hidden(one)
        if message.subject is None:
            return one
        if not self._is_erased(self._hash(message.subject), message.at, message.received_at):
            return one
        return self._hidden(one)

    def _hidden(self, one: Fresh) -> Fresh:
        message_id = one.message.message_id
        key = erased_event_key(self.secret, self.workspace.name, message_id, one.key)
        kept = erased_message_id(self.secret, message_id)
        return Fresh(key, replace(veil(one.message), message_id=kept))

    async def _remember_edges(self, working: Working, edges: Edges) -> None:
        """Keep erased links as hashes, and let the identities that live on be found by theirs."""
        tx, workspace = self.tx, self.workspace.id
        known = await tx.lookup("erased_edges", _EDGE, _EDGE[:3], workspace, list(edges))
        for user, other, kind, first_at in known:
            edges[user, other, kind] = min(first_at, edges[user, other, kind])
        rows = [(*edge, first_at) for edge, first_at in sorted(edges.items())]
        await tx.upsert("erased_edges", _EDGE, _EDGE[:3], workspace, rows)
        for mark in dict.fromkeys(chain.from_iterable(edge[:2] for edge in edges)):
            identity = await self._identity(working, mark)
            if identity is not None and identity.hash is None:
                # Its customer is not held: nobody may change it meanwhile.
                await tx.alone(workspace)
                identity.hash = mark
                working.by_hash[mark] = identity
                working.changed.add(identity.id)
        await working.write_identities()

    def _hash(self, name: Identifier) -> bytes:
        mark = erasure_hash(self.secret, name)
        self.names[mark] = name
        return mark


def _names(said: Meaning) -> Iterable[Identifier]:
    if said.subject is not None:
        yield said.subject
    yield from said.devices
    if said.previous is not None:
        yield said.previous
