"""Carry what a database holds into another, as `calyx export` and `calyx import` do."""

from __future__ import annotations

from pathlib import Path

from ingest.export import Span, lines
from ingest.importing import Importer, Summary
from ingest.message import MESSAGE_BYTES_MAX
from ingest.pace import Pace
from models.database_snapshot import open_snapshot
from models.values import Micros, Workspace
from tests.databases import DEFAULT, opened

NOW_US = 1_800_000_000_000_000


async def exported(url: str, span: Span | None = None, workspace: Workspace = DEFAULT) -> bytes:
    """Return the export of a database."""
    async with open_snapshot(url) as snapshot:
        return b"".join([line async for line in lines(snapshot, workspace, span or Span())])


async def imported(
    url: str,
    file: Path,
    *,
    now: Micros = NOW_US,
    workspace: Workspace = DEFAULT,
    shared: bool = False,
) -> Summary:
    """Import a file into a database; return what that came to."""
    async with opened(url) as database:
        importer = Importer(database, workspace, Pace(shared), lambda *_: None)
        with file.open("rb") as source:
            return await importer.run(source, now, MESSAGE_BYTES_MAX)
