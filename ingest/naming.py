"""Say the keys in a difference as the identifiers they are hashes of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ingest.compare import Difference
from models.database_snapshot import Snapshot
from models.values import Workspace

_NAMES = (
    ("CASE WHEN t.kind = 0 THEN 'userId ' ELSE 'anonymousId ' END || t.identifier", "identities"),
    ("'groupId ' || t.group_id", "accounts"),
    ("'messageId ' || t.message_id", "events"),
)


async def told(
    difference: Difference, workspace: Workspace, databases: Iterable[Snapshot]
) -> Difference:
    """Return a difference without keys, as far as one of the databases knows what they stand for."""
    known = list(databases)

    async def name(value: Any) -> Any:
        if not isinstance(value, bytes):
            return value
        for database in known:
            for expression, table in _NAMES:
                sql = f"SELECT {expression} FROM {table} t WHERE t.workspace_id = ?1 AND t.key = ?2"
                found = [row async for row in database.rows(sql, (workspace.id, value))]
                if found:
                    return found[0][0]
        return value

    row = {column: await name(value) for column, value in difference.row.items()}
    stored, computed = await name(difference.stored), await name(difference.computed)
    return replace(difference, row=row, stored=stored, computed=computed)
