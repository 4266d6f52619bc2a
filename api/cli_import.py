"""The command `import`: Segment messages, or what `calyx export` wrote, from a file or a pipe."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from api import keys, terminal
from api.keys import Refused
from api.settings import Settings, load
from api.terminal import Json, opened, print_json, workspace_named
from ingest.importing import Importer, Misfit, Summary, Watch
from ingest.pace import Pace
from models.database_presence import is_in_use
from models.values import Outcome

STANDARD = "-"
# Of objects made since it last looked for cycles: an import makes millions, and none in cycles.
_GARBAGE_AFTER = 1_000_000


def import_messages(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="JSON lines, packed with gzip or not. `-` is standard input."
        ),
    ],
    workspace: Annotated[
        str, typer.Option("--workspace", help="The workspace they go into.")
    ] = keys.DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Take in messages, one a line: Segment's, batches of them, or those of `calyx export`.

    They are stored and folded as those that are posted, so a file may come twice, in any order, and
    years late. A line that cannot be read is held in quarantine and named. Broken off, even by
    kill -9, the same command goes on where it was; servers go on meanwhile.

    A message counts as received when its `receivedAt` says, else now.

    Example: `calyx import segment-archive.jsonl.gz`
    """
    try:
        summary = asyncio.run(_import(source, workspace))
    except Misfit as error:
        raise Refused(f"{source}: {error}") from error
    if as_json:
        print_json(_as_json(summary, workspace))
    else:
        _tell(summary, source, workspace)
    if summary.cut is not None or summary.counts.lost:
        raise typer.Exit(1)


async def _import(source: str, name: str) -> Summary:
    settings = load()
    with _read(source) as file:
        pace = Pace(await _is_shared(settings))
        async with opened(settings) as database:
            tenant = await workspace_named(database, name)
            gc.freeze()
            gc.set_threshold(_GARBAGE_AFTER)
            with _bar(file) as watch:
                importer = Importer(database, tenant.workspace, pace, watch)
                return await importer.run(file, terminal.now(), settings.message_bytes_max)


async def _is_shared(settings: Settings) -> bool:
    url = settings.database_url
    return terminal.database_exists(url) and await is_in_use(url)


@contextmanager
def _read(source: str) -> Iterator[BinaryIO]:
    if source == STANDARD:
        yield sys.stdin.buffer
        return
    path = Path(source)
    if not path.exists():
        raise Refused(f"there is no file {source}")
    if path.is_dir():
        raise Refused(f"{source} is a folder; import its files one by one")
    with path.open("rb") as file:
        yield file


@contextmanager
def _bar(file: BinaryIO) -> Iterator[Watch]:
    """Give what shows how far it is, at what rate, and how long it will take; quiet where nobody watches."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _messages, _lines, _raw: None
        return
    size = os.fstat(file.fileno()).st_size if file.seekable() else None
    columns = (
        TextColumn("Importing"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task("Importing", total=size, told="")

        def watch(messages: int, lines: int, raw: int) -> None:
            seconds = shown.tasks[0].elapsed or 0
            rate = f"{messages / seconds:,.0f}/s" if seconds else ""
            shown.update(task, completed=raw, told=f"line {lines:,}  {rate}")

        yield watch


def _tell(summary: Summary, source: str, workspace: str) -> None:
    counts = summary.counts
    for line, why in counts.told:
        typer.echo(f"line {line}: {why}", err=True)
    if counts.faults > len(counts.told):
        typer.echo(f"and {counts.faults - len(counts.told):,} more lines like these", err=True)
    if counts.source not in (None, workspace):
        told = (
            f"It was exported from workspace {counts.source}, and public ids derive from the name:"
        )
        typer.echo(f"{told} here they are others.", err=True)
    again = ", going on where it was broken off" if summary.resumed else ""
    rate = summary.messages / summary.seconds if summary.seconds else 0
    typer.echo(
        f"{summary.lines:,} lines, {counts.messages:,} messages{again};"
        f" {summary.messages:,} in {summary.seconds:.1f} s, {rate:,.0f} a second."
    )
    for outcome in Outcome:
        if number := counts.outcomes.get(outcome, 0):
            typer.echo(f"{number:>12,} {outcome.lower()}")
    if counts.lost:
        typer.secho(f"calyx: of {counts.lost:,} lines nothing was kept", fg="red", err=True)
    if summary.cut is not None:
        told = f"{source}: {summary.cut}. The {summary.lines:,} lines before that are stored"
        typer.secho(f"calyx: {told}; import it again once it is whole", fg="red", err=True)


def _as_json(summary: Summary, workspace: str) -> dict[str, Any]:
    counts = summary.counts
    return {
        "workspace": workspace,
        "complete": summary.cut is None,
        "error": summary.cut,
        "lines": summary.lines,
        "messages": counts.messages,
        "outcomes": {one.lower(): counts.outcomes.get(one, 0) for one in Outcome},
        "unreadable": {
            "lines": counts.faults,
            "lost": counts.lost,
            "first": [{"line": line, "error": why} for line, why in counts.told],
        },
        "exportedFrom": counts.source,
        "resumed": summary.resumed,
        "seconds": round(summary.seconds, 3),
        "messagesPerSecond": round(summary.messages / summary.seconds) if summary.seconds else 0,
    }
