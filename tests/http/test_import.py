"""`calyx import` beside a server that goes on: it may be killed, and neither of them loses or delays anything."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.replay import State, dump
from models.database import is_shared
from tests.databases import DEFAULT, SqliteTemplate, opened, state_after
from tests.http.serving import environment, run, serving
from tests.http.test_rebuild import ANSWER_SECONDS_MAX, load
from tests.http.test_workers import dated, untimed
from tests.laws.histories import random_history
from tests.laws.model import Delivery

KEY = "chosen-by-the-operator"
PLAIN = 6_000


def of(url: str) -> dict[str, str]:
    workers = "2" if is_shared(url) else "1"
    return {"CALYX_ADMIN_KEY": KEY, "CALYX_DATABASE_URL": url, "CALYX_WORKERS": workers}


def identify(number: int) -> Delivery:
    """Return a message that says when it happened."""
    at = f"2026-02-01T00:{number // 60 % 60:02}:{number % 60:02}Z"
    traits = {"n": number, "on": number % 3 == 0}
    body = {"type": "identify", "messageId": f"i{number}", "userId": f"u{number % 400}"}
    return Delivery({**body, "traits": traits, "timestamp": at}, 1_800_000_000_000_000, "segment")


@contextmanager
def importing(folder: Path, url: str, file: Path) -> Iterator[subprocess.Popen[str]]:
    """Start `calyx import` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "import", str(file), "--json"],
        cwd=folder,
        env=environment(**of(url)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_an_import_beside_a_server_may_be_killed_and_keeps_nobody_waiting(
    database_url: str, sqlite_template: SqliteTemplate, tmp_path: Path
) -> None:
    rng = random.Random(3)
    meanwhile = dated(random_history(rng, 50))
    nasty = [one for one in dated(random_history(rng, 120)) if one.door == "segment"]
    history = [identify(number) for number in range(PLAIN)]
    history[PLAIN // 2 : PLAIN // 2] = nasty
    file = tmp_path / "history.jsonl.gz"
    file.write_bytes(gzip.compress(b"\n".join(json.dumps(one.body).encode() for one in history)))
    with serving(tmp_path, settings=of(database_url)) as served:
        with importing(tmp_path, database_url, file) as process:
            asyncio.run(first_stored(database_url, process))
            os.kill(process.pid, signal.SIGKILL)
        with importing(tmp_path, database_url, file) as process:
            waited = asyncio.run(load(served, meanwhile, process, rng))
            said, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    summary = json.loads(said)
    assert (summary["complete"], summary["resumed"]) == (True, True)
    assert max(waited) < ANSWER_SECONDS_MAX
    alone = asyncio.run(state_after(sqlite_template.copy(), [history, meanwhile]))
    assert untimed(asyncio.run(state(database_url))) == untimed(alone)


async def state(url: str) -> State:
    async with opened(url) as database:
        return await dump(database, DEFAULT)


async def first_stored(url: str, process: subprocess.Popen[str]) -> None:
    """Wait until an import has stored something, and return before it has stored all."""
    async with opened(url) as database:
        sql = "SELECT lines FROM imports WHERE workspace_id = ?1"
        until = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < until:
            if await database.read(sql, (DEFAULT.id,)):
                break
    assert process.poll() is None


def test_an_export_is_imported_by_a_pipe(
    database_url: str, sqlite_template: SqliteTemplate, tmp_path: Path
) -> None:
    there = sqlite_template.copy()
    first = asyncio.run(state_after(there, [random_history(random.Random(2), 80)]))
    exported = run(tmp_path, "export", **of(there))
    assert exported.returncode == 0, exported.stderr
    imported = subprocess.run(
        [sys.executable, "-m", "api.cli", "import", "-", "--json"],
        cwd=tmp_path,
        env=environment(**of(database_url)),
        input=exported.stdout,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert imported.returncode == 0, imported.stderr
    assert asyncio.run(state(database_url)) == first
