"""Load and write the audience flags of customers and accounts, with their intervals."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

from ingest import pack
from ingest.fold import Profile, Run, intervals
from models.database import Row, Transaction
from models.values import Entity, Workspace

_FLAG_KEY = ("entity", "owner_id", "audience_id")
_FLAG_COLUMNS = (*_FLAG_KEY, "member", "since", "origin", "computation_id", "runs")
_NO_RUNS = "[]"
_INTERVAL_KEY = ("audience_id", "owner_id", "entered_at")


@dataclass(slots=True)
class Stored:
    """What a transaction has read of flags: none of it changes but by this transaction."""

    audiences: dict[tuple[Entity, str], int] = field(default_factory=dict)
    # By entity, owner and audience; None where there is no flag.
    runs: dict[Row, str | None] = field(default_factory=dict)


async def load(
    tx: Transaction,
    workspace: Workspace,
    entity: Entity,
    owners: Mapping[int, Profile],
    wanted: Iterable[tuple[int, str]],
    stored: Stored | None = None,
) -> None:
    """Load the runs of these (owner, key) pairs into their profiles."""
    pairs = [(o, key) for o, key in wanted if key not in owners[o].flags]
    if not pairs:
        return
    stored = Stored() if stored is None else stored
    audiences = await _audience_ids(tx, workspace, entity, {key for _, key in pairs}, stored)
    keys: list[Row] = [(int(entity), o, audiences[key]) for o, key in pairs if key in audiences]
    names = {n: key for key, n in audiences.items()}
    rows = await _take(tx, workspace, _FLAG_KEY, keys, owners, names)
    stored.runs.update(dict.fromkeys(keys))
    stored.runs.update((row[:3], row[3]) for row in rows)


async def load_all(
    tx: Transaction, workspace: Workspace, entity: Entity, owners: Mapping[int, Profile]
) -> None:
    """Load every flag of these owners into their profiles."""
    keys = [(int(entity), owner) for owner in sorted(owners)]
    rows = await tx.lookup("flags", ("audience_id",), _FLAG_KEY[:2], workspace.id, keys)
    numbers = sorted({(row[0],) for row in rows})
    if numbers:
        named = await tx.lookup("audiences", ("id", "key"), ("id",), workspace.id, numbers)
        await _take(tx, workspace, _FLAG_KEY[:2], keys, owners, dict(named))


async def write(
    tx: Transaction,
    workspace: Workspace,
    entity: Entity,
    owners: Mapping[int, Profile],
    stored: Stored,
) -> None:
    """Write the flags that were loaded or began, and bring their intervals up to date."""
    keys = {key for profile in owners.values() for key in profile.flags}
    if not keys:
        return
    audiences = await _audience_ids(tx, workspace, entity, keys, stored, make=True)
    rows: list[Row] = []
    for owner, profile in sorted(owners.items()):
        for key, runs in sorted(profile.flags.items()):
            register = profile.traits[key]
            start, member = runs[-1] if runs else (register.stamp.at, None)
            origin = int(register.marked is not None)
            state = None if member is None else int(member)
            rows.append(
                (
                    *(int(entity), owner, audiences[key]),
                    *(state, start, origin, register.computation),
                    pack.pack_runs(runs),
                )
            )
    unread = [row[:3] for row in rows if row[:3] not in stored.runs]
    old = await tx.lookup("flags", (*_FLAG_KEY, "runs"), _FLAG_KEY, workspace.id, unread)
    stored.runs.update((row[:3], row[3]) for row in old)
    before = {(row[2], row[1]): stored.runs.get(row[:3]) or _NO_RUNS for row in rows}
    await tx.upsert("flags", _FLAG_COLUMNS, _FLAG_KEY, workspace.id, rows)
    await _write_intervals(tx, workspace, rows, before)


async def remove(
    tx: Transaction, workspace: Workspace, entity: Entity, kept: Mapping[int, Container[str]]
) -> None:
    """Remove those flags of owners that are not among the keys which each keeps."""
    owners = [(int(entity), owner) for owner in sorted(kept)]
    columns = ("owner_id", "audience_id")
    rows = await tx.lookup("flags", columns, _FLAG_KEY[:2], workspace.id, owners)
    numbers = sorted({(audience,) for _, audience in rows})
    names: dict[int, str] = dict(
        await tx.lookup("audiences", ("id", "key"), ("id",), workspace.id, numbers)
    )
    lost = sorted((owner, number) for owner, number in rows if names[number] not in kept[owner])
    await tx.delete("flags", _FLAG_KEY, workspace.id, [(int(entity), *one) for one in lost])
    spans = [(number, owner) for owner, number in lost]
    await tx.delete("intervals", _INTERVAL_KEY[:2], workspace.id, spans)


async def remove_owners(
    tx: Transaction, workspace: Workspace, entity: Entity, owners: Iterable[Row]
) -> None:
    """Remove every flag of owners who are no more."""
    keys = [(int(entity), owner) for (owner,) in owners]
    columns = ("owner_id", "audience_id")
    rows = await tx.lookup("flags", columns, _FLAG_KEY[:2], workspace.id, keys)
    lost = [(audience, owner) for owner, audience in rows]
    if lost:
        await tx.delete("flags", _FLAG_KEY[:2], workspace.id, keys)
        await tx.delete("intervals", _INTERVAL_KEY[:2], workspace.id, lost)


async def _take(
    tx: Transaction,
    workspace: Workspace,
    by: tuple[str, ...],
    keys: list[Row],
    owners: Mapping[int, Profile],
    names: Mapping[int, str],
) -> list[Row]:
    columns = ("entity", "owner_id", "audience_id", "runs")
    rows = await tx.lookup("flags", columns, by, workspace.id, keys)
    for _, owner, audience, runs in rows:
        owners[owner].flags.setdefault(names[audience], pack.unpack_runs(runs))
    return rows


async def _audience_ids(
    tx: Transaction,
    workspace: Workspace,
    entity: Entity,
    keys: set[str],
    stored: Stored,
    *,
    make: bool = False,
) -> dict[str, int]:
    unread = sorted(key for key in keys if (entity, key) not in stored.audiences)
    await _read_audiences(tx, workspace, entity, unread, stored)
    missing = sorted(key for key in unread if (entity, key) not in stored.audiences)
    if make and missing:
        numbers = await tx.new_ids("audiences", workspace.id, len(missing))
        made: list[Row] = [
            (n, int(entity), key, key.lower()) for n, key in zip(numbers, missing, strict=True)
        ]
        await tx.insert("audiences", ("id", "entity", "key", "folded"), workspace.id, made)
        # Somebody else may have been first.
        await _read_audiences(tx, workspace, entity, missing, stored)
    known = stored.audiences
    return {key: known[entity, key] for key in keys if (entity, key) in known}


async def _read_audiences(
    tx: Transaction, workspace: Workspace, entity: Entity, keys: list[str], stored: Stored
) -> None:
    wanted = [(int(entity), key) for key in keys]
    rows = await tx.lookup("audiences", ("key", "id"), ("entity", "key"), workspace.id, wanted)
    stored.audiences.update(((entity, key), number) for key, number in rows)


async def drop_unused(tx: Transaction, workspace: Workspace, audiences: Iterable[int]) -> None:
    """Remove those of these audiences that no flag is left of: their keys may name a person."""
    sql = (
        "DELETE FROM audiences WHERE workspace_id = ?1 AND id = ?2 AND NOT EXISTS"
        " (SELECT 1 FROM flags f WHERE f.workspace_id = ?1 AND f.audience_id = ?2)"
    )
    for number in audiences:
        await tx.fetch(sql, (workspace.id, number))


async def _write_intervals(
    tx: Transaction, workspace: Workspace, rows: list[Row], before: Mapping[tuple[int, int], str]
) -> None:
    """Write what differs between the intervals of the old runs and of the new."""
    added: list[Row] = []
    lost: list[Row] = []
    for row in rows:
        owner, audience, text = row[1], row[2], row[-1]
        old_text = before[audience, owner]
        if old_text == text:
            continue
        new, old = _spans(text), _spans(old_text)
        added += [(audience, owner, *span) for span in new if span not in old]
        starts = {start for start, _ in new}
        lost += [(audience, owner, start) for start, _ in old if start not in starts]
    await tx.delete("intervals", _INTERVAL_KEY, workspace.id, lost)
    await tx.upsert("intervals", (*_INTERVAL_KEY, "left_at"), _INTERVAL_KEY, workspace.id, added)


def _spans(text: str) -> list[tuple[int, int | None]]:
    runs: list[Run] = pack.unpack_runs(text)
    return intervals(runs)
