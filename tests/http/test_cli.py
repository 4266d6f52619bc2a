"""The command line: what it refuses, what it prints for people and for programs."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.settings import Misconfigured, Settings, load

Calyx = Callable[..., Any]


@pytest.fixture
def calyx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calyx:
    """Give the command line, in an empty folder and without settings but those given."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"CALYX_{name.upper()}", raising=False)

    def call(*words: str, **env: str) -> Any:
        return CliRunner().invoke(app, words, env={"COLUMNS": "200"} | env)

    return call


def said(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def assert_refused(result: Any, *words: str) -> None:
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("calyx: ")
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 2
    for word in words:
        assert word in result.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"CALYX_WORKERS": "2"}, ["CALYX_WORKERS", "SQLite"]),
        ({"CALYX_WORKERS": "0"}, ["CALYX_WORKERS"]),
        ({"CALYX_PORT": "eighty"}, ["CALYX_PORT"]),
        ({"CALYX_PORT": "65536"}, ["CALYX_PORT"]),
        ({"CALYX_BODY_BYTES_MAX": "0"}, ["CALYX_BODY_BYTES_MAX"]),
        ({"CALYX_LOG_FORMAT": "xml"}, ["CALYX_LOG_FORMAT"]),
        ({"CALYX_ADMIN_KEY": "with: a colon"}, ["CALYX_ADMIN_KEY", "colon"]),
        ({"CALYX_DATABASE_URL": "mysql://u:hidden@h/x"}, ["not supported", "sqlite+aiosqlite"]),
        ({"CALYX_DATABASE_URL": "nonsense"}, ["CALYX_DATABASE_URL", "sqlite+aiosqlite"]),
        ({"CALYX_DATABASE_URL": "sqlite+aiosqlite://"}, ["CALYX_DATABASE_URL"]),
    ],
)
@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["keys", "list"]])
def test_a_setting_that_cannot_be_is_said_in_a_sentence(
    calyx: Calyx, command: list[str], settings: dict[str, str], words: list[str]
) -> None:
    result = calyx(*command, **settings)
    assert_refused(result, *words)
    assert "hidden" not in result.stderr


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "https://*.example.com",
        "https://.*example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "app.example.com",
        "null",
        "https://App.example.com",
        "https://a.test,*",
    ],
)
def test_origins_are_written_out(calyx: Calyx, origin: str) -> None:
    assert_refused(calyx("migrate", CALYX_CORS_ORIGINS=origin), "CALYX_CORS_ORIGINS", "no origin")


def test_several_origins_come_with_commas(calyx: Calyx) -> None:
    assert calyx("migrate").exit_code == 0
    found = load(cors_origins="https://a.test, http://localhost:5173 ,http://[::1]:80")
    assert found.cors_origins == ("https://a.test", "http://localhost:5173", "http://[::1]:80")


