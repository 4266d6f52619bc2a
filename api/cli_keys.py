"""The commands `keys` and `workspaces`."""

from __future__ import annotations

import asyncio
from secrets import token_bytes
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from api import auth, keys, terminal
from api.keys import Key, NewKey, Refused, Tenant, Wanted
from api.settings import load
from api.terminal import Json, moment, opened, print_json, workspace_named
from ingest.audit import Entry
from models.values import Micros

key_commands = terminal.commands(
    "API keys: make, list and revoke them. A key belongs to one workspace and has scopes. Only a hash of it is stored."
)
workspace_commands = terminal.commands(
    "Workspaces: tenants that share nothing. A key belongs to one."
)

_DAY_MICROS = 86_400_000_000

WorkspaceName = Annotated[str, typer.Option("--workspace", help="The workspace it belongs to.")]


@key_commands.command("create")
def create_key(
    scope: Annotated[
        str,
        typer.Option(
            help="What it may do, with commas: `ingest` (send events), `read` (queries), `write` (mutations),"
            " `admin` (all of these, and keys and erasure)."
        ),
    ],
    workspace: WorkspaceName = keys.DEFAULT_WORKSPACE,
    name: Annotated[str, typer.Option(help="What it is for, in your words.")] = "",
    days: Annotated[
        int | None,
        typer.Option(min=1, max=36_500, help="Days after which it ceases to work. Default: never."),
    ] = None,
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            help="How often it may come in a minute. Default: as CALYX_REQUESTS_PER_MINUTE says.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it. It is shown this once.

    Example: `calyx keys create --scope ingest --name "Segment, production"`

    To change a key for another, make the new one, give it to whoever sends, and revoke the old one:
    meanwhile both work.
    """
    try:
        scopes = auth.scopes_of(scope)
    except ValueError:
        raise Refused(
            f"--scope is {scope!r}: write some of ingest, read, write, admin, with commas"
        ) from None
    now = terminal.now()
    expires_at = None if days is None else now + days * _DAY_MICROS
    wanted = Wanted(name, scopes, expires_at, requests_per_minute=requests_per_minute)
    new = asyncio.run(_create(wanted, workspace, now))
    if as_json:
        print_json(_new_key_as_json(new))
        return
    typer.echo(new.secret)
    typer.echo(
        f"\nThis is the key, and it is shown this once. Its id is {new.key.public_id},"
        f" its workspace {new.key.workspace}, it may {_words(new.key)}.",
        err=True,
    )


@key_commands.command("list")
def list_keys(
    workspace: Annotated[str, typer.Option("--workspace", help="Only of this workspace.")] = "",
    as_json: Json = False,
) -> None:
    """List the keys, revoked ones included, the newest first."""
    found = asyncio.run(_list(workspace))
    if as_json:
        print_json({"keys": [_key_as_json(key) for key in found]})
        return
    table = Table(
        "id", "begins with", "workspace", "scopes", "name", "last used", "state", box=None
    )
    for key in found:
        used = moment(key.last_used_at) or "never"
        table.add_row(
            key.public_id, key.prefix, key.workspace, _words(key), key.name, used[:16], _state(key)
        )
    Console(width=None if Console().is_terminal else 200).print(table)


@key_commands.command("revoke")
def revoke_key(
    key_id: Annotated[
        str, typer.Argument(metavar="ID", help="The key's id, as `calyx keys list` shows it.")
    ],
    as_json: Json = False,
) -> None:
    """Revoke a key. Running servers refuse it within 5 seconds. Twice is no error."""
    key = asyncio.run(_revoke(key_id))
    if as_json:
        print_json(_key_as_json(key))
        return
    typer.echo(f"{key.public_id} is revoked since {moment(key.revoked_at)}.")


@workspace_commands.command("create")
def create_workspace(
    name: Annotated[
        str, typer.Argument(help="Its name. Public ids derive from it, so it cannot change.")
    ],
    as_json: Json = False,
) -> None:
    """Make a workspace."""
    tenant, fresh = asyncio.run(_create_workspace(name))
    if not fresh:
        raise Refused(f"there is a workspace {name!r} already")
    if as_json:
        print_json(_workspace_as_json(tenant))
        return
    typer.echo(
        f"Workspace {name} is made. `calyx keys create --workspace {name} --scope ingest` makes it a key."
    )


@workspace_commands.command("list")
def list_workspaces(as_json: Json = False) -> None:
    """List the workspaces."""
    found = asyncio.run(_list_workspaces())
    if as_json:
        print_json({"workspaces": [_workspace_as_json(tenant) for tenant in found]})
        return
    for tenant in found:
        typer.echo(f"{tenant.public_id}  {tenant.workspace.name}")


async def _create(wanted: Wanted, workspace: str, now: Micros) -> NewKey:
    async with opened(load()) as database:
        tenant = await workspace_named(database, workspace)
        entry = Entry(token_bytes(16), now, None, "keys create")
        return await keys.create(database, tenant.workspace, wanted, now=now, entry=entry)


async def _list(workspace: str) -> list[Key]:
    async with opened(load()) as database:
        only = (await workspace_named(database, workspace)).workspace if workspace else None
        return await keys.listed(database, only)


async def _revoke(key_id: str) -> Key:
    async with opened(load()) as database:
        now = terminal.now()
        entry = Entry(token_bytes(16), now, None, "keys revoke")
        key = await keys.revoke(database, key_id, now, entry)
    if key is None:
        raise Refused(f"there is no key {key_id!r}: `calyx keys list` shows their ids")
    return key


async def _create_workspace(name: str) -> tuple[Tenant, bool]:
    async with opened(load()) as database:
        return await keys.ensure_workspace(database, name, terminal.now())


async def _list_workspaces() -> list[Tenant]:
    async with opened(load()) as database:
        return await keys.workspaces(database)


def _new_key_as_json(new: NewKey) -> dict[str, Any]:
    key = new.key
    return {
        "id": key.public_id,
        "secret": new.secret,
        "scopes": sorted(key.scopes),
        "workspace": key.workspace,
        "name": key.name,
    }


def _key_as_json(key: Key) -> dict[str, Any]:
    return {
        "id": key.public_id,
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "workspace": key.workspace,
        "createdAt": moment(key.created_at),
        "expiresAt": moment(key.expires_at),
        "revokedAt": moment(key.revoked_at),
        "lastUsedAt": moment(key.last_used_at),
        "requestsPerMinute": key.requests_per_minute,
    }


def _workspace_as_json(tenant: Tenant) -> dict[str, Any]:
    return {
        "id": tenant.public_id,
        "name": tenant.workspace.name,
        "createdAt": moment(tenant.created_at),
    }


def _words(key: Key) -> str:
    return ", ".join(scope for scope in auth.Scope if scope in key.scopes)


def _state(key: Key) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "works" if key.expires_at is None or key.expires_at > terminal.now() else "expired"
