"""What all commands share: errors without tracebacks, output for people or programs, an open database."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError
from typer.core import TyperGroup

from api import keys
from api.keys import Refused, Tenant
from api.patience import Patient
from api.settings import Misconfigured, Settings
from ingest import clock
from models import migrate
from models.database import Database, TimedOut, Unavailable, Unsupported, open_database, sqlite_path
from models.migrate import Fit
from models.values import Micros

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead, for programs.")]


class Commands(TyperGroup):
    """A group of commands that tells what went wrong in a sentence, and exits 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except (Misconfigured, Refused, Unavailable, Unsupported, TimedOut, OSError) as error:
            message = str(error)
        except DBAPIError as error:
            message = f"the database cannot be used: {error.orig}"
        except CommandError as error:
            # A revision this version has never heard of: the database is newer.
            message = f"the database was made by another version of Calyx: {error}"
        typer.secho(f"calyx: {message}", fg="red", err=True)
        raise typer.Exit(1)


def commands(help_text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        cls=Commands,
        help=help_text,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        # Theirs shows local variables: keys, bodies, passwords.
        pretty_exceptions_enable=False,
    )


def now() -> Micros:
    """Return the time of this machine."""
    return time.time_ns() // 1_000


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def moment(micros: Micros | None) -> str | None:
    """Return a time as the API prints it."""
    return None if micros is None else clock.text(micros)


def database_exists(url: str) -> bool:
    """Return False for a SQLite file that is not there: looking into it would make one."""
    path = sqlite_path(url)
    return path is None or Path(path).exists()


async def bring_up(settings: Settings, *, upgrade: bool, force: bool = False) -> None:
    """Make the tables of an empty database; those of an older version only with `upgrade`, else raise Misconfigured.

    Without `force`, raise Unavailable while somebody is connected who cannot live with the new ones.
    """
    url = settings.database_url
    at = await migrate.current(url) if database_exists(url) else None
    fit = migrate.fit(at)
    if fit is Fit.BEYOND:
        raise Misconfigured(migrate.beyond(at))
    if fit is not Fit.BEHIND:
        return
    if at is not None and not upgrade:
        raise Misconfigured(
            f"the database is at migration {at}, this version needs {migrate.head()}: run `calyx migrate`"
        )
    if at is not None and not force:
        await migrate.hold_apart(url, at)
    await migrate.upgrade(url)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """Open the database; an empty one gets its tables and workspace `default`."""
    await bring_up(settings, upgrade=False)
    database = Patient(await open_database(settings.database_url, readers=1))
    try:
        if not await keys.workspaces(database):
            await keys.ensure_workspace(database, keys.DEFAULT_WORKSPACE, now())
        yield database
    finally:
        await database.close()


async def workspace_named(database: Database, name: str) -> Tenant:
    """Return the workspace of this name; raise Refused with what to do if there is none."""
    found = await keys.find_workspace(database, name)
    if found is None:
        raise Refused(f"there is no workspace {name!r}: `calyx workspaces create {name}` makes it")
    return found
