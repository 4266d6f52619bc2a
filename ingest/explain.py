"""Say what a message would change and what beats it, by storing it in a rehearsal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ingest import canonical, registers
from ingest.advice import ADVICE
from ingest.meaning import Meaning, meaning
from ingest.meaning import Place as Says
from ingest.message import Parsed
from ingest.registers import EffectKind, Place, Registers, Sought
from ingest.store import Item, save
from ingest.working import Working
from models.database import Rehearsal
from models.values import (
    NULL,
    Entity,
    Identifier,
    JsonText,
    Message,
    Outcome,
    Quarantined,
    Receipt,
    Stamp,
    Workspace,
    message_key,
)

_BY_STAMP = {EffectKind.TRAIT, EffectKind.AUDIENCE, EffectKind.MEMBERSHIP, EffectKind.DELETED}


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing that a message says or brings about, and whether it would stand."""

    kind: EffectKind
    entity: Entity
    identifier: str
    key: str | None
    before: JsonText
    after: JsonText
    wins: bool
    # The key of the event whose word stands instead, where one is known.
    beaten_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of a message, and all its effects."""

    receipt: Receipt
    notes: tuple[str, ...]
    effects: list[Effect] = field(default_factory=list)


async def explain(tx: Rehearsal, workspace: Workspace, parsed: Parsed) -> Explanation:
    """Return what `parsed` would change were it stored now; the transaction is undone."""
    working = Working(tx, workspace)
    receipt = (await save(tx, workspace, [Item(parsed, asked=True)], working))[0]
    if receipt is None:
        raise AssertionError("a message that was asked about has a receipt")
    notes = parsed.notes
    if isinstance(parsed, Quarantined):
        return Explanation(receipt, (*notes, ADVICE[parsed.reason]))
    if receipt.outcome is Outcome.DUPLICATE:
        return Explanation(receipt, notes)
    said = meaning(parsed)
    sought = _sought(working, said)
    after = await registers.read(tx, workspace, sought)
    await tx.undo()
    before = await registers.read(tx, workspace, sought)
    weighing = _Weighing(workspace, parsed, said, receipt, before, after)
    return Explanation(receipt, notes, list(weighing.effects()))


def _sought(working: Working, said: Meaning) -> Sought:
    names = {*working.identities, *said.devices}
    names |= {name for name in (said.subject, said.previous) if name is not None}
    groups = set(working.by_group)
    if said.group_id is not None:
        groups.add(said.group_id)
    return Sought({*working.people, *working.gone}, names, groups)


@dataclass(frozen=True, slots=True)
class _Weighing:
    """What stood before and what stands after, and what the message says."""

    workspace: Workspace
    message: Message
    said: Meaning
    receipt: Receipt
    before: Registers
    after: Registers

    def effects(self) -> Iterator[Effect]:
        """Yield what the message says, then what else comes of it."""
        if self.said.erases and self.said.subject is not None:
            yield self._erasure(self.said.subject)
        own = dict.fromkeys(self._said())
        for place in own:
            yield self._weigh(place)
        others = (self.before.standing.keys() | self.after.standing.keys()) - own.keys()
        for place in sorted(others, key=_order):
            if self.before.at(place).value != self.after.at(place).value:
                yield self._effect(place, wins=True)

    def _said(self) -> Iterator[Place]:
        said, group = self.said, self.said.group_id
        if said.subject is not None and not said.erases:
            root = self.after.roots.get(said.subject, said.subject)
            yield Place(EffectKind.SEEN, root)
            for name in (said.subject, *said.devices, said.previous):
                if name is not None and self._is_known(name):
                    yield Place(EffectKind.IDENTITY, name)
            yield from self._writes(root, list(said.traits))
            if said.signed_up:
                yield Place(EffectKind.SIGNED_UP, root)
            if said.place is not Says.NONE:
                yield Place(EffectKind.MEMBERSHIP, root, group)
        if group is not None:
            yield Place(EffectKind.SEEN, group)
            yield from self._writes(group, list(said.account_traits))
            if said.created:
                yield Place(EffectKind.CREATED, group)
            gone = Place(EffectKind.DELETED, group)
            if said.deleted or (said.alive and self.before.at(gone).value != NULL):
                yield gone

    def _is_known(self, name: Identifier) -> bool:
        place = Place(EffectKind.IDENTITY, name)
        return place in self.after.standing or place in self.before.standing

    def _writes(self, owner: registers.Owner, keys: list[str]) -> Iterator[Place]:
        for key in keys:
            yield Place(EffectKind.TRAIT, owner, key)
            flag = Place(EffectKind.AUDIENCE, owner, key)
            if flag in self.after.standing or flag in self.before.standing:
                yield flag

    def _weigh(self, place: Place) -> Effect:
        stands, changed = self.after.at(place), self._changes(place)
        if place.kind in _BY_STAMP:
            wins = stands.stamp == self.message.stamp
            # Of an erased message the account keeps a word under another name.
            wins = wins or (changed and self.receipt.outcome is Outcome.ERASED)
        elif place.kind is EffectKind.IDENTITY and self.said.subject is not None:
            root = self.after.roots.get(self.said.subject)
            wins = root is not None and stands.value == registers.root_text(root)
        else:
            wins = changed
        return self._effect(place, wins=wins)

    def _changes(self, place: Place) -> bool:
        return self.before.at(place).value != self.after.at(place).value

    def _effect(self, place: Place, *, wins: bool) -> Effect:
        owner, stamp = place.owner, self.after.at(place).stamp
        person = isinstance(owner, Identifier)
        return Effect(
            place.kind,
            Entity.CUSTOMER if person else Entity.ACCOUNT,
            owner.text if isinstance(owner, Identifier) else owner,
            place.key,
            self.before.at(place).value,
            self.after.at(place).value,
            wins,
            None if wins or stamp is None else self._event(stamp),
        )

    def _event(self, stamp: Stamp) -> bytes:
        return message_key(self.workspace.name, stamp.message_id) + bytes.fromhex(stamp.digest)

    def _erasure(self, subject: Identifier) -> Effect:
        counts = self.receipt.erased
        told = {
            "events": counts.events if counts else 0,
            "traits": counts.traits if counts else 0,
            "audienceFlags": counts.audience_flags if counts else 0,
            "memberships": counts.memberships if counts else 0,
            "identifiers": counts.identifiers if counts else 0,
            "quarantined": counts.quarantined if counts else 0,
        }
        after = canonical.encode(told).decode()
        kind, text = EffectKind.ERASED, subject.text
        return Effect(kind, Entity.CUSTOMER, text, None, NULL, after, wins=True)


def _order(place: Place) -> tuple[bool, str, str, str]:
    owner = place.owner
    person = isinstance(owner, Identifier)
    name = owner.text if isinstance(owner, Identifier) else owner
    return (not person, name, place.kind, place.key or "")
