"""Declare indexes, build them in short transactions while others write, and give them up."""

from __future__ import annotations

from dataclasses import dataclass

from ingest import indexes
from ingest.indexes import Holder, Kind, Shown, State
from models.database import Row, Transaction
from models.values import Entity, Micros, Workspace

CHUNK_ROWS = 500
"""Rows of one step. On SQLite others wait as long as it takes, which is some ten milliseconds."""

_COLUMNS = ("id", "kind", "key", "state", "hot", "asked_at", "stage", "done")
_CUSTOMER = ("id", "key", "traits", "email_folded", "name_folded")
_ACCOUNT = ("id", "key", "traits", "group_id_folded", "name_folded")
_STAGES = ("customers", "accounts", "identities")


@dataclass(frozen=True, slots=True)
class Kept:
    """One index of a workspace."""

    id: int
    kind: Kind
    key: str
    state: State
    hot: bool
    asked_at: Micros
    stage: int
    done: int

    @property
    def is_live(self) -> bool:
        """Return whether it is wanted: complete, or being built."""
        return self.state is not State.GIVEN_UP


def kept(row: Row) -> Kept:
    """Return an index as its row says."""
    number, kind, key, state, hot, asked_at, stage, done = row
    return Kept(number, Kind(kind), key, State(state), bool(hot), asked_at, stage, done)


async def listed(tx: Transaction, workspace: Workspace) -> list[Kept]:
    """Return all indexes of a workspace, those given up included while rows of them are left."""
    sql = f"SELECT {', '.join(_COLUMNS)} FROM kept_indexes WHERE workspace_id = ?1 ORDER BY id"
    return [kept(row) for row in await tx.fetch(sql, (workspace.id,))]


async def declare(
    tx: Transaction, workspace: Workspace, kind: Kind, key: str, *, hot: bool, now: Micros
) -> None:
    """Have an index from now on; who writes later writes it, and what is there is built by `build`."""
    await tx.enter(workspace.id)
    live = [each for each in await listed(tx, workspace) if each.is_live]
    known = [each for each in live if (each.kind, each.key) == (kind, key)]
    if known:
        if known[0].hot and not hot:
            sql = "UPDATE kept_indexes SET hot = 0 WHERE workspace_id = ?1 AND id = ?2"
            await tx.fetch(sql, (workspace.id, known[0].id))
        return
    # Who began to write before this is over knows nothing of it.
    await tx.alone(workspace.id)
    [number] = await tx.new_ids("kept_indexes", workspace.id, 1)
    stage = kind if kind is not Kind.WORDS else 0
    row = (number, int(kind), key, int(State.BUILDING), int(hot), now, int(stage), 0)
    await tx.insert("kept_indexes", _COLUMNS, workspace.id, [row])


async def give_up(tx: Transaction, workspace: Workspace, kind: Kind, key: str) -> None:
    """Cease to have an index; its rows go with `build`."""
    await tx.enter(workspace.id)
    await tx.alone(workspace.id)
    sql = (
        "UPDATE kept_indexes SET state = 2"
        " WHERE workspace_id = ?1 AND kind = ?2 AND key = ?3 AND state < 2"
    )
    await tx.fetch(sql, (workspace.id, int(kind), key))


async def build(
    tx: Transaction, workspace: Workspace, number: int, chunk_rows: int = CHUNK_ROWS
) -> bool:
    """Do the next step of an index: fill it, or clear it away; return whether there is more to do."""
    await tx.enter(workspace.id)
    rows = await tx.lookup("kept_indexes", _COLUMNS, ("id",), workspace.id, [(number,)])
    if not rows:
        return False
    index = kept(rows[0])
    if index.state is State.COMPLETE:
        return False
    if index.state is State.GIVEN_UP:
        return await _clear(tx, workspace, index, chunk_rows)
    sql = (
        f"SELECT id FROM {_STAGES[index.stage]} WHERE workspace_id = ?1 AND id > ?2"
        f" ORDER BY id LIMIT {chunk_rows}"
    )
    numbers = [row[0] for row in await tx.fetch(sql, (workspace.id, index.done))]
    await _fill(tx, workspace, index, numbers)
    stage, done, state = index.stage, index.done, State.BUILDING
    if len(numbers) == chunk_rows:
        done = numbers[-1]
    elif index.kind is Kind.WORDS and stage + 1 < len(_STAGES):
        stage, done = stage + 1, 0
    else:
        state = State.COMPLETE
    sql = (
        "UPDATE kept_indexes SET stage = ?3, done = ?4, state = ?5"
        " WHERE workspace_id = ?1 AND id = ?2"
    )
    await tx.fetch(sql, (workspace.id, number, stage, done, int(state)))
    return state is State.BUILDING


async def _fill(tx: Transaction, workspace: Workspace, index: Kept, numbers: list[int]) -> None:
    """Write what an index has of these rows. They are held, so nobody changes them meanwhile."""
    keys = [(number,) for number in numbers]
    if not keys:
        return
    if index.stage == Holder.IDENTITY:
        named = await tx.lookup("identities", ("id", "folded"), ("id",), workspace.id, keys)
        words = [
            word
            for owner, text in named
            for word in indexes.word_rows(Holder.IDENTITY, owner, [text])
        ]
        await tx.insert("words", indexes.WORD_COLUMNS, workspace.id, sorted(words))
        return
    columns = _CUSTOMER if index.stage == Entity.CUSTOMER else _ACCOUNT
    found = await tx.lookup(_STAGES[index.stage], columns, ("id",), workspace.id, keys)
    shown = [(row[0], Shown(row[1], row[2], row[3:])) for row in found]
    if index.kind is Kind.WORDS:
        holder = Holder(index.stage)
        rows = [row for owner, one in shown for row in indexes.word_rows(holder, owner, one.folded)]
        await tx.insert("words", indexes.WORD_COLUMNS, workspace.id, sorted(rows))
        return
    only = {index.key: index.id}
    values = [row for owner, one in shown for row in indexes.value_rows(only, owner, one)]
    await tx.upsert("trait_values", indexes.VALUE_COLUMNS, indexes.VALUE_KEY, workspace.id, values)


async def _clear(tx: Transaction, workspace: Workspace, index: Kept, chunk_rows: int) -> bool:
    sql = (
        "SELECT index_id, owner_id FROM trait_values WHERE workspace_id = ?1 AND index_id = ?2"
        f" LIMIT {chunk_rows}"
    )
    rows = await tx.fetch(sql, (workspace.id, index.id))
    await tx.delete("trait_values", indexes.VALUE_KEY, workspace.id, rows)
    if len(rows) < chunk_rows:
        sql = "DELETE FROM kept_indexes WHERE workspace_id = ?1 AND id = ?2"
        await tx.fetch(sql, (workspace.id, index.id))
        return False
    return True
