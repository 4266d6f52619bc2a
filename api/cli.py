"""The command line: one name, `calyx`, and the commands behind it."""

from __future__ import annotations

import asyncio
import difflib
from pathlib import Path
from typing import Annotated

import typer

from api import terminal
from api.cli_doctor import doctor
from api.cli_export import export_log
from api.cli_import import import_messages
from api.cli_keys import key_commands, workspace_commands
from api.cli_quarantine import quarantine_commands
from api.cli_rebuild import rebuild_state
from api.cli_start import serve, settings_help
from api.cli_vacuum import vacuum_files
from api.settings import load
from api.terminal import opened
from models import migrate as migrations

app = terminal.commands(
    "Calyx: an open, self-hosted customer-data API. Segment events in, GraphQL out."
    " `calyx serve --demo` shows it with data in it."
)
app.add_typer(key_commands, name="keys")
app.add_typer(workspace_commands, name="workspaces")
app.add_typer(quarantine_commands, name="quarantine")
app.command(epilog=settings_help())(serve)
app.command()(doctor)
app.command("import")(import_messages)
app.command("export")(export_log)
app.command("rebuild")(rebuild_state)
app.command("vacuum")(vacuum_files)


@app.command()
def migrate(
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Although processes are connected that cannot live with the new tables."
        ),
    ] = False,
) -> None:
    """Bring the database to the tables of this version, making it where there is none."""
    typer.echo(f"The database is at migration {asyncio.run(_migrate(force=force))}.")


@app.command()
def schema(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 if the file is not the schema.")
    ] = False,
    path: Annotated[Path, typer.Option(help="The file.")] = Path("schema.graphql"),
) -> None:
    """Write the GraphQL schema to a file, or check the one that is there."""
    from api.graph.schema import print_schema  # noqa: PLC0415 (it takes longer than most commands)

    printed = print_schema()
    if not check:
        path.write_text(printed)
        typer.echo(f"{path} is written.")
        return
    there = path.read_text() if path.exists() else ""
    if there != printed:
        lines = difflib.unified_diff(
            there.splitlines(), printed.splitlines(), str(path), "the schema", lineterm="", n=1
        )
        typer.echo("\n".join(list(lines)[:40]))
        typer.secho(
            f"calyx: {path} is not the schema; `calyx schema` writes it", fg="red", err=True
        )
        raise typer.Exit(1)
    typer.echo(f"{path} is the schema.")


async def _migrate(*, force: bool) -> str | None:
    settings = load()
    await terminal.bring_up(settings, upgrade=True, force=force)
    async with opened(settings):
        # Opening makes workspace `default` where there is none.
        return await migrations.current(settings.database_url)


if __name__ == "__main__":
    app()
