"""The operator's page names every setting, metric and event there is, and its commands do what it says."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from pydantic.fields import FieldInfo

from api import cli
from api.observe import Metrics
from api.settings import PREFIX, Settings
from tests.databases import SqliteTemplate, file_of
from tests.http.running import a_calyx

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operate.md").read_text()
DEPLOY = sorted((ROOT / "deploy").iterdir())


def rows() -> Iterator[str]:
    """Yield the rows of the table of settings, as the settings say it."""
    for name, field in Settings.model_fields.items():
        yield f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |"


def _default(field: FieldInfo) -> str:
    return {None: "unset", (): "none"}.get(field.default, f"`{field.default}`")


def test_each_setting_is_told_with_its_default_and_no_other() -> None:
    told = [line for line in PAGE.splitlines() if line.startswith(f"| `{PREFIX}")]
    assert told == list(rows()), "the rows must be\n" + "\n".join(rows())


def test_each_metric_is_told_and_no_other() -> None:
    metrics = Metrics()
    metrics.watch_replica(lambda: None)
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in metrics.registry.collect()
    }
    assert set(re.findall(r"^\| `(calyx_\w+)` \|", PAGE, re.MULTILINE)) == names


def test_each_event_of_the_log_is_told_with_its_level_and_no_other() -> None:
    code = "\n".join(
        file.read_text()
        for folder in ("api", "ingest", "models")
        for file in (ROOT / folder).rglob("*.py")
    )
    logged = set(re.findall(r'\blog\.(\w+)\(\s*"(\w+)"', code))
    told = re.findall(r"^\| `(\w+)` \| (info|warning|error) \|", PAGE, re.MULTILINE)
    assert {(level, event) for event, level in told} == logged


def test_each_command_that_is_told_is_one() -> None:
    group: Any = typer.main.get_command(cli.app)
    named = re.findall(r"(?:^|`)calyx ([a-z]+)", PAGE, re.MULTILINE)
    assert named
    assert set(named) <= set(group.commands)


def test_what_is_deployed_names_only_settings_there_are() -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for file in DEPLOY:
        named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", file.read_text()))
        assert named <= settings, file.name


def test_each_file_that_is_deployed_is_told() -> None:
    for file in DEPLOY:
        assert f"deploy/{file.name.removesuffix('.dockerignore')}" in PAGE, file.name


async def test_a_backup_made_while_messages_come_has_all_that_were_answered(
    sqlite_template: SqliteTemplate, tmp_path: Path
) -> None:
    url = sqlite_template.copy()
    statement = re.findall(r"""^sqlite3 calyx.db "(.+)"$""", PAGE, re.MULTILINE)[0]
    backup = tmp_path / "backup.db"

    def copy() -> None:
        with sqlite3.connect(file_of(url)) as connection:
            connection.execute(statement.replace("backup.db", str(backup)))
        connection.close()

    async with a_calyx(url) as calyx:
        answered: list[str] = []
        before: list[str] = []
        for number in range(200):
            message = {"type": "track", "userId": "u1", "event": "Seen", "messageId": f"m{number}"}
            posting = calyx.post("/segment", json=message)
            if number == 100:
                before = list(answered)
                await asyncio.gather(posting, asyncio.to_thread(copy))
            else:
                assert (await posting).status_code == 200
            answered.append(f"m{number}")
    async with a_calyx(f"sqlite+aiosqlite:///{backup}") as restored:
        stored = {body["messageId"] for body in await restored.stored()}
    assert set(before) <= stored <= set(answered)
    with sqlite3.connect(backup) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
    connection.close()
