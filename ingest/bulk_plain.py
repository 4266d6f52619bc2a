"""Save many plain messages in one transaction: the log as ever, and of the state only what can still win."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from ingest import flags, log, owners
from ingest.fold import Profile
from ingest.gist import Gist
from ingest.meaning import Meaning
from ingest.plain import Plain
from ingest.refold import refold
from ingest.seen import Seen
from ingest.working import Working
from models.database import Row, Transaction
from models.values import (
    Context,
    Entity,
    EventType,
    Identifier,
    Kind,
    Message,
    Outcome,
    Workspace,
)

_NO_CONTEXT = Context()


async def save(
    tx: Transaction, workspace: Workspace, batch: Sequence[Plain], seen: Seen | None
) -> Counter[Outcome]:
    """Store what is new and fold it in; return what became of the messages, right after this.

    Nobody was ever erased in this workspace. `seen` says what the log has, where that is known.
    """
    fresh, conflicts = await _unknown(tx, workspace, batch, seen)
    became = Counter({Outcome.DUPLICATE: len(batch) - len(fresh)})
    if fresh:
        fresh.sort(key=_order)
        became += await _Heap(Working(tx, workspace), fresh, conflicts).save()
    return became


def _order(one: Plain) -> tuple[int, str, str]:
    return one.at, one.message_id, one.digest


async def _unknown(
    tx: Transaction, workspace: Workspace, batch: Sequence[Plain], seen: Seen | None
) -> tuple[list[Plain], set[str]]:
    """Return what the log has not, each once, and the messageIds under which there are several events."""
    first = {one.key: one for one in batch}
    if len(first) < len(batch):
        first = {one.key: one for one in reversed(batch)}
    sought = first if seen is None else seen.maybe(first)
    # By key, so that neighbours in the index are asked for together.
    spans = [log.span_of(prefix) for prefix in sorted({key[:8] for key in sought})]
    rows = await tx.between("events", ("key", "message_id"), "key", workspace.id, spans)
    for key, _ in rows:
        first.pop(bytes(key), None)
    ids = Counter([one.message_id for one in first.values()])
    ids.update(message_id for _, message_id in rows)
    conflicts = set()
    if len(ids) < len(first) + len(rows):
        conflicts = {message_id for message_id, count in ids.items() if count > 1}
    return list(first.values()), conflicts


@dataclass(slots=True)
class _Heap:
    """New messages in the order of their stamps, and what they say of whom."""

    working: Working
    batch: list[Plain]
    conflicts: set[str]
    people: dict[int, Gist] = field(default_factory=dict)
    companies: dict[str, Gist] = field(default_factory=dict)
    # For each place in an account the messages that speak of it.
    places: dict[tuple[int, str], list[int]] = field(default_factory=dict)

    async def save(self) -> Counter[Outcome]:
        """Store and fold them; return what became of them."""
        working = self.working
        await owners.settle(working, self._meetings(), {})
        await working.load_companies(one.group_id for one in self.batch if one.group_id is not None)
        await self._append()
        self._hear()
        await self._load()
        self._merge()
        await refold(working)
        await working.write_state()
        return self._outcomes()

    def _meetings(self) -> list[owners.Said]:
        """Return the first message for each pair of a user and a device: later ones tell nothing new of who is who."""
        met: dict[tuple[str | None, str | None], Plain] = {}
        for one in self.batch:
            pair = (one.user_id, one.anonymous_id)
            if pair not in met:
                met[pair] = one
        return [_met(one) for one in met.values()]

    async def _append(self) -> None:
        working = self.working
        users: dict[str | None, int] = {}
        devices: dict[str | None, int] = {}
        for name, identity in working.identities.items():
            (users if name.kind is Kind.USER else devices)[name.text] = identity.id
        groups: dict[str | None, int] = {
            group: company.id for group, company in working.by_group.items()
        }
        users_of, devices_of, groups_of = users.get, devices.get, groups.get
        numbers = await working.tx.new_ids("events", working.workspace.id, len(self.batch))
        rows: list[Row] = []
        for number, one in zip(numbers, self.batch, strict=True):
            user, device = one.user_id, one.anonymous_id
            whom, beside = users_of(user), devices_of(device)
            if user is None:
                whom, beside = beside, None
            notes = msgspec.json.encode(one.notes).decode() if one.notes else None
            rows.append(
                (
                    number,
                    one.key,
                    one.message_id,
                    int(one.kind),
                    one.name,
                    one.at,
                    one.received_at,
                    whom,
                    beside,
                    groups_of(one.group_id),
                    0,
                    one.written,
                    notes,
                    one.body,
                )
            )
        await working.tx.claim("events", log.COLUMNS, "key", working.workspace.id, rows)

    def _hear(self) -> None:
        """Bring together what is said of each customer and account."""
        identities = self.working.identities
        customers = {name: identity.customer for name, identity in identities.items()}
        users = {n.text: c for n, c in customers.items() if n.kind is Kind.USER}
        devices = {n.text: c for n, c in customers.items() if n.kind is Kind.DEVICE}
        people, group_kind = self.people, EventType.GROUP
        for number, one in enumerate(self.batch):
            user = one.user_id
            customer = devices[one.anonymous_id or ""] if user is None else users[user]
            gist = people.get(customer)
            if gist is None:
                gist = people[customer] = Gist(one.at)
            if one.active:
                gist.active_last = one.at
            if one.group_id is not None:
                self._hear_of_account(number, one, customer)
            if one.traits and one.kind is not group_kind:
                gist.hear(number, one)

    def _hear_of_account(self, number: int, one: Plain, customer: int) -> None:
        group = one.group_id or ""
        gist = self.companies.get(group)
        if gist is None:
            gist = self.companies[group] = Gist(one.at)
        if one.active:
            gist.active_last = one.at
        if one.kind is EventType.GROUP:
            gist.hear(number, one)
            self.places.setdefault((customer, group), []).append(number)

    async def _load(self) -> None:
        """Load the flags and places that they speak of."""
        working = self.working
        tx, workspace, by_group = working.tx, working.workspace, working.by_group
        people = {n: working.people[n].fold for n in self.people}
        wanted = [(n, key) for n, gist in self.people.items() for key in _held(gist, people[n])]
        await flags.load(tx, workspace, Entity.CUSTOMER, people, wanted)
        companies = {by_group[group].id: by_group[group].fold for group in self.companies}
        wanted = [
            (by_group[group].id, key)
            for group, gist in self.companies.items()
            for key in _held(gist, by_group[group].fold)
        ]
        await flags.load(tx, workspace, Entity.ACCOUNT, companies, wanted)
        pairs = [(customer, by_group[group].id) for customer, group in self.places]
        held = working.places
        keys: list[Row] = [pair for pair in pairs if pair[1] not in held.get(pair[0], {})]
        await working.load_places(("customer_id", "account_id"), keys)

    def _merge(self) -> None:
        working = self.working
        for group, gist in self.companies.items():
            company = working.by_group[group]
            if gist.said:
                said = Meaning(None, group, active=False, alive=True)
                company.fold.take(said, self.batch[gist.said[-1]].stamp)
            if not gist.merge(company.fold, self.batch):
                company.refold = True
        for number, gist in self.people.items():
            if not gist.merge(working.people[number].fold, self.batch):
                working.people[number].refold = True
        for (customer, group), numbers in self.places.items():
            company = working.by_group[group]
            place = working.place(customer, company.id)
            for number in numbers:
                if not place.add(self.batch[number].stamp, None, company.fold.deleted):
                    working.people[customer].refold = True

    def _outcomes(self) -> Counter[Outcome]:
        standing = bytearray(len(self.batch))
        for fold, gist in self._folds():
            for number in gist.standing(fold, self.batch):
                standing[number] = 1
        working = self.working
        for (customer, group), numbers in self.places.items():
            company = working.by_group[group]
            # The last of a place is the only one of these that may be its last word.
            last = numbers[-1]
            if working.place(customer, company.id).last_word == self.batch[last].stamp:
                standing[last] = 1
        for group, gist in self.companies.items():
            last_word = working.by_group[group].fold.last_word
            if gist.said and last_word == self.batch[gist.said[-1]].stamp:
                standing[gist.said[-1]] = 1
        became: Counter[Outcome] = Counter()
        for one, stands in zip(self.batch, standing, strict=True):
            if one.message_id in self.conflicts:
                became[Outcome.CONFLICT] += 1
            elif stands or not one.written:
                became[Outcome.APPLIED] += 1
            else:
                became[Outcome.SUPERSEDED] += 1
        return became

    def _folds(self) -> list[tuple[Profile, Gist]]:
        working = self.working
        found: list[tuple[Profile, Gist]] = [
            (working.people[number].fold, gist) for number, gist in self.people.items()
        ]
        found += [(working.by_group[group].fold, gist) for group, gist in self.companies.items()]
        return found


def _held(gist: Gist, fold: Profile) -> list[str]:
    known = fold.traits
    return [key for key in gist.traits if key in known and known[key].flag]


def _met(one: Plain) -> owners.Said:
    """Return what a message says of who is who, and nothing else."""
    message = Message(
        one.message_id,
        one.digest,
        one.kind,
        one.at,
        one.received_at,
        one.user_id,
        one.anonymous_id,
        None,
        one.group_id,
        None,
        "",
        None,
        None,
        _NO_CONTEXT,
    )
    said = Meaning(message.subject, one.group_id)
    if one.user_id is not None and one.anonymous_id is not None:
        said.devices = (Identifier(Kind.DEVICE, one.anonymous_id),)
    return message, said
