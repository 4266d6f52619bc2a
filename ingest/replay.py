"""The state of a workspace as one canonical value, keyed by identifiers, to compare and to hash."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from ingest import canonical, log, pack
from ingest.fold import Profile, intervals, is_set
from ingest.meaning import Meaning, Place, meaning
from models.database import Database, Row
from models.values import Kind, Message, Outcome, Stamp, Veil, Workspace

State = dict[str, Any]


async def dump(database: Database, workspace: Workspace) -> State:
    """Return all that is known in `workspace`; row numbers and keys are left out."""
    return await _Dump(database, workspace).state()


def digest(state: State) -> str:
    """Return the SHA-256 of a state's canonical JSON."""
    return sha256(canonical.encode(state)).hexdigest()


class _Dump:
    """Everything of one workspace in memory."""

    def __init__(self, database: Database, workspace: Workspace) -> None:
        self.database = database
        self.workspace = workspace
        self.names: dict[int, str] = {}
        self.whose: dict[str, int] = {}
        self.customers: dict[int, Profile] = {}
        self.accounts: dict[str, Any] = {}
        self.places: dict[tuple[int, str | None], Any] = {}

    async def state(self) -> State:
        return {
            "customers": await self._customers(),
            "accounts": await self._accounts(),
            "erasures": await self._erasures(),
            "quarantine": await self._quarantine(),
            "receipts": await self._receipts(),
        }

    async def _rows(self, sql: str) -> list[Row]:
        return await self.database.read(sql, (self.workspace.id,), timeout_s=600)

    async def _customers(self) -> State:
        state: State = {}
        rows = await self._rows(
            "SELECT id, user_id, email, name, first_name, last_name, phone, title, avatar, signed_up_at,"
            " first_seen_at, last_seen_at, traits, registers FROM customers WHERE workspace_id = ?1"
        )
        identities = await self._identities()
        flags = await self._flags(0)
        for number, user_id, *fields, signed_up, first_seen, last_seen, traits, packed in rows:
            mine = identities[number]
            devices = sorted(text for kind, text, seen in mine if kind == Kind.DEVICE and seen)
            users = sorted(text for kind, text, _ in mine if kind == Kind.USER)
            name = f"user:{user_id}" if user_id is not None else f"anonymous:{mine[0][1]}"
            self.names[number] = name
            fold = pack.unpack_customer(traits, packed, first_seen, signed_up)
            self.customers[number] = fold
            names = ("email", "name", "firstName", "lastName", "phone", "title", "avatar")
            state[name] = {
                **dict(zip(names, fields, strict=True)),
                "userId": user_id,
                "anonymousIds": devices,
                "aliases": [text for text in users if text != user_id],
                "signedUpAt": signed_up,
                "firstSeenAt": first_seen,
                "lastSeenAt": last_seen,
                "traits": _traits(fold),
                "audiences": flags.get(number, {}),
                "accounts": {},
            }
        for customer, account, joined, role in await self._memberships():
            state[self.names[customer]]["accounts"][account] = {"role": role, "joinedAt": joined}
        return state

    async def _identities(self) -> dict[int, list[tuple[int, str, int]]]:
        mine = defaultdict(list)
        for kind, text, seen, customer in await self._rows(
            "SELECT kind, identifier, seen, customer_id FROM identities WHERE workspace_id = ?1"
        ):
            mine[customer].append((kind, text, seen))
            self.whose[f"{kind}:{text}"] = customer
        return mine

    async def _memberships(self) -> list[Row]:
        shown = []
        for customer, joined, role, last_add, packed, account, cut, deleted in await self._rows(
            "SELECT m.customer_id, m.joined_at, m.role, m.last_add_at, m.registers, a.group_id,"
            " a.last_deletion_at, a.deleted_at FROM memberships m JOIN accounts a"
            " ON a.workspace_id = ?1 AND a.id = m.account_id WHERE m.workspace_id = ?1"
        ):
            place = pack.unpack_membership(joined, last_add, packed)
            self.places[customer, account] = place
            live = joined is not None and (cut is None or joined > cut)
            if live and deleted is None:
                shown.append((customer, account, joined, role))
        return shown

    async def _accounts(self) -> State:
        state: State = {}
        flags = await self._flags(1)
        names = ("name", "website", "industry", "employees", "plan", "createdAt", "deletedAt")
        for number, group, *fields, first, last, deletion, traits, packed in await self._rows(
            "SELECT id, group_id, name, website, industry, employees, plan, created_at, deleted_at,"
            " first_seen_at, last_seen_at, last_deletion_at, traits, registers"
            " FROM accounts WHERE workspace_id = ?1"
        ):
            fold = pack.unpack_account(traits, packed, first, deletion)
            self.accounts[group] = fold
            state[group] = {
                **dict(zip(names, fields, strict=True)),
                "firstSeenAt": first,
                "lastSeenAt": last,
                "traits": _traits(fold),
                "audiences": flags.get(number, {}),
            }
        return state

    async def _flags(self, entity: int) -> dict[int, State]:
        spans = defaultdict(list)
        for audience, owner, start, end in await self._rows(
            "SELECT audience_id, owner_id, entered_at, left_at FROM intervals WHERE workspace_id = ?1"
        ):
            spans[audience, owner].append([start, end])
        flags: dict[int, State] = defaultdict(dict)
        for (
            kind,
            owner,
            audience,
            key,
            member,
            since,
            origin,
            computation,
            runs,
        ) in await self._rows(
            "SELECT f.entity, f.owner_id, f.audience_id, a.key, f.member, f.since, f.origin,"
            " f.computation_id, f.runs FROM flags f JOIN audiences a"
            " ON a.workspace_id = ?1 AND a.id = f.audience_id WHERE f.workspace_id = ?1"
        ):
            stored = sorted(spans.get((audience, owner), []))
            if stored != [list(span) for span in intervals(pack.unpack_runs(runs))]:
                raise ValueError(f"the intervals of {key!r} are not those of its runs")
            if kind == entity and member is not None:
                flags[owner][key] = {
                    "member": bool(member),
                    "since": since,
                    "origin": "ENGAGE" if origin else "TRAIT",
                    "computationId": computation,
                    "intervals": stored,
                }
        return flags

    async def _erasures(self) -> list[State]:
        rows = await self._rows(
            f"SELECT message_id, at FROM events WHERE workspace_id = ?1 AND veil = {int(Veil.DELETE)}"
        )
        found = [{"messageId": message_id, "at": at} for message_id, at in rows]
        return sorted(found, key=lambda one: (one["messageId"], one["at"]))

    async def _quarantine(self) -> list[State]:
        rows = await self._rows(
            "SELECT message_id, reason, received_at FROM quarantine"
            " WHERE workspace_id = ?1 AND erased = 0"
        )
        return [
            {"messageId": message_id, "reason": reason, "receivedAt": received}
            for message_id, reason, received in sorted(rows)
        ]

    async def _receipts(self) -> list[State]:
        rows = await self._rows(
            "SELECT key, message_id, at, received_at, veil, body FROM events WHERE workspace_id = ?1"
        )
        ids = Counter(row[1] for row in rows)
        found: list[tuple[str, int | None, int, Outcome, str | None]] = []
        for row in rows:
            event = log.restore(row)
            outcome = self._outcome(event, conflict=ids[event.message_id] > 1)
            found.append((event.message_id, event.at, event.received_at, outcome, None))
        for message_id, reason, received, erased in await self._rows(
            "SELECT message_id, reason, received_at, erased FROM quarantine WHERE workspace_id = ?1"
        ):
            outcome = Outcome.ERASED if erased else Outcome.QUARANTINED
            found.append((message_id, None, received, outcome, reason))
        names = ("messageId", "at", "receivedAt", "outcome", "reason")
        found.sort(key=lambda one: (one[0], one[1] or 0, *one[2:4], one[4] or ""))
        return [dict(zip(names, one, strict=True)) for one in found]

    def _outcome(self, event: Message, *, conflict: bool) -> Outcome:
        if event.veil is Veil.ERASED:
            return Outcome.ERASED
        if conflict:
            return Outcome.CONFLICT
        said = meaning(event)
        standing = [stamp == event.stamp for stamp in self._newest(said)]
        return Outcome.APPLIED if not standing or any(standing) else Outcome.SUPERSEDED

    def _newest(self, said: Meaning) -> Iterator[Stamp | None]:
        """Yield the newest write of each key that a message wrote."""
        if said.subject is not None and not said.erases:
            customer = self.whose[f"{int(said.subject.kind)}:{said.subject.text}"]
            for key in said.traits:
                yield self.customers[customer].traits[key].stamp
            if said.place is not Place.NONE:
                yield self.places[customer, said.group_id].last_word
        if said.group_id is not None:
            account = self.accounts[said.group_id]
            for key in said.account_traits:
                yield account.traits[key].stamp
            if said.alive or said.deleted:
                yield account.last_word


def _traits(profile: Profile) -> State:
    return {
        key: {
            "value": canonical.read(register.value.encode()),
            "setAt": register.stamp.at,
            "messageId": register.stamp.message_id,
            "origin": "TRAIT" if register.marked is None else "ENGAGE",
        }
        for key, register in profile.traits.items()
        if is_set(register)
    }
