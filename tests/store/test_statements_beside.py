"""What rebuilds, exports, the audit and the past send names the workspace for each table, too."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlmodel import SQLModel

import models.tables  # noqa: F401 (its tables are those that are counted)
from ingest import audit, export, past
from ingest.beside import open_beside
from ingest.past import Hop, Reach
from ingest.rebuild import rebuild
from models.database_snapshot import open_snapshot
from models.values import Entity
from tests.databases import DEFAULT, PostgresTemplate, opened, save_batches
from tests.laws.histories import random_history
from tests.laws.test_law import cut
from tests.statements import TABLES, UNBOUND, unbound_accesses

PLANTED = (
    "UPDATE customers SET name = 'spoilt', first_seen_at = first_seen_at + 1",
    "UPDATE accounts SET name = 'spoilt'",
    "DELETE FROM memberships",
    "UPDATE flags SET since = since + 1",
)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Give all statements with arguments that any connection to a server has prepared."""
    found: set[str] = set()
    driver: Any = asyncpg.Connection
    prepare = driver._get_statement  # noqa: SLF001 (all that is sent with arguments passes here)

    async def recorded(self: Any, query: str, *rest: Any, **named: Any) -> Any:
        found.add(query)
        return await prepare(self, query, *rest, **named)

    monkeypatch.setattr(driver, "_get_statement", recorded)
    return found


async def test_what_a_rebuild_an_export_and_the_audit_send_names_the_workspace(
    postgres_template: PostgresTemplate, tmp_path: Path, sent: set[str]
) -> None:
    url = await asyncio.to_thread(postgres_template.copy)
    rng = random.Random(11)
    async with opened(url) as live, open_beside(tmp_path) as beside:
        for _ in range(3):
            await save_batches(live, cut(rng, random_history(rng, 30)))
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        for sql in PLANTED:
            await connection.execute(sql)
        await connection.close()
        sent.clear()
        assert (await rebuild(live, beside, DEFAULT))[0].difference is not None
        await audit.forget(live, DEFAULT, 1)
        async with open_snapshot(url) as snapshot:
            assert [line async for line in export.lines(snapshot, DEFAULT, export.Span())]
    assert len(sent) > 40
    assert {access for sql in sent for access in unbound_accesses(sql, "postgres")} == set()


@pytest.mark.parametrize("entity", Entity)
@pytest.mark.parametrize("words", ["sqlite", "postgres"])
def test_what_reads_the_past_names_the_workspace_however_far_it_looks(
    entity: Entity, words: str
) -> None:
    far = Reach({hop: Reach({further: Reach() for further in Hop}) for hop in Hop})
    for reach in (Reach(), far):
        assert set(unbound_accesses(past.statement(entity, reach), words)) == set()


def test_no_table_is_left_out_of_what_is_looked_at() -> None:
    assert SQLModel.metadata.tables.keys() == TABLES | UNBOUND
