"""Bring a database to the tables of this version, and tell whether this version fits a database."""

from __future__ import annotations

import asyncio
import re
from enum import StrEnum
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from models import dialect_statistics
from models.database import Unavailable, engine_of, is_in_the_way, sqlite_path
from models.database_presence import older_than
from models.revision import HEAD

_SCRIPTS = Path(__file__).parent / "migrations"
# A revision says since which one the code may be that it can live with: `0007_since_0005`.
_REVISION = re.compile(r"(\d{4})(?:_since_(\d{4}))?")
# Others use a table all the time, but not every moment.
_ATTEMPTS = 60
_PAUSE_S = 1.0


class Fit(StrEnum):
    """How the code of this version stands to a database."""

    BEHIND = "behind"
    EXACT = "exact"
    # It was migrated by a newer version, which left what this one needs.
    AHEAD = "ahead"
    BEYOND = "beyond"


def fit(at: str | None, newest: str | None = None) -> Fit:
    """Return how a database at a revision stands to this version, whose newest is its head."""
    own = newest or head()
    if at == own:
        return Fit.EXACT
    if at is None or own is None:
        return Fit.BEHIND
    theirs, ours = _REVISION.fullmatch(at), _REVISION.fullmatch(own)
    if theirs is None or ours is None:
        return Fit.BEYOND
    if theirs[1] == ours[1]:
        # What it demands was found out after some had been there.
        return Fit.EXACT
    if theirs[1] < ours[1]:
        return Fit.BEHIND
    return Fit.AHEAD if (theirs[2] or "") <= ours[1] else Fit.BEYOND


def beyond(at: str | None) -> str:
    """Return what to tell of a database that this version is too old for."""
    return (
        f"the database is at migration {at}, for which this version is too old"
        f" (it knows {head()}): start the version that migrated it"
    )


async def hold_apart(url: str, at: str, wanted: str = HEAD) -> None:
    """Raise Unavailable where somebody is there who can live with `at`, but not with what is wanted."""
    demanded = _demanded(wanted)
    if demanded > at[:4] and (there := await older_than(demanded, url)):
        raise Unavailable(
            f"the database is not migrated to {wanted}: no process of a version before {demanded}"
            f" may go on beside it, and {there}: stop them first, or `calyx migrate --force`"
        )


async def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at `url`, creating it where there is none; those who use it go on."""
    path = sqlite_path(url)

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if path is not None:
            dialect_statistics.plant(connection)
            connection.commit()

    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = engine_of(url, migrating=True)
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                async with engine.connect() as connection:
                    await connection.run_sync(run)
            except DBAPIError as error:
                if attempt == _ATTEMPTS or not is_in_the_way(error.orig):
                    raise
                # Whoever waits for a table makes all others wait behind: they pass, we try again.
                await asyncio.sleep(_PAUSE_S)
            else:
                break
    except (OperationalError, OSError) as error:
        raise Unavailable(f"the database cannot be migrated: {_cause(error)}") from error
    finally:
        await engine.dispose()


async def current(url: str) -> str | None:
    """Return the revision a database is at, None for an empty one."""
    engine = engine_of(url)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_revision)
    except (OperationalError, OSError) as error:
        raise Unavailable(f"the database cannot be opened: {_cause(error)}") from error
    finally:
        await engine.dispose()


def head() -> str | None:
    """Return the newest revision of this version."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _demanded(revision: str) -> str:
    """Return the oldest revision whose code can live with this one, nothing where any can."""
    found = _REVISION.fullmatch(revision)
    return (found[2] if found else None) or ""


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _cause(error: Exception) -> object:
    return getattr(error, "orig", None) or error


def _config() -> Config:
    config = Config()
    # A `%` in the folder's name would be read as interpolation.
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
