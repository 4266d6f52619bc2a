"""The command `serve`, as it is asked for. What serves is imported once it is: that takes longer than most commands."""

from __future__ import annotations

from typing import Annotated

import typer

from api.settings import PREFIX, Settings, load


def settings_help() -> str:
    """Return a paragraph on each setting, for the end of a help text."""
    lines = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default in {None, ()} else f" Default: {field.default}."
        lines.append(f"`{PREFIX}{name.upper()}` {field.description}{default}")
    head = (
        "**Settings** are environment variables, also read from `.env`; an option goes before them."
    )
    return "\n\n".join([head, *lines])


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Else CALYX_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on, 0 for any. Else CALYX_PORT.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes. Else CALYX_WORKERS. SQLite has room for one.")
    ] = None,
    demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="Load half a year of a small company first, and print keys and a query to try.",
        ),
    ] = False,
) -> None:
    """Bring the database to this version and serve.

    The first start on an empty database makes workspace `default` and prints an admin key, once, unless
    CALYX_ADMIN_KEY is set. SIGTERM and Ctrl+C stop accepting, finish what is under way, and exit 0.
    """
    given = {"host": host, "port": port, "workers": workers}
    settings = load(**{name: value for name, value in given.items() if value is not None})
    from api import cli_serve  # noqa: PLC0415 (it takes longer than most commands)

    cli_serve.run(settings, demo=demo)
