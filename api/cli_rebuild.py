"""The command `rebuild`: hold the state to the log, or make it again from the log."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from api import keys
from api.bars import bars
from api.keys import Refused
from api.settings import load
from api.terminal import Json, opened, print_json, workspace_named
from ingest.beside import open_beside
from ingest.compare import Difference
from ingest.progress import Progress
from ingest.rebuild import Unmendable, Verdict, check, rebuild
from models.database import Database
from models.values import Workspace

ALL = "all"

Found = list[tuple[Workspace, list[Verdict]]]
"""For each workspace what each comparison came to."""


def rebuild_state(
    workspace: Annotated[
        str, typer.Option("--workspace", help="Which workspace; `all` is every one of them.")
    ] = ALL,
    check_only: Annotated[
        bool,
        typer.Option(
            "--check", help="Change nothing; name the first difference, and exit 1 if there is any."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make customers, accounts and all that follows from the log again, while servers go on.

    The log is folded into a file beside the database, in `TMPDIR`, which takes about as much room.
    What differs is mended in place, in many short transactions, and all is compared once more.
    `--check` only compares. `--json` adds the hash of the state: wherever the same events are
    stored, it is the same.

    Example: `calyx rebuild --check --json`
    """
    found = asyncio.run(_each(workspace, check_only=check_only, hashed=as_json))
    if as_json:
        print_json(_as_json(found))
    else:
        for tenant, verdicts in found:
            typer.echo(f"{tenant.name}: {_sentence(verdicts)}")
    if not all(verdicts[-1].ok for _, verdicts in found):
        raise typer.Exit(1)


async def _each(name: str, *, check_only: bool, hashed: bool) -> Found:
    found: Found = []
    async with opened(load()) as database:
        if name == ALL:
            tenants = await keys.workspaces(database)
        else:
            tenants = [await workspace_named(database, name)]
        with tempfile.TemporaryDirectory(prefix="calyx-rebuild-") as folder:
            async with open_beside(Path(folder)) as beside:
                for tenant in tenants:
                    with bars() as progress:
                        held = _Held(database, beside, progress, Path(folder) if hashed else None)
                        verdicts = await held.to_the_log(tenant.workspace, check_only=check_only)
                    found.append((tenant.workspace, verdicts))
    return found


@dataclass(frozen=True, slots=True)
class _Held:
    database: Database
    beside: Database
    progress: Progress
    hash_in: Path | None

    async def to_the_log(self, workspace: Workspace, *, check_only: bool) -> list[Verdict]:
        if check_only:
            url = self.database.url
            return [await check(url, self.beside, workspace, self.progress, self.hash_in)]
        try:
            return await rebuild(self.database, self.beside, workspace, self.progress, self.hash_in)
        except Unmendable as error:
            raise Refused(f"workspace {workspace.name}: {error}") from error


def _sentence(verdicts: list[Verdict]) -> str:
    first, last = verdicts[0], verdicts[-1]
    events = f"{last.events:,} events" if last.events != 1 else "1 event"
    if first.ok:
        return f"the state is what {events} say"
    if last.ok:
        return (
            f"the state is what {events} say; {_cells(first.differences)} differed and"
            f" {'is' if first.differences == 1 else 'are'} mended, first {first.difference}"
        )
    return f"the state is not what {events} say: {_cells(last.differences)} differ, first {last.difference}"


def _cells(count: int) -> str:
    return f"{count:,} cells or rows" if count != 1 else "1 cell or row"


def _as_json(found: Found) -> dict[str, Any]:
    told = [_told(workspace, verdicts) for workspace, verdicts in found]
    first = next((one["difference"] for one in told if one["difference"] is not None), None)
    return {
        "ok": all(one["ok"] for one in told),
        "hash": _hash_of_all(told),
        "events": sum(one["events"] for one in told),
        "differences": sum(one["differences"] for one in told),
        "difference": first,
        "workspaces": told,
    }


def _told(workspace: Workspace, verdicts: list[Verdict]) -> dict[str, Any]:
    first, last = verdicts[0], verdicts[-1]
    return {
        "workspace": workspace.name,
        "ok": last.ok,
        "hash": last.hash,
        "events": last.events,
        # What was found; with `ok` it is mended.
        "differences": first.differences,
        "difference": None if first.difference is None else _difference(first.difference),
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "table": found.table,
        "row": {name: _plain(value) for name, value in found.row.items()},
        "column": found.column,
        "stored": _plain(found.stored),
        "computed": _plain(found.computed),
    }


def _plain(value: Any) -> Any:
    return value.hex() if isinstance(value, bytes) else value


def _hash_of_all(told: list[dict[str, Any]]) -> str | None:
    """Return the hash of the one workspace; of several, the SHA-256 of their names and hashes."""
    if not told or any(one["hash"] is None for one in told):
        return None
    if len(told) == 1:
        only: str = told[0]["hash"]
        return only
    lines = sorted(f"{one['workspace']} {one['hash']}\n" for one in told)
    return sha256("".join(lines).encode()).hexdigest()
