"""Bring a database to the tables of this version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from models import dialect_statistics
from models.database import Unavailable, engine_of, sqlite_path

_SCRIPTS = Path(__file__).parent / "migrations"


async def upgrade(url: str, revision: str = "head") -> None:
    """Migrate the database at `url`, creating it where there is none."""
    path = sqlite_path(url)

    def run(connection: Connection) -> None:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        if path is not None:
            dialect_statistics.plant(connection)

    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = engine_of(url)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(run)
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


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _cause(error: Exception) -> object:
    return getattr(error, "orig", None) or error


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    # A `%` in the folder's name would be read as interpolation.
    config.set_main_option("path_separator", "os")
    return config
