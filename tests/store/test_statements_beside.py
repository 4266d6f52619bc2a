"""What rebuilds, exports, the audit and the past send names the workspace for each table, too."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url
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
from tests.postgres import free_port
from tests.statements import TABLES, UNBOUND, unbound_accesses
from tests.tap import Tap

PLANTED = (
    "UPDATE customers SET name = 'spoilt', first_seen_at = first_seen_at + 1",
    "UPDATE accounts SET name = 'spoilt'",
    "DELETE FROM memberships",
    "UPDATE flags SET since = since + 1",
)


async def test_what_a_rebuild_an_export_and_the_audit_send_names_the_workspace(
    postgres_template: PostgresTemplate, tmp_path: Path
) -> None:
    url = make_url(await asyncio.to_thread(postgres_template.copy))
    plain = url.render_as_string(hide_password=False)
    rng = random.Random(11)
    async with opened(plain) as live:
        for _ in range(3):
            await save_batches(live, cut(rng, random_history(rng, 30)))
    connection = await asyncpg.connect(plain.replace("+asyncpg", ""))
    for sql in PLANTED:
        await connection.execute(sql)
    await connection.close()
    tap, port = Tap(url.port or 5432), free_port()
    tapped = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    async with tap.listening(port), opened(tapped) as live, open_beside(tmp_path) as beside:
        assert (await rebuild(live, beside, DEFAULT))[0].difference is not None
        await audit.forget(live, DEFAULT, 1)
        async with open_snapshot(tapped) as snapshot:
            assert [line async for line in export.lines(snapshot, DEFAULT, export.Span())]
    sent = tap.statements()
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
