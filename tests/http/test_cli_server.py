"""The command line on a PostgreSQL server: everything a file can, and what only a server can refuse."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api import keys
from api.cli import app
from api.settings import Settings
from models.database import open_database
from models.migrate import upgrade
from tests.databases import PostgresTemplate
from tests.http.serving import run, serving

Calyx = Callable[..., Any]
NOW = 1_795_000_000_000_000


@pytest.fixture
def url(postgres_template: PostgresTemplate) -> Iterator[str]:
    made = postgres_template.empty()
    yield made
    postgres_template.drop(made)


@pytest.fixture
def calyx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Calyx:
    """Give the command line, on an empty database of a server."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CALYX_{name.upper()}", raising=False)

    def call(*words: str, **env: str) -> Any:
        given = {"COLUMNS": "200", "CALYX_DATABASE_URL": url} | env
        return CliRunner().invoke(app, words, env=given)

    return call


def said(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def assert_refused(result: Any, *words: str) -> None:
    assert result.exit_code == 1
    assert result.stderr.startswith("calyx: "), result.exception
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_every_command_does_on_a_server_what_it_does_on_a_file(calyx: Calyx) -> None:
    assert "migration" in calyx("migrate").stdout
    assert calyx("migrate").exit_code == 0
    made = said(calyx("keys", "create", "--scope", "read,ingest", "--name", "mine", "--json"))
    assert re.fullmatch(r"calyx_[0-9a-f]{64}", made["secret"])
    said(calyx("workspaces", "create", "acme", "--json"))
    assert_refused(calyx("workspaces", "create", "acme"), "already")
    names = [one["name"] for one in said(calyx("workspaces", "list", "--json"))["workspaces"]]
    assert names == ["acme", "default"]
    assert said(calyx("keys", "revoke", made["id"], "--json"))["revokedAt"]
    (listed,) = said(calyx("keys", "list", "--json"))["keys"]
    assert (listed["id"], listed["name"], listed["scopes"]) == (
        made["id"],
        "mine",
        ["ingest", "read"],
    )


def test_doctor_says_what_the_server_is_and_that_it_would_forget(calyx: Calyx) -> None:
    assert calyx("keys", "create", "--scope", "admin").exit_code == 0
    report = json.loads(calyx("doctor", "--json").stdout)
    assert report["database"]["engine"] == "PostgreSQL"
    assert report["migration"]["current"] == report["migration"]["head"]
    wrong = [check["name"] for check in report["checks"] if not check["ok"]]
    # The server of the tests does not wait for its disk.
    assert wrong == ["durability"]


def test_doctor_looks_at_the_replica_and_shows_no_password(calyx: Calyx, url: str) -> None:
    assert calyx("keys", "create", "--scope", "admin").exit_code == 0
    # A server is as far as itself.
    report = json.loads(calyx("doctor", "--json", CALYX_READ_DATABASE_URL=url).stdout)
    assert {"name": "replica", "ok": True} in [
        {"name": check["name"], "ok": check["ok"]} for check in report["checks"]
    ]
    away = "postgresql+asyncpg://calyx:hidden@127.0.0.1:1/calyx"
    result = calyx("doctor", "--json", CALYX_READ_DATABASE_URL=away)
    wrong = [check["name"] for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert wrong == ["durability", "replica"]
    assert "hidden" not in result.stdout + result.stderr


def test_a_server_that_is_not_there_is_said_in_a_sentence(calyx: Calyx, tmp_path: Path) -> None:
    away = {"CALYX_DATABASE_URL": "postgresql+asyncpg://calyx:hidden@127.0.0.1:1/calyx"}
    for command in (["migrate"], ["keys", "list"]):
        result = calyx(*command, **away)
        assert_refused(result, "the database cannot serve")
        assert "hidden" not in result.stderr
    done = run(tmp_path, "serve", **away)
    assert done.returncode == 1
    assert done.stderr.startswith("calyx: the database cannot serve")
    assert "hidden" not in done.stderr


def test_a_database_that_is_not_there_is_said_in_a_sentence(calyx: Calyx, url: str) -> None:
    result = calyx("migrate", CALYX_DATABASE_URL=f"{url}_nowhere")
    assert_refused(result, "_nowhere", "does not exist")


@pytest.mark.parametrize("words", ["sslmode=disable", "application_name=calyx&sslmode=prefer"])
def test_a_url_may_carry_what_the_driver_understands(calyx: Calyx, url: str, words: str) -> None:
    longer = f"{url}?{words}"
    assert calyx("migrate", CALYX_DATABASE_URL=longer).exit_code == 0
    assert calyx("keys", "list", CALYX_DATABASE_URL=longer).exit_code == 0


def test_a_file_has_no_replica(calyx: Calyx, url: str) -> None:
    file = {"CALYX_DATABASE_URL": "sqlite+aiosqlite:///calyx.db"}
    assert_refused(
        calyx("migrate", CALYX_READ_DATABASE_URL=url, **file), "CALYX_READ_DATABASE_URL", "SQLite"
    )


async def test_who_starts_at_once_on_an_empty_database_gets_one_first_key(url: str) -> None:
    await upgrade(url)
    databases = [await open_database(url, readers=1) for _ in range(5)]
    made = await asyncio.gather(*(keys.ensure_default(one, NOW, None) for one in databases))
    assert len([new for new in made if new is not None]) == 1
    assert len(await keys.listed(databases[0])) == 1
    for one in databases:
        await one.close()


async def test_workspaces_made_at_once_have_numbers_of_their_own(url: str) -> None:
    await upgrade(url)
    databases = [await open_database(url, readers=1) for _ in range(5)]
    made = await asyncio.gather(
        *(keys.ensure_workspace(one, f"w{n // 2}", NOW) for n, one in enumerate(databases))
    )
    assert sorted(fresh for _, fresh in made) == [False, False, True, True, True]
    assert len({tenant.workspace for tenant, _ in made}) == 3
    assert len({tenant.workspace.id for tenant, _ in made}) == 3
    for one in databases:
        await one.close()


def test_the_demo_is_served_from_a_server_by_two(tmp_path: Path, url: str) -> None:
    settings = {"CALYX_DATABASE_URL": url, "CALYX_WORKERS": "2"}
    with serving(tmp_path, "--demo", settings=settings) as served:
        assert len(served.secrets) == 4
        query = {"query": "{ viewer { scopes } accounts { totalCount } }"}
        for _ in range(8):
            data = served.post("/graphql", served.secrets[1], query).json()["data"]
            assert data["viewer"] == {"scopes": ["READ"]}
            assert data["accounts"]["totalCount"] > 0
        assert served.stop() == 0
