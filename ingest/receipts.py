"""Say what became of a message, as everything stands now (docs/semantics.md, section 6)."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.log import Fresh
from ingest.meaning import Meaning, Place
from ingest.working import Working
from models.values import Message, Outcome, Receipt, Veil


def receipt(working: Working, fresh: Fresh, said: Meaning, shared: frozenset[str]) -> Receipt:
    """Return the receipt of a message whose customer and account are loaded.

    `shared` has its messageId if another event has that too.
    """
    message = fresh.message
    key = None if message.veil is Veil.ERASED else fresh.key
    became = outcome(working, message, said, shared)
    return Receipt(
        message.message_id, became, message.received_at, notes=message.notes, event_key=key
    )


def outcome(working: Working, message: Message, said: Meaning, shared: frozenset[str]) -> Outcome:
    """Return what became of a message whose customer and account are loaded."""
    if message.veil is Veil.ERASED:
        return Outcome.ERASED
    if message.message_id in shared:
        return Outcome.CONFLICT
    nothing = True
    for stands in _standing(working, message, said):
        if stands:
            return Outcome.APPLIED
        nothing = False
    return Outcome.APPLIED if nothing else Outcome.SUPERSEDED


def _standing(working: Working, message: Message, said: Meaning) -> Iterator[bool]:
    """Yield for each key the message wrote whether its word is the newest."""
    stamp = message.stamp
    if said.subject is not None and not said.erases:
        person = working.person_of(said.subject)
        for key in said.traits:
            yield person.fold.traits[key].stamp == stamp
        if said.place is not Place.NONE:
            company = working.by_group[said.group_id or ""]
            yield working.place(person.id, company.id).last_word == stamp
    if said.group_id is not None:
        account = working.by_group[said.group_id].fold
        for key in said.account_traits:
            yield account.traits[key].stamp == stamp
        if said.alive or said.deleted:
            yield account.last_word == stamp