def test_settings_are_read_from_a_file_beside_us(calyx: Calyx, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CALYX_PORT=81\nCALYX_WORKERS=\nOTHER=1\n")
    assert made(calyx)
    found = said(calyx("doctor", "--json", CALYX_HOST="::1"))["settings"]
    assert (found["CALYX_PORT"], found["CALYX_HOST"], found["CALYX_WORKERS"]) == (81, "::1", 1)


def made(calyx: Calyx) -> bool:
    """Make a database with a key in it."""
    code: int = calyx("keys", "create", "--scope", "admin").exit_code
    return code == 0


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(calyx: Calyx) -> None:
    url = "sqlite+aiosqlite:////proc/nowhere/calyx.db"
    assert_refused(calyx("migrate", CALYX_DATABASE_URL=url), "/proc/nowhere")


@pytest.mark.parametrize("command", [["migrate"], ["keys", "list"], ["workspaces", "list"]])
def test_a_file_that_is_no_database_is_said_in_a_sentence(
    calyx: Calyx, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "calyx.db").write_bytes(b"no database " * 1_000)
    assert_refused(calyx(*command), "not a database")


def test_a_database_of_a_later_version_is_used_only_where_that_says_it_may(
    calyx: Calyx, tmp_path: Path
) -> None:
    assert made(calyx)
    execute(tmp_path, "update alembic_version set version_num = '9999'")
    assert calyx("migrate").exit_code == 0
    assert calyx("keys", "list").exit_code == 0
    execute(tmp_path, "update alembic_version set version_num = '9999_since_9000'")
    assert_refused(calyx("migrate"), "9999_since_9000", "too old")
    assert_refused(calyx("keys", "list"), "9999_since_9000", "too old")


def test_a_locked_database_is_said_in_a_sentence(calyx: Calyx, tmp_path: Path) -> None:
    assert made(calyx)
    other = sqlite3.connect(tmp_path / "calyx.db", isolation_level=None)
    other.execute("begin immediate")
    try:
        assert_refused(calyx("keys", "create", "--scope", "read"), "locked")
    finally:
        other.close()


@pytest.mark.parametrize("scope", ["", ",", "reed", "read;write", "read,all"])
def test_a_key_needs_scopes_that_there_are(calyx: Calyx, scope: str) -> None:
    assert_refused(calyx("keys", "create", "--scope", scope), "ingest, read, write")


def test_a_key_needs_a_workspace_that_there_is(calyx: Calyx) -> None:
    result = calyx("keys", "create", "--scope", "read", "--workspace", "acme")
    assert_refused(result, "calyx workspaces create acme")
    assert_refused(calyx("keys", "list", "--workspace", "acme"), "acme")


@pytest.mark.parametrize("key_id", ["key_" + "0" * 32, "nonsense", "", "key_zz"])
def test_only_keys_that_are_there_are_revoked(calyx: Calyx, key_id: str) -> None:
    assert_refused(calyx("keys", "revoke", key_id), "calyx keys list")


def test_keys_on_an_empty_database_makes_workspace_default(calyx: Calyx) -> None:
    assert said(calyx("keys", "list", "--json")) == {"keys": []}
    (workspace,) = said(calyx("workspaces", "list", "--json"))["workspaces"]
    assert workspace["name"] == "default"
    assert re.fullmatch(r"wsp_[0-9a-f]{32}", workspace["id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", workspace["createdAt"])


def test_a_key_is_shown_once_and_then_only_its_beginning(calyx: Calyx) -> None:
    new = said(calyx("keys", "create", "--scope", "read, Ingest", "--name", "mine", "--json"))
    assert set(new) >= {"id", "secret", "scopes", "workspace"}
    assert re.fullmatch(r"key_[0-9a-f]{32}", new["id"])
    assert re.fullmatch(r"calyx_[0-9a-f]{64}", new["secret"])
    assert (new["scopes"], new["workspace"]) == (["ingest", "read"], "default")
    (listed,) = said(calyx("keys", "list", "--json"))["keys"]
    assert listed["id"] == new["id"]
    assert listed["name"] == "mine"
    assert new["secret"].startswith(listed["prefix"])
    assert len(listed["prefix"]) == 12
    for text in (calyx("keys", "list").stdout, json.dumps(listed)):
        assert new["secret"] not in text
        assert new["id"] in text


def test_the_secret_alone_goes_to_standard_output(calyx: Calyx) -> None:
    result = calyx("keys", "create", "--scope", "admin")
    assert re.fullmatch(r"calyx_[0-9a-f]{64}\n", result.stdout)
    assert "shown this once" in result.stderr


def test_a_key_is_revoked_and_twice_is_no_error(calyx: Calyx) -> None:
    key_id = said(calyx("keys", "create", "--scope", "read", "--json"))["id"]
    first = said(calyx("keys", "revoke", key_id, "--json"))
    assert first["revokedAt"]
    assert said(calyx("keys", "revoke", key_id, "--json"))["revokedAt"] == first["revokedAt"]
    assert "revoked" in calyx("keys", "revoke", key_id).stdout
    assert "revoked" in calyx("keys", "list").stdout


def test_keys_are_listed_by_workspace(calyx: Calyx) -> None:
    made_workspace = said(calyx("workspaces", "create", "acme", "--json"))
    assert made_workspace["name"] == "acme"
    ours = said(calyx("keys", "create", "--scope", "read", "--workspace", "acme", "--json"))
    assert ours["workspace"] == "acme"
    said(calyx("keys", "create", "--scope", "read", "--json"))
    listed = said(calyx("keys", "list", "--workspace", "acme", "--json"))["keys"]
    assert [key["id"] for key in listed] == [ours["id"]]
    assert len(said(calyx("keys", "list", "--json"))["keys"]) == 2


def test_a_workspace_is_made_once(calyx: Calyx) -> None:
    assert "acme" in calyx("workspaces", "create", "acme").stdout
    assert_refused(calyx("workspaces", "create", "acme"), "already")
    assert_refused(calyx("workspaces", "create", " "), "name")
    assert calyx("workspaces", "list").stdout.split()[1::2] == ["acme", "default"]


def test_migrate_makes_the_database_and_again_changes_nothing(calyx: Calyx, tmp_path: Path) -> None:
    assert "migration" in calyx("migrate").stdout
    before = dump(tmp_path)
    assert calyx("migrate").exit_code == 0
    assert dump(tmp_path) == before
    assert any("alembic_version" in line for line in before)


def test_the_schema_is_written_and_checked(calyx: Calyx, tmp_path: Path) -> None:
    missing = calyx("schema", "--check")
    assert (missing.exit_code, "calyx schema" in missing.stderr) == (1, True)
    assert calyx("schema").exit_code == 0
    assert "type Query" in (tmp_path / "schema.graphql").read_text()
    assert calyx("schema", "--check").exit_code == 0
    (tmp_path / "schema.graphql").write_text("type Query { odd: Int }\n")
    other = calyx("schema", "--check")
    assert other.exit_code == 1
    assert "-type Query { odd: Int }" in other.stdout


def test_doctor_says_that_there_is_no_database_and_makes_none(calyx: Calyx, tmp_path: Path) -> None:
    result = calyx("doctor", "--json")
    assert result.exit_code == 1
    (check,) = [check for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert check["name"] == "database"
    assert "calyx serve" in check["advice"]
    assert list(tmp_path.iterdir()) == []


HIDDEN = {"CALYX_WEBHOOK_SECRET": "hidden"}


def test_doctor_tells_what_this_installation_is(calyx: Calyx) -> None:
    assert made(calyx)
    report = said(calyx("doctor", "--json", **HIDDEN, CALYX_QUEUE_MAX_BYTES="9"))
    assert report["ok"] is True
    assert report["database"]["engine"] == "SQLite"
    assert report["database"]["version"] == sqlite3.sqlite_version
    assert report["database"]["synchronous"] == "FULL"
    assert report["migration"]["current"] == report["migration"]["head"]
    assert report["queue"] == {"maxMessages": 20_000, "maxBytes": 9}
    assert report["settings"].keys() == {f"CALYX_{name.upper()}" for name in Settings.model_fields}
    assert all(check.keys() == {"name", "ok", "advice"} for check in report["checks"])
    assert "hidden" not in json.dumps(report)
    assert "ok" in calyx("doctor").stdout


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("update alembic_version set version_num = '0000'", "migration"),
        ("update api_keys set revoked_at = 1", "keys"),
        ("update api_keys set expires_at = 1", "keys"),
    ],
)
def test_doctor_finds_what_is_wrong(calyx: Calyx, tmp_path: Path, sql: str, name: str) -> None:
    assert made(calyx)
    execute(tmp_path, sql)
    result = calyx("doctor", "--json")
    assert result.exit_code == 1
    wrong = [check for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert [check["name"] for check in wrong] == [name]
    assert "calyx" in wrong[0]["advice"]
    assert "WRONG" in calyx("doctor").stdout


def test_doctor_finds_a_locked_database(calyx: Calyx, tmp_path: Path) -> None:
    assert made(calyx)
    other = sqlite3.connect(tmp_path / "calyx.db", isolation_level=None)
    other.execute("begin immediate")
    try:
        result = calyx("doctor", "--json")
    finally:
        other.close()
    wrong = [check for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert [check["name"] for check in wrong] == ["writable"]
    assert "locked" in wrong[0]["advice"]


def test_doctor_finds_a_short_admin_key(calyx: Calyx) -> None:
    assert made(calyx)
    result = calyx("doctor", "--json", CALYX_ADMIN_KEY="short")
    wrong = [check for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert [check["name"] for check in wrong] == ["CALYX_ADMIN_KEY"]
    assert "short" not in json.loads(result.stdout)["settings"].values()


def test_vacuum_writes_the_file_anew(calyx: Calyx, tmp_path: Path) -> None:
    assert calyx("keys", "create", "--scope", "read", "--name", "zq-name").exit_code == 0
    with sqlite3.connect(tmp_path / "calyx.db") as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("DELETE FROM api_keys")
    connection.close()
    assert b"zq-name" in b"".join(file.read_bytes() for file in tmp_path.glob("calyx.db*"))
    result = calyx("vacuum")
    assert result.exit_code == 0, result.output
    assert b"zq-name" not in b"".join(file.read_bytes() for file in tmp_path.glob("calyx.db*"))


def test_every_setting_is_explained_where_one_looks(calyx: Calyx) -> None:
    help_text = " ".join(calyx("serve", "--help").stdout.split())
    listed = calyx("doctor", "--settings", CALYX_PORT="81").stdout
    for name, field in Settings.model_fields.items():
        assert field.description
        assert f"CALYX_{name.upper()}" in help_text
        assert f"CALYX_{name.upper()}" in listed
    assert re.search(r"CALYX_PORT +81 +8000", listed)


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["serve"],
        ["keys"],
        ["keys", "create"],
        ["keys", "list"],
        ["keys", "revoke"],
        ["workspaces"],
        ["workspaces", "create"],
        ["workspaces", "list"],
        ["migrate"],
        ["schema"],
        ["doctor"],
        ["vacuum"],
    ],
)
def test_every_command_has_help_that_teaches(calyx: Calyx, command: list[str]) -> None:
    result = calyx(*command, "--help")
    assert result.exit_code == 0
    assert len(result.stdout.split()) > 15


def test_settings_given_in_code_come_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CALYX_PORT", "81")
    assert load().port == 81
    assert load(port=82).port == 82
    with pytest.raises(Misconfigured, match="CALYX_PORT"):
        load(port=-1)


def execute(folder: Path, sql: str) -> None:
    connection = sqlite3.connect(folder / "calyx.db")
    connection.execute(sql)
    connection.commit()
    connection.close()


def dump(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "calyx.db")
    lines = list(connection.iterdump())
    connection.close()
    return lines
