"""The command `vacuum`: leave no byte of what was removed in the database's files."""

from __future__ import annotations

import asyncio

import typer

from api.bars import bars
from api.settings import load
from api.terminal import opened
from models.database_vacuum import vacuum


def vacuum_files() -> None:
    """Write the database anew, so that nothing of what was erased is left in its files.

    Erasing removes at once what anybody can ask for; bytes of it stay in pages that are free until
    they are used again. Run this after erasing, as often as your rules ask for it.

    On SQLite a running server waits for its end; there must be room for the file once more. On
    PostgreSQL each table is locked while it is written: run it when few write. Neither reaches
    backups, archived WAL and replicas of replicas: see "Erase" in docs/operate.md.
    """
    asyncio.run(_vacuum())
    typer.echo("The database is written anew; nothing of what was removed is left in its files.")


async def _vacuum() -> None:
    settings = load()
    async with opened(settings):
        # Opening says in a sentence what is wrong with a database that is no one of ours.
        pass
    with bars() as progress:
        await vacuum(settings.database_url, progress)
