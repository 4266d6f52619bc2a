"""The commands `quarantine list` and `quarantine retry`: what is held, and another attempt at it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from api import keys, terminal
from api.bars import bars
from api.keys import Refused
from api.settings import Settings, load
from api.terminal import Json, moment, opened, print_json, workspace_named
from ingest.accept import Bounds, Busy, Ingest, Unreadable
from ingest.advice import ADVICE
from models.values import Quarantined, Reason, Receipt, Workspace

quarantine_commands = terminal.commands(
    "Messages that could not be applied: list them, and try them again. Both work beside servers that go on."
)

ROWS_MAX = 1_000
_PREFIX = "qua_"
_ATTEMPTS = 30
_WAITING = (
    "SELECT q.key, q.message_id, q.reason, q.received_at, q.retried_at FROM quarantine q"
    " WHERE q.workspace_id = ?1 AND q.erased = 0 AND (?2 = '' OR q.reason = ?2)"
    " ORDER BY q.received_at DESC, q.key DESC"
)

WorkspaceName = Annotated[str, typer.Option("--workspace", help="The workspace it belongs to.")]
ReasonName = Annotated[
    str, typer.Option("--reason", help="Only those held for this reason, such as `NO_SUBJECT`.")
]


@quarantine_commands.command("list")
def list_held(
    reason: ReasonName = "",
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=ROWS_MAX)] = 50,
    workspace: WorkspaceName = keys.DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """List what waits, the newest first.

    Example: `calyx quarantine list --reason NO_SUBJECT`
    """
    found = asyncio.run(_list(workspace, _reason(reason), limit))
    if as_json:
        print_json({"quarantined": [_as_json(row) for row in found]})
        return
    if not found:
        typer.echo("Nothing waits.")
        return
    table = Table("id", "messageId", "reason", "received", "last retried", box=None)
    for key, message_id, why, received_at, retried_at in found:
        retried = (moment(retried_at) or "never")[:19]
        table.add_row(
            _PREFIX + key.hex(), message_id, why, (moment(received_at) or "")[:19], retried
        )
    Console(width=None if Console().is_terminal else 200).print(table)
    for why in sorted({row[2] for row in found}):
        typer.echo(f"\n{why}: {ADVICE[Reason(why)]}")


@quarantine_commands.command("retry")
def retry_held(
    message_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Ids, as `calyx quarantine list` shows them."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that waits.")] = False,
    reason: ReasonName = "",
    message: Annotated[
        Path | None,
        typer.Option(
            help="A file with the whole message as it should have been, for one ID; `-` reads it from standard input."
        ),
    ] = None,
    workspace: WorkspaceName = keys.DEFAULT_WORKSPACE,
    as_json: Json = False,
) -> None:
    """Try messages again: as they are, once what held them is mended, or one corrected.

    Each counts as received when it came. Exits 1 if any still waits.

    Example: `calyx quarantine retry --reason TOO_LARGE`, after raising CALYX_MESSAGE_BYTES_MAX
    """
    ids = [_key(text) for text in message_ids or ()]
    several = every or bool(reason)
    if several == bool(ids) or (message is not None and len(ids) != 1):
        raise Refused("name ids, or --all, or a --reason; a --message goes with one id")
    correction = None if message is None else _read(message)
    told = asyncio.run(_retry(workspace, ids, _reason(reason), correction))
    if as_json:
        print_json({"retried": told})
    else:
        for outcome, count in sorted(Counter(one["outcome"] for one in told).items()):
            typer.echo(f"{count:>8} {outcome}")
        for one in [one for one in told if len(told) == 1 and one["advice"]]:
            typer.echo(one["advice"])
    if any(one["outcome"] in {"QUARANTINED", "NOT_FOUND", "REFUSED"} for one in told):
        raise typer.Exit(1)


async def _list(workspace: str, reason: str, limit: int) -> list[tuple[Any, ...]]:
    async with opened(load()) as database:
        tenant = await workspace_named(database, workspace)
        return await database.read(_WAITING + " LIMIT ?3", (tenant.workspace.id, reason, limit))


async def _retry(
    workspace: str, ids: list[bytes], reason: str, correction: Any
) -> list[dict[str, Any]]:
    settings = load()
    async with opened(settings) as database:
        tenant = (await workspace_named(database, workspace)).workspace
        if not ids:
            ids = [row[0] for row in await database.read(_WAITING, (tenant.id, reason), 60.0)]
        ingest = Ingest(database, bounds=_bounds(settings))
        ingest.start()
        told = []
        try:
            with bars() as tell:
                for done, key in enumerate(ids, 1):
                    told.append(await _retry_one(ingest, tenant, bytes(key), correction))
                    tell("retrying", done, len(ids))
        finally:
            await ingest.close()
        return told


async def _retry_one(
    ingest: Ingest, workspace: Workspace, key: bytes, correction: Any
) -> dict[str, Any]:
    for attempt in range(_ATTEMPTS):
        try:
            found = await ingest.retry(workspace, key, now=terminal.now(), correction=correction)
        except Busy as error:
            # A server writes to the same file; it lets go between two commits.
            if attempt == _ATTEMPTS - 1:
                raise Refused(str(error)) from None
            await asyncio.sleep(error.retry_after_s)
        except Unreadable as error:
            raise Refused(f"the message cannot be read: {error}") from None
        else:
            return {"id": _PREFIX + key.hex(), **_outcome(found)}
    raise AssertionError("the last attempt returns or raises")


def _outcome(found: Receipt | Quarantined | None) -> dict[str, Any]:
    if found is None:
        return {"outcome": "NOT_FOUND", "reason": None, "advice": "No such message waits."}
    reason = found.reason
    advice = None if reason is None else ADVICE[reason]
    outcome = "REFUSED" if isinstance(found, Quarantined) else found.outcome.value
    return {"outcome": outcome, "reason": reason, "advice": advice, "messageId": found.message_id}


def _bounds(settings: Settings) -> Bounds:
    body = settings.body_limits
    return Bounds(body.message_bytes_max, body.messages_max)


def _reason(text: str) -> str:
    if text and text.upper() not in set(Reason):
        raise Refused(f"--reason is {text!r}: it is one of {', '.join(Reason)}")
    return text.upper()


def _key(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix(_PREFIX))
    except ValueError:
        raise Refused(f"{text!r} is no id: `calyx quarantine list` shows them") from None


def _read(path: Path) -> Any:
    text = typer.get_text_stream("stdin").read() if str(path) == "-" else path.read_text()
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the message is no JSON: {error}") from None


def _as_json(row: tuple[Any, ...]) -> dict[str, Any]:
    key, message_id, reason, received_at, retried_at = row
    return {
        "id": _PREFIX + key.hex(),
        "messageId": message_id,
        "reason": reason,
        "advice": ADVICE[Reason(reason)],
        "receivedAt": moment(received_at),
        "retriedAt": moment(retried_at),
    }
