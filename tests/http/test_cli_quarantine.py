"""`calyx quarantine` lists what is held and tries it again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from ingest.accept import Door, Ingest
from tests.databases import DEFAULT, opened

NOBODY: dict[str, Any] = {"type": "identify", "traits": {"plan": "pro"}, "messageId": "m1"}
BODIES = [NOBODY, {"type": "dance", "userId": "u1", "messageId": "m2"}]


def calyx(*words: str) -> Result:
    return CliRunner().invoke(app, ["quarantine", *words])


@pytest.fixture(autouse=True)
def held(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALYX_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)

    async def fill() -> None:
        async with opened(database_url) as database:
            ingest = Ingest(database)
            ingest.start()
            body = json.dumps(BODIES).encode()
            await ingest.deliver(
                DEFAULT, body, door=Door.SEGMENT, received_at=1_768_000_000_000_000
            )
            await ingest.close()

    asyncio.run(fill())


def listed(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(calyx("list", "--json", *words).stdout)["quarantined"]
    return found


def test_what_waits_is_listed_by_reason_with_advice() -> None:
    assert {one["messageId"] for one in listed()} == {"m1", "m2"}
    [one] = listed("--reason", "no_subject")
    assert one["messageId"] == "m1"
    assert "say whom it is about" in one["advice"]
    assert "m2" in calyx("list").stdout


def test_words_that_say_nothing_clear_are_refused() -> None:
    for words in (
        ["retry"],
        ["retry", "--all", "qua_00"],
        ["retry", "x"],
        ["list", "--reason", "x"],
    ):
        assert calyx(*words).exit_code == 1


def test_all_are_tried_again_and_what_still_waits_is_told() -> None:
    result = calyx("retry", "--all", "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)["retried"]
    assert [one["outcome"] for one in told] == ["QUARANTINED"] * 2
    assert all(one["retriedAt"] for one in listed())


def test_one_is_corrected_from_a_file(tmp_path: Path) -> None:
    [one] = listed("--reason", "NO_SUBJECT")
    file = tmp_path / "message.json"
    file.write_text(json.dumps(NOBODY | {"userId": "u1"}))
    result = calyx("retry", one["id"], "--message", str(file), "--json")
    assert result.exit_code == 0, result.output
    [told] = json.loads(result.stdout)["retried"]
    assert told["outcome"] == "APPLIED"
    assert listed("--reason", "NO_SUBJECT") == []
    assert "DUPLICATE" in calyx("retry", one["id"]).stdout
