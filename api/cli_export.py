"""The command `export`: the log of a workspace as lines of JSON."""

from __future__ import annotations

import asyncio
import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from api import keys
from api.bars import bars
from api.keys import Refused
from api.settings import load
from api.terminal import opened, workspace_named
from ingest import clock, export
from ingest.export import Span
from models.database_snapshot import open_snapshot
from models.values import Micros, Workspace

STANDARD = "-"
_COMPRESSION = 6
_TOLD_EVERY = 1_000


def export_log(
    workspace: Annotated[
        str, typer.Option("--workspace", help="The workspace to export.")
    ] = keys.DEFAULT_WORKSPACE,
    since: Annotated[
        str, typer.Option("--since", help="Only messages of this time and later, as 2026-01-31.")
    ] = "",
    until: Annotated[
        str,
        typer.Option("--until", help="Only messages before this time, as 2026-02-28T12:00:00Z."),
    ] = "",
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", help="The file; `.gz` at its end packs it. `-` is standard output."
        ),
    ] = STANDARD,
) -> None:
    """Write all messages of a workspace, as they were received, one JSON object a line.

    `calyx import` turns that into the identical state, in another database too. It is one moment:
    servers go on meanwhile. What was erased is in it as hashes only, with the workspace's key to
    them: keep the file as you keep the database.

    Example: `calyx export --output 2026-01.jsonl.gz --until 2026-02-01`
    """
    span = Span(_moment("--since", since), _moment("--until", until))
    try:
        count = asyncio.run(_export(workspace, span, output))
    except BrokenPipeError:
        # Whoever read it, such as `head`, has enough; Python must not stumble over it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    where = "standard output" if output == STANDARD else output
    typer.echo(f"Workspace {workspace} is in {where}, {count:,} lines.", err=True)


async def _export(name: str, span: Span, output: str) -> int:
    async with opened(load()) as database:
        tenant = await workspace_named(database, name)
        url = database.url
    with _written(output) as file:
        return await _write(url, tenant.workspace, span, file)


async def _write(url: str, workspace: Workspace, span: Span, file: BinaryIO) -> int:
    done = 0
    async with open_snapshot(url) as snapshot:
        total = await export.count(snapshot, workspace, span)
        with bars() as progress:
            async for line in export.lines(snapshot, workspace, span):
                file.write(line)
                done += 1
                if done % _TOLD_EVERY == 0:
                    progress("Exporting", done, total)
            progress("Exporting", done, total)
    return done


@contextmanager
def _written(output: str) -> Iterator[BinaryIO]:
    """Give what is written to; a file has its name once it is whole."""
    if output == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(output)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    # What it holds is nobody else's business.
    opened_file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened_file, "wb") as plain:
            if path.suffix == ".gz":
                with gzip.GzipFile("", "wb", _COMPRESSION, plain, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            else:
                yield plain
            plain.flush()
            os.fsync(plain.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _moment(option: str, text: str) -> Micros | None:
    if not text:
        return None
    at = clock.read(text)
    if at is None:
        raise Refused(f"{option} is {text!r}: write a time as 2026-01-31 or 2026-01-31T12:00:00Z")
    return at
