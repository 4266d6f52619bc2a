"""Save many messages in one transaction that another process has read: the same log, the same fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ingest import bulk_plain, log, receipts, store
from ingest.carried import Said, Veiled
from ingest.erasure import Oblivion
from ingest.plain import Plain
from ingest.seen import Seen
from ingest.store import Item
from ingest.working import Working
from models.database import Transaction
from models.values import Outcome, Quarantined, Veil, Workspace


async def save(
    tx: Transaction,
    workspace: Workspace,
    plain: Sequence[Plain],
    batch: Sequence[Said],
    seen: Seen | None = None,
) -> Counter[Outcome]:
    """Store what is new and fold it in; return what became of the messages, right after this.

    `seen` says what the log has, where that is known.
    """
    await tx.enter(workspace.id)
    oblivion = await Oblivion.load(tx, workspace)
    if oblivion.active or any(one.meaning.erases for one in batch):
        # What is erased must be read whole: what stays of it is more than its meaning.
        return await _save_whole(tx, workspace, [*plain, *batch])
    became: Counter[Outcome] = Counter()
    if plain:
        became += await bulk_plain.save(tx, workspace, plain, seen)
    if batch:
        if seen is not None:
            seen.note(one.key for one in batch)
        became += await _save_said(tx, workspace, batch)
    return became


async def _save_said(
    tx: Transaction, workspace: Workspace, batch: Sequence[Said]
) -> Counter[Outcome]:
    sent = [one.fresh() for one in batch]
    found = await log.unknown(tx, workspace, sent, None, {one.key for one in sent})
    fresh = found.fresh
    if len(fresh) < len(sent):
        new = {id(one) for one in fresh}
        batch = [said for one, said in zip(sent, batch, strict=True) if id(one) in new]
    pairs = [(one.message, said.meaning) for one, said in zip(fresh, batch, strict=True)]
    working = Working(tx, workspace)
    await store.fold(working, fresh, pairs, {})
    shared = found.shared(fresh)
    became = Counter(receipts.outcome(working, *pair, shared) for pair in pairs)
    became[Outcome.DUPLICATE] += len(sent) - len(fresh)
    return became


async def save_veiled(
    tx: Transaction, workspace: Workspace, batch: Sequence[Veiled]
) -> Counter[Outcome]:
    """Store what is left of erased events, as it stands; return what became of them."""
    await tx.enter(workspace.id)
    sent = [one.fresh() for one in batch]
    fresh = (await log.unknown(tx, workspace, sent, None)).fresh
    await store.replay(tx, workspace, fresh)
    became = Counter(
        Outcome.ERASED if one.message.veil is Veil.ERASED else Outcome.APPLIED for one in fresh
    )
    became[Outcome.DUPLICATE] += len(batch) - len(fresh)
    return became


async def save_waiting(
    tx: Transaction, workspace: Workspace, batch: Sequence[Quarantined]
) -> Counter[Outcome]:
    """Hold what cannot be applied; return what became of it."""
    return await _save_items(tx, workspace, [Item(one, asked=True) for one in batch])


async def _save_whole(
    tx: Transaction, workspace: Workspace, batch: Sequence[Said | Plain]
) -> Counter[Outcome]:
    return await _save_items(tx, workspace, [Item(one.whole(), asked=True) for one in batch])


async def _save_items(
    tx: Transaction, workspace: Workspace, items: Sequence[Item]
) -> Counter[Outcome]:
    answers = await store.save(tx, workspace, items)
    return Counter(receipt.outcome for receipt in answers if receipt is not None)
