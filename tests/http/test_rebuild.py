"""`calyx rebuild` beside a server that goes on: nothing is lost, nobody waits long, and all is right after."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from ingest.beside import open_beside
from ingest.rebuild import check
from ingest.replay import State, dump
from models.database import Transaction, is_shared
from tests.databases import DEFAULT, opened, save_batches
from tests.http.serving import Served, environment, run, serving
from tests.http.test_workers import as_posted, dated, untimed
from tests.laws import model
from tests.laws.histories import random_history
from tests.laws.model import Delivery

KEY = "chosen-by-the-operator"
CLIENTS = 3
ANSWER_SECONDS_MAX = 4.0
"""How long a client waits at most, on a machine with other work."""


def of(url: str) -> dict[str, str]:
    workers = "2" if is_shared(url) else "1"
    return {"CALYX_ADMIN_KEY": KEY, "CALYX_DATABASE_URL": url, "CALYX_WORKERS": workers}


SHOWN = {
    "customers": ["email", "name", "name_folded", "last_seen_at"],
    "accounts": ["name", "created_at", "deleted_at", "name_folded"],
    "identities": ["folded", "seen"],
    "memberships": ["role"],
    "flags": ["member", "since", "origin"],
    "events": ["type", "written"],
}
"""What is only shown: while it is wrong, messages are taken as well as ever."""

BELIEVED = {
    "customers": ["traits", "registers"],
    "accounts": ["traits", "registers", "last_deletion_at"],
    "identities": ["customer_id"],
    "memberships": ["registers", "joined_at"],
    "flags": ["runs"],
    "events": ["whom", "account_id"],
}
"""What the fold goes on from."""


async def spoil(url: str, columns: Mapping[str, Sequence[str]]) -> None:
    """Let many rows say what another one says, and take some away."""
    async with opened(url) as database:

        async def work(tx: Transaction) -> None:
            for table, names in columns.items():
                for name in names:
                    held = f"(SELECT max({name}) FROM {table} WHERE workspace_id = ?1)"
                    sql = f"UPDATE {table} SET {name} = {held} WHERE workspace_id = ?1"
                    await tx.fetch(sql, (DEFAULT.id,))
            for table in ("links", "intervals"):
                await tx.fetch(f"DELETE FROM {table} WHERE workspace_id = ?1", (DEFAULT.id,))

        await database.write(work)


@contextmanager
def rebuilding(folder: Path, url: str) -> Iterator[subprocess.Popen[str]]:
    """Start `calyx rebuild` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "rebuild"],
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


async def post_until(
    served: Served, deliveries: Sequence[Delivery], process: subprocess.Popen[str]
) -> float:
    """Post them again and again until a process ends; return the longest that an answer took."""
    headers = {"Authorization": f"Bearer {KEY}"}
    longest = 0.0
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as client:
        rounds = 0
        while rounds == 0 or process.poll() is None:
            rounds += 1
            for delivery in deliveries:
                path, body = as_posted(delivery)
                started = time.monotonic()
                answer = await client.post(path, content=json.dumps(body))
                longest = max(longest, time.monotonic() - started)
                assert answer.status_code == 200, answer.text
    return longest


def test_a_rebuild_under_load_keeps_nobody_waiting_and_ends_in_the_state_of_the_model(
    database_url: str, tmp_path: Path
) -> None:
    rng = random.Random(5)
    before, meanwhile = dated(random_history(rng, 150)), dated(random_history(rng, 60))
    asyncio.run(prepare(database_url, before, SHOWN))
    with serving(tmp_path, settings=of(database_url)) as served:
        with rebuilding(tmp_path, database_url) as process:
            waited = asyncio.run(load(served, meanwhile, process, rng))
            said, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "are mended" in said
    assert max(waited) < ANSWER_SECONDS_MAX
    state = asyncio.run(right_state(database_url, tmp_path))
    assert untimed(state) == untimed(model.state([*before, *meanwhile]))


async def prepare(
    url: str, history: Sequence[Delivery], columns: Mapping[str, Sequence[str]]
) -> None:
    async with opened(url) as database:
        await save_batches(database, [history])
    await spoil(url, columns)


async def load(
    served: Served,
    history: Sequence[Delivery],
    process: subprocess.Popen[str],
    rng: random.Random,
) -> list[float]:
    orders = [rng.sample(history, len(history)) for _ in range(CLIENTS)]
    return await asyncio.gather(*(post_until(served, order, process) for order in orders))


async def right_state(url: str, folder: Path) -> State:
    """Return the state of a database, which is what its log says."""
    async with opened(url) as database, open_beside(folder) as beside:
        verdict = await check(url, beside, DEFAULT)
        assert verdict.ok, str(verdict.difference)
        return await dump(database, DEFAULT)


def test_a_rebuild_that_is_killed_leaves_what_serves_and_can_be_rebuilt(
    database_url: str, tmp_path: Path
) -> None:
    history = dated(random_history(random.Random(9), 250))
    asyncio.run(prepare(database_url, history, BELIEVED))
    with serving(tmp_path, settings=of(database_url)) as served:
        with rebuilding(tmp_path, database_url) as process:
            asyncio.run(first_mended(database_url, process))
            os.kill(process.pid, signal.SIGKILL)
        answer = served.post("/segment", KEY, {"type": "track", "event": "x", "userId": "new"})
        assert answer.json()["receipts"][0]["outcome"] == "APPLIED"
        again = run(tmp_path, "rebuild", **of(database_url))
    assert again.returncode == 0, again.stderr
    asyncio.run(right_state(database_url, tmp_path))


async def first_mended(url: str, process: subprocess.Popen[str]) -> None:
    """Wait until a rebuild has mended something, and return before it has mended all."""
    async with opened(url) as database:
        sql = "SELECT count(*) FROM links WHERE workspace_id = ?1"
        while process.poll() is None:
            if (await database.read(sql, (DEFAULT.id,)))[0][0]:
                break
    assert process.poll() is None
