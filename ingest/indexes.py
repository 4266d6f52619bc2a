"""Keep the indexes of traits and words as customers and accounts change, in the same transaction.

Whoever writes reads which indexes there are once it is in (`Transaction.enter`); they are declared and
given up by somebody who is alone in the workspace. So no writer is ever unaware of one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import msgspec

from ingest.places import place_of, words_of
from models.database import Row, Transaction
from models.values import Entity, JsonText, Workspace

VALUE_COLUMNS = ("index_id", "owner_id", "key", "place", "folded", "cut")
VALUE_KEY = VALUE_COLUMNS[:2]
WORD_COLUMNS = ("kind", "word", "owner_id")

_raws = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Kind(IntEnum):
    """What an index is of; the first two are the entities whose traits they are."""

    CUSTOMER_TRAIT = 0
    ACCOUNT_TRAIT = 1
    WORDS = 2


class State(IntEnum):
    """How far an index is. Queries use those that are complete, writers write all but the last."""

    BUILDING = 0
    COMPLETE = 1
    GIVEN_UP = 2


class Holder(IntEnum):
    """Whose words they are."""

    CUSTOMER = 0
    ACCOUNT = 1
    IDENTITY = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """What of a customer or an account is indexed."""

    key: bytes
    traits: JsonText
    folded: tuple[str | None, ...]


@dataclass(slots=True)
class Changes:
    """What a batch has found and left, by row number; absent where there was or is nothing."""

    before: dict[Entity, dict[int, Shown]] = field(
        default_factory=lambda: {entity: {} for entity in Entity}
    )
    after: dict[Entity, dict[int, Shown]] = field(
        default_factory=lambda: {entity: {} for entity in Entity}
    )
    named: dict[int, str] = field(default_factory=dict)
    unnamed: dict[int, str] = field(default_factory=dict)


async def kept(tx: Transaction, workspace: Workspace) -> list[Row]:
    """Return number, kind and key of the indexes that whoever writes must write."""
    sql = "SELECT id, kind, key FROM kept_indexes WHERE workspace_id = ?1 AND state < 2"
    return await tx.fetch(sql, (workspace.id,))


async def write(tx: Transaction, workspace: Workspace, kept: list[Row], changes: Changes) -> None:
    """Write what the indexes of a workspace, which are `kept`, have of what changed."""
    if not kept:
        return
    for entity in Entity:
        keys = {key: number for number, kind, key in kept if kind == entity}
        if keys:
            await _write_values(tx, workspace, keys, changes.before[entity], changes.after[entity])
    if any(kind == Kind.WORDS for _, kind, _ in kept):
        await _write_words(tx, workspace, changes)


def value_rows(keys: Mapping[str, int], owner: int, shown: Shown) -> list[Row]:
    """Return the rows of a customer or an account in these indexes, by the keys of their traits."""
    values = _raws(shown.traits)
    rows: list[Row] = []
    for key, index in keys.items():
        if key in values:
            place, folded, cut = place_of(bytes(values[key]).decode())
            rows.append((index, owner, shown.key, place, folded, int(cut)))
    return rows


def word_rows(holder: Holder, owner: int, fields: Iterable[str | None]) -> list[Row]:
    """Return the rows of one holder in the index of words."""
    return [(int(holder), word, owner) for word in words_of(fields)]


async def _write_values(
    tx: Transaction,
    workspace: Workspace,
    keys: Mapping[str, int],
    before: Mapping[int, Shown],
    after: Mapping[int, Shown],
) -> None:
    new: list[Row] = []
    old: list[Row] = []
    for owner in sorted({*before, *after}):
        was, now = before.get(owner), after.get(owner)
        if was is not None and now is not None and (was.key, was.traits) == (now.key, now.traits):
            continue
        had = set() if was is None else set(value_rows(keys, owner, was))
        has = set() if now is None else set(value_rows(keys, owner, now))
        new += sorted(has - had, key=_place)
        old += sorted({row[:2] for row in had} - {row[:2] for row in has})
    await tx.delete("trait_values", VALUE_KEY, workspace.id, old)
    await tx.upsert("trait_values", VALUE_COLUMNS, VALUE_KEY, workspace.id, new)


async def _write_words(tx: Transaction, workspace: Workspace, changes: Changes) -> None:
    new: set[Row] = set()
    old: set[Row] = set()
    for entity, holder in ((Entity.CUSTOMER, Holder.CUSTOMER), (Entity.ACCOUNT, Holder.ACCOUNT)):
        before, after = changes.before[entity], changes.after[entity]
        for owner in {*before, *after}:
            was, now = _folded(before.get(owner)), _folded(after.get(owner))
            if was != now:
                old.update(word_rows(holder, owner, was))
                new.update(word_rows(holder, owner, now))
    for owner, text in changes.unnamed.items():
        old.update(word_rows(Holder.IDENTITY, owner, [text]))
    for owner, text in changes.named.items():
        new.update(word_rows(Holder.IDENTITY, owner, [text]))
    await tx.delete("words", WORD_COLUMNS, workspace.id, sorted(old - new))
    await tx.insert("words", WORD_COLUMNS, workspace.id, sorted(new - old))


def _folded(shown: Shown | None) -> Sequence[str | None]:
    return () if shown is None else shown.folded


def _place(row: Row) -> Row:
    return row[:2]
