"""The command `doctor`: what this installation is, what is wrong with it and what to do."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import make_url

from api import keys, terminal
from api.settings import PREFIX, Settings, load
from api.terminal import Json, print_json
from models import migrate
from models.database import (
    Database,
    Transaction,
    Unavailable,
    open_database,
    open_replica,
    sqlite_path,
)
from models.migrate import Fit

_URLS = {"database_url", "read_database_url"}
FREE_BYTES_MIN = 1_000_000_000
ADMIN_KEY_CHARACTERS_MIN = 20
REPLICA_SECONDS = 3
"""How long a replica is given to reach where its primary stands."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; the advice says what to do, or what is well."""

    name: str
    ok: bool
    advice: str


def doctor(
    show_settings: Annotated[
        bool,
        typer.Option(
            "--settings", help="List every setting: its value, its default and what it is for."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with this installation and what to do. Exits 1 if anything is."""
    settings = load()
    if show_settings and not as_json:
        _print_settings(settings)
        return
    report = asyncio.run(_examine(settings))
    checks: list[Check] = report["checks"]
    if as_json:
        print_json(report | {"checks": [asdict(check) for check in checks]})
    else:
        _print_report(report)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


async def _examine(settings: Settings) -> dict[str, Any]:
    url = settings.database_url
    checks: list[Check] = []
    about: dict[str, str] = {}
    at: str | None = None
    if not terminal.database_exists(url):
        checks.append(Check("database", ok=False, advice="it is not there: `calyx serve` makes it"))
    else:
        try:
            at = await migrate.current(url)
            database = await open_database(url, readers=1)
        except Unavailable as error:
            checks.append(Check("database", ok=False, advice=str(error)))
        else:
            try:
                about = await database.about()
                checks += await _check_database(database, about, at)
                checks += await _check_replica(database, settings)
            finally:
                await database.close()
    checks += [*_check_space(url), *_check_admin_key(settings)]
    return {
        "ok": all(check.ok for check in checks),
        "settings": settings_in_force(settings),
        "database": about,
        "migration": {"current": at, "head": migrate.head()},
        "queue": {
            "maxMessages": settings.queue_max_messages,
            "maxBytes": settings.queue_max_bytes,
        },
        "checks": checks,
    }


async def _check_database(database: Database, about: dict[str, str], at: str | None) -> list[Check]:
    checks = [
        Check("database", ok=True, advice=f"{about['engine']} {about['version']} answers"),
        _check_migration(at),
        _check_durable(about),
        await _check_writable(database),
    ]
    if migrate.fit(at) in {Fit.EXACT, Fit.AHEAD}:
        checks.append(await _check_keys(database))
    return checks


def settings_in_force(settings: Settings) -> dict[str, Any]:
    """Return every setting under its name in the environment; of secrets only whether they are set."""
    found: dict[str, Any] = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = "set, not shown"
        elif name in _URLS and value is not None:
            value = make_url(value).render_as_string(hide_password=True)
        elif isinstance(value, tuple):
            value = ",".join(value)
        found[PREFIX + name.upper()] = value
    return found


def _check_migration(at: str | None) -> Check:
    head = migrate.head()
    if at == head:
        return Check("migration", ok=True, advice=f"the tables are those of this version ({head})")
    match migrate.fit(at):
        case Fit.AHEAD:
            advice = f"a newer version migrated to {at}; this one ({head}) still may serve"
            return Check("migration", ok=True, advice=advice)
        case Fit.BEYOND:
            return Check("migration", ok=False, advice=migrate.beyond(at))
        case _:
            advice = f"the tables are at {at or 'none'}, not {head}: run `calyx migrate`"
            return Check("migration", ok=False, advice=advice)


def _check_durable(about: dict[str, str]) -> Check:
    level = about["synchronous"]
    # SQLite's NORMAL loses the last commits with the power; PostgreSQL's levels but OFF do not.
    lasting = level not in {"OFF", "NORMAL"} and about.get("fsync") != "OFF"
    what = "survives a loss of power" if lasting else "can be lost with the power"
    return Check(
        "durability", ok=lasting, advice=f"synchronous is {level}: what was answered 200 {what}"
    )


async def _check_writable(database: Database) -> Check:
    async def nothing(tx: Transaction) -> None:
        await tx.fetch("select 1", ())

    try:
        await database.write(nothing)
    except Unavailable as error:
        return Check("writable", ok=False, advice=str(error))
    return Check("writable", ok=True, advice="a transaction can be opened")


async def _check_replica(database: Database, settings: Settings) -> list[Check]:
    url = settings.read_database_url
    if url is None:
        return []
    async with open_replica(
        url, database, readers=1, behind_s_max=settings.read_lag_seconds_max
    ) as replica:
        for _ in range(REPLICA_SECONDS):
            if replica.keeps_up:
                break
            await asyncio.sleep(1)
        if replica.keeps_up:
            return [Check("replica", ok=True, advice="it keeps up, and answers queries")]
        advice = "it does not keep up, or does not answer: queries read the primary until it does"
        return [Check("replica", ok=False, advice=advice)]


async def _check_keys(database: Database) -> Check:
    found = await keys.listed(database)
    now = terminal.now()
    works = [
        key
        for key in found
        if key.revoked_at is None and (key.expires_at is None or key.expires_at > now)
    ]
    if works:
        return Check("keys", ok=True, advice=f"{len(works)} of {len(found)} keys work")
    return Check(
        "keys", ok=False, advice="no key works: `calyx keys create --scope admin` makes one"
    )


def _check_space(url: str) -> list[Check]:
    path = sqlite_path(url)
    if path is None:
        return []
    folder = next(folder for folder in Path(path).resolve().parents if folder.exists())
    free = shutil.disk_usage(folder).free
    enough = free >= FREE_BYTES_MIN
    advice = f"{free / 1e9:.1f} GB are free" + (
        "" if enough else ": make room, or writing will stop"
    )
    return [Check("disk", ok=enough, advice=advice)]


def _check_admin_key(settings: Settings) -> list[Check]:
    if settings.admin_key is None:
        return []
    long = len(settings.admin_key.get_secret_value()) >= ADMIN_KEY_CHARACTERS_MIN
    advice = (
        "long enough"
        if long
        else f"short: take {ADMIN_KEY_CHARACTERS_MIN} random characters or more"
    )
    return [Check("CALYX_ADMIN_KEY", ok=long, advice=advice)]


def _print_report(report: dict[str, Any]) -> None:
    about = report["database"]
    if about:
        typer.echo(", ".join(f"{name} {value}" for name, value in about.items()))
    for check in report["checks"]:
        typer.secho("ok   " if check.ok else "WRONG", fg="green" if check.ok else "red", nl=False)
        typer.echo(f" {check.name}: {check.advice}")
    typer.echo("`calyx doctor --settings` lists the settings.")


def _print_settings(settings: Settings) -> None:
    table = Table("setting", "value", "default", "what it is for", box=None, pad_edge=False)
    for (name, value), field in zip(
        settings_in_force(settings).items(), Settings.model_fields.values(), strict=True
    ):
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        table.add_row(name, _shown(value), _shown(default), field.description or "")
    Console(width=None if Console().is_terminal else 220).print(table)


def _shown(value: Any) -> str:
    return "" if value is None else str(value)
