"""`calyx serve --workers 2`: several processes share a port and a PostgreSQL, and nobody can tell."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.engine import make_url

from api import keys
from api.auth import Scope
from api.keys import Wanted
from ingest import clock
from ingest.replay import State, dump
from models.database import open_database
from models.values import Workspace
from tests.databases import ERASURE_KEY, PostgresTemplate, SqliteTemplate, opened, state_after
from tests.http.serving import Served, run, serving
from tests.laws.histories import BASE_US, random_history
from tests.laws.model import Delivery
from tests.laws.model_message import Event, read
from tests.laws.test_law import plain

KEY = "chosen-by-the-operator"
TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}
CLIENTS = 4
NOW = 1_795_000_000_000_000


@pytest.fixture(scope="module")
def url(postgres_template: PostgresTemplate) -> str:
    return postgres_template.copy()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, url: str) -> Iterator[Served]:
    """Give a server of two workers that several tests talk to, each in a workspace of its own."""
    folder = tmp_path_factory.mktemp("workers")
    settings = {"CALYX_ADMIN_KEY": KEY, "CALYX_DATABASE_URL": url}
    with serving(folder, "--workers", "2", settings=settings) as running:
        yield running


def of(url: str) -> dict[str, str]:
    return {"CALYX_ADMIN_KEY": KEY, "CALYX_DATABASE_URL": url, "CALYX_WORKERS": "2"}


def workers_of(served: Served) -> list[int]:
    pid = served.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children]


def dated(history: Sequence[Delivery]) -> list[Delivery]:
    """Return a history that says when everything happened, so that the time of its receipt is nothing."""
    told = []
    for delivery in history:
        if isinstance(delivery.body, dict):
            body = {name: value for name, value in delivery.body.items() if name not in TIMES}
            found = read(delivery)
            body["timestamp"] = clock.text(found.at if isinstance(found, Event) else BASE_US)
            told.append(replace(delivery, body=body, received_at=NOW))
    return told


TIMES = {"sentAt", "originalTimestamp", "receivedAt"}


def untimed(state: State) -> Any:
    """Return a state without the times at which it came in."""
    told = json.loads(json.dumps(state))
    for kind in ("receipts", "quarantine"):
        for entry in told[kind]:
            del entry["receivedAt"]
    return plain(told)


@pytest.mark.parametrize("seed", range(4))
def test_what_several_clients_post_to_several_processes_is_what_one_stores(
    served: Served, url: str, sqlite_template: SqliteTemplate, seed: int
) -> None:
    rng = random.Random(seed)
    history = dated(random_history(rng, 120))
    alone = asyncio.run(state_after(sqlite_template.copy(), [history]))
    together = asyncio.run(state_after_all(served, url, f"seed {seed}", history, rng))
    assert untimed(together) == untimed(alone)


async def state_after_all(
    served: Served, url: str, name: str, history: Sequence[Delivery], rng: random.Random
) -> State:
    """Have each client post all of the history, in an order of its own, at the same time."""
    workspace, secret = await a_key(url, name)
    orders = [rng.sample(history, len(history)) for _ in range(CLIENTS)]
    await asyncio.gather(*(post_all(served, secret, order) for order in orders))
    async with opened(url) as database:
        return await dump(database, workspace)


async def a_key(url: str, name: str, scope: Scope = Scope.INGEST) -> tuple[Workspace, str]:
    """Make a workspace and a key, as another process does."""
    async with opened(url) as database:
        tenant, _ = await keys.ensure_workspace(database, name, NOW)
        wanted = Wanted("for a test", frozenset({scope}))
        made = await keys.create(database, tenant.workspace, wanted, now=NOW)
        # What is left of erased people is hashed with it: two databases are alike only where it is.
        sql = "UPDATE workspaces SET erasure_key = ?2 WHERE id = ?1"
        same = (tenant.workspace.id, ERASURE_KEY)
        await database.write(lambda tx: tx.fetch(sql, same))
    return tenant.workspace, made.secret


async def post_all(served: Served, secret: str, history: Sequence[Delivery]) -> None:
    headers = {"Authorization": f"Bearer {secret}"}
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as client:
        for delivery in history:
            path, body = as_posted(delivery)
            answer = await client.post(path, content=json.dumps(body))
            assert answer.status_code == 200, answer.text


def as_posted(delivery: Delivery) -> tuple[str, Any]:
    if delivery.door == "segment":
        return "/segment", delivery.body
    if delivery.kind is not None:
        return f"/v1/{delivery.kind}", delivery.body
    return "/v1/batch", {"batch": [delivery.body]}


def test_a_key_works_at_once_in_every_process_and_revoked_in_none_after_5_s(
    served: Served, url: str
) -> None:
    made = json.loads(
        run(served.folder, "keys", "create", "--scope", "ingest", "--json", **of(url)).stdout
    )

    def answers() -> set[int]:
        # Each call is a connection of its own, and with so many each process gets some.
        return {served.post("/segment", made["secret"], TRACK).status_code for _ in range(16)}

    assert answers() == {200}
    assert run(served.folder, "keys", "revoke", made["id"], **of(url)).returncode == 0
    time.sleep(5)
    assert answers() == {401}


def test_calls_reach_every_process(served: Served) -> None:
    workers = workers_of(served)
    assert len(workers) == 2
    before = [open_files(pid) for pid in workers]
    host, port = served.url.removeprefix("http://").split(":")
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(socket.create_connection((host, int(port))))
        until = time.monotonic() + 10
        taken: list[int] = []
        while sum(taken) < 32 and time.monotonic() < until:
            taken = [open_files(pid) - old for pid, old in zip(workers, before, strict=True)]
    assert min(taken) >= 5


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def total(served: Served, name: str) -> float:
    lines = httpx.get(served.url + "/metrics").text.splitlines()
    found = [line for line in lines if line.startswith(f"{name} ")]
    return float(found[0].split()[1]) if found else 0.0


def test_whichever_process_is_asked_the_numbers_are_those_of_all(served: Served) -> None:
    before = total(served, "calyx_messages_total")
    for number in range(16):
        assert served.post("/segment", KEY, TRACK | {"messageId": f"n{number}"}).is_success
    time.sleep(1.5)
    assert {total(served, "calyx_messages_total") for _ in range(16)} == {before + 16}


def test_commands_take_turns_with_a_server_that_is_writing(served: Served, url: str) -> None:
    stop = threading.Event()

    def write() -> None:
        for number in range(1_000_000):
            if stop.is_set():
                return
            body = [TRACK | {"messageId": f"{number}.{n}"} for n in range(50)]
            assert served.post("/segment", KEY, body).status_code == 200

    writer = threading.Thread(target=write)
    writer.start()
    try:
        done = [
            run(served.folder, "workspaces", "create", "busy", **of(url)),
            run(served.folder, "migrate", **of(url)),
        ]
    finally:
        stop.set()
        writer.join()
    assert [(one.returncode, one.stderr) for one in done if one.returncode] == []


def test_a_port_that_is_taken_by_two_is_not_shared_with_two_more(served: Served, url: str) -> None:
    done = run(served.folder, "serve", "--port", served.url.rpartition(":")[2], **of(url))
    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_that_dies_is_replaced_and_loses_nothing(
    tmp_path: Path, postgres_template: PostgresTemplate
) -> None:
    url = postgres_template.copy()
    with serving(tmp_path, settings=of(url)) as served:
        first = workers_of(served)
        acknowledged = set()
        for number in range(120):
            if number == 40:
                time.sleep(1.5)
                os.kill(first[0], signal.SIGKILL)
            try:
                body = TRACK | {"messageId": f"m{number}"}
                if served.post("/segment", KEY, body).status_code == 200:
                    acknowledged.add(f"m{number}")
            except httpx.TransportError:
                # It died with our request in its hands; whoever cares sends it again.
                continue
        until = time.monotonic() + 10
        while len(workers_of(served)) < 2 and time.monotonic() < until:
            time.sleep(0.05)
        assert len(set(workers_of(served)) - {first[0]}) == 2
        # What the dead one counted is counted on, but for its last second.
        assert total(served, "calyx_messages_total") >= 79
        assert served.stop() == 0
        assert "worker_ended" in served.logged()
    assert len(acknowledged) > 100
    assert asyncio.run(stored(url)) >= acknowledged


def test_asked_to_stop_all_drain_and_what_was_answered_is_kept(
    tmp_path: Path, postgres_template: PostgresTemplate
) -> None:
    url = postgres_template.copy()
    acknowledged: set[str] = set()
    statuses: set[int] = set()

    def write(served: Served, name: str) -> None:
        for number in range(1_000_000):
            try:
                body = TRACK | {"messageId": f"{name}.{number}"}
                status = served.post("/segment", KEY, body).status_code
            except httpx.TransportError:
                return
            statuses.add(status)
            if status == 200:
                acknowledged.add(f"{name}.{number}")

    with serving(tmp_path, settings=of(url)) as served:
        writers = [threading.Thread(target=write, args=(served, f"w{n}")) for n in range(4)]
        for writer in writers:
            writer.start()
        until = time.monotonic() + 30
        while len(acknowledged) <= 10 and time.monotonic() < until:
            time.sleep(0.05)
        assert served.stop() == 0
        for writer in writers:
            writer.join()
        assert "worker_killed" not in served.logged()
    assert len(acknowledged) > 10
    assert statuses <= {200, 503}
    assert asyncio.run(stored(url)) >= acknowledged


def test_workers_stop_when_their_supervisor_is_gone(
    tmp_path: Path, postgres_template: PostgresTemplate
) -> None:
    with serving(tmp_path, settings=of(postgres_template.copy())) as served:
        left = workers_of(served)
        assert len(left) == 2
        served.process.kill()
        served.process.wait(10)
        until = time.monotonic() + 10
        while any(Path(f"/proc/{pid}").exists() for pid in left) and time.monotonic() < until:
            time.sleep(0.05)
        assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []


def test_where_no_worker_can_start_it_says_so_and_ends(
    tmp_path: Path, postgres_template: PostgresTemplate
) -> None:
    url = asyncio.run(with_room_for(postgres_template, postgres_template.copy(), 4))
    done = run(tmp_path, "serve", "--port", "0", **of(url) | {"CALYX_WORKERS": "4"})
    assert done.returncode == 1
    assert "did not start" in done.stderr
    assert "cannot_start" in done.stderr
    assert "Traceback" not in done.stderr


async def with_room_for(template: PostgresTemplate, url: str, connections: int) -> str:
    """Return the URL of a database for a role that may have so few connections to it."""
    parsed = make_url(url)
    owner, role = parsed.username, f"limited_{parsed.database}"
    await template.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}' IN ROLE {owner}")
    await template.execute(f"ALTER DATABASE {parsed.database} CONNECTION LIMIT {connections}")
    return parsed.set(username=role, password=role).render_as_string(hide_password=False)


async def stored(url: str) -> set[str]:
    database = await open_database(url, readers=1)
    rows = await database.read("select message_id from events")
    await database.close()
    return {message_id for (message_id,) in rows}
