"""What `serve --demo` adds: half a year of a small company, keys for it and a query to try."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from api import demo, keys, terminal
from api.auth import Scope
from api.keys import Wanted
from api.observe import Metrics
from api.service import Opened, Service
from api.settings import Settings
from ingest.accept import Door
from models.values import Workspace

MESSAGES_A_BODY = 250
"""Large enough that commits do not show, small enough that the bar moves."""

_ANY_EVENT = "select 1 from events where workspace_id = ?1 limit 1"


async def load_demo(settings: Settings) -> Callable[[str], str]:
    """Load the demo where nothing is yet, make its keys, and return what to say once it is served."""
    service = Service(settings, terminal.now, Metrics())
    async with service.running():
        opened = service.opened()
        tenant, _ = await keys.ensure_workspace(
            opened.database, keys.DEFAULT_WORKSPACE, terminal.now()
        )
        if await opened.database.read(_ANY_EVENT, (tenant.workspace.id,)):
            typer.echo("Workspace default has events already: the demo is not loaded again.")
        else:
            await _load(opened, tenant.workspace)
        secrets = await _fresh_keys(opened, tenant.workspace)
    return lambda url: _greeting(url, secrets)


async def _load(opened: Opened, workspace: Workspace) -> None:
    now = terminal.now()
    messages = list(demo.messages(now))
    columns = (
        TextColumn("Loading the demo"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(messages))
        for start in range(0, len(messages), MESSAGES_A_BODY):
            some = messages[start : start + MESSAGES_A_BODY]
            # The way of Segment's webhook: what the demo shows is what real messages do.
            await opened.ingest.deliver(
                workspace, msgspec.json.encode(some), door=Door.SEGMENT, received_at=now
            )
            progress.advance(task, len(some))
    typer.echo(f"{len(messages)} messages of the demo are loaded.")


async def _fresh_keys(opened: Opened, workspace: Workspace) -> dict[Scope, str]:
    # Nobody can show an old key again, so each start revokes those of the last and makes new ones.
    now = terminal.now()
    names = {scope: f"demo: {scope}" for scope in Scope}
    for old in await keys.listed(opened.database, workspace):
        if old.name in names.values() and old.revoked_at is None:
            await keys.revoke(opened.database, old.public_id, now)
    made = {}
    for scope, name in names.items():
        wanted = Wanted(name, frozenset({scope}))
        made[scope] = (await keys.create(opened.database, workspace, wanted, now=now)).secret
    return made


def _greeting(url: str, secrets: dict[Scope, str]) -> str:
    listed = "\n".join(f"  {scope:<7} {secret}" for scope, secret in secrets.items())
    lines = [line.strip() for line in demo.EXAMPLE_QUERY.splitlines()]
    # On one line and without its comments, so that it can be pasted.
    query = " ".join(line for line in lines if line and not line.startswith("#"))
    body = msgspec.json.encode({"query": query}).decode()
    return f"""
Calyx is at {url}, with the demo in it. Ctrl+C stops it.

Keys, new at each start with --demo:

{listed}

A query to try:

{demo.EXAMPLE_QUERY.strip()}

curl {url}/graphql -H 'Authorization: Bearer {secrets[Scope.READ]}' \\
  -H 'Content-Type: application/json' -d {shlex.quote(body)}

Or in the browser: {url}
"""
