"""Keys while they are used: exchanged, revoked everywhere at once, limited, and not to be had from a dump."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlmodel import SQLModel

from api import keys
from api.auth import Scope
from api.keys import Wanted
from api.rates import MINUTE_MICROS, Rates
from tests.databases import PostgresTemplate, SqliteTemplate, file_of, opened
from tests.http.running import NOON, Running, a_calyx
from tests.http.serving import Served, run, serving

QUERY = {"query": "{ viewer { limits { requestsPerMinute } } }"}
TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}
ADMIN = "chosen-by-the-operator"
SECONDS_MAX = 5.0


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def test_while_a_key_is_exchanged_both_work_and_then_the_new_one_alone(
    here: Running,
) -> None:
    create = """mutation { createApiKey(input: {name: "new", scopes: [READ]}) {
      secret apiKey { id } } }"""
    admin = here.key(Scope.ADMIN)
    made = [
        (await here.post("/graphql", json={"query": create}, headers=admin)).json()["data"]
        for _ in range(2)
    ]
    old, new = (each["createApiKey"] for each in made)
    for key in (old, new):
        answer = await here.post("/graphql", json=QUERY, headers=bearer(key["secret"]))
        assert answer.status_code == 200
    revoke = f'mutation {{ revokeApiKey(input: {{id: "{old["apiKey"]["id"]}"}}) {{ __typename }} }}'
    await here.post("/graphql", json={"query": revoke}, headers=admin)
    here.clock.forward(SECONDS_MAX)
    statuses = [
        (await here.post("/graphql", json=QUERY, headers=bearer(key["secret"]))).status_code
        for key in (old, new)
    ]
    assert statuses == [401, 200]


@pytest.mark.parametrize("path", ["/segment", "/v1/track", "/graphql"])
async def test_a_key_that_comes_too_often_is_429_and_told_when_to_come_again(
    database_url: str, path: str
) -> None:
    async with a_calyx(database_url, nodes=1, requests_per_minute=3) as calyx:
        body = QUERY if path == "/graphql" else TRACK
        headers = calyx.key(Scope.ADMIN)
        for _ in range(3):
            assert (await calyx.post(path, json=body, headers=headers)).status_code == 200
        refused = await calyx.post(path, json=body, headers=headers)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "20"
        told = refused.json()
        code = told["errors"][0]["extensions"]["code"] if path == "/graphql" else told["code"]
        assert code == "RATE_LIMITED"
        assert (await calyx.post("/segment", json=TRACK)).status_code == 200
        calyx.clock.forward(20)
        assert (await calyx.post(path, json=body, headers=headers)).status_code == 200
        assert (await calyx.post(path, json=body, headers=headers)).status_code == 429


async def test_a_key_may_have_a_limit_of_its_own_and_is_told_it(database_url: str) -> None:
    async with a_calyx(database_url, nodes=1, requests_per_minute=100) as calyx:
        wanted = Wanted("slow", frozenset({Scope.READ}), requests_per_minute=1)
        slow = await keys.create(calyx.database, calyx.workspace, wanted, now=NOON)
        first = await calyx.post("/graphql", json=QUERY, headers=bearer(slow.secret))
        assert first.json()["data"]["viewer"]["limits"]["requestsPerMinute"] == 1
        again = await calyx.post("/graphql", json=QUERY, headers=bearer(slow.secret))
        assert again.status_code == 429
        other = await calyx.post("/graphql", json=QUERY, headers=calyx.key(Scope.READ))
        assert other.json()["data"]["viewer"]["limits"]["requestsPerMinute"] == 100


def test_over_any_time_a_key_comes_as_often_as_it_may_and_once_a_minute_more() -> None:
    rates, taken, now = Rates(), 0, NOON
    for _ in range(1_000):
        now += 100_000
        taken += rates.wait_micros("k", 60, now) == 0
    assert taken in {60 + 99, 60 + 100}
    wait = rates.wait_micros("k", 60, now)
    assert 0 < wait <= MINUTE_MICROS / 60
    assert rates.wait_micros("other", 60, now) == 0
    assert rates.wait_micros("k", 60, now - 10 * MINUTE_MICROS) <= MINUTE_MICROS / 60


async def test_a_dump_of_the_database_gives_no_key_back(database_url: str) -> None:
    create = """mutation { createApiKey(input: {name: "k", scopes: [READ]}) { secret } }"""
    async with a_calyx(database_url) as calyx:
        admin = calyx.key(Scope.ADMIN)
        made = await calyx.post("/graphql", json={"query": create}, headers=admin)
        secrets = [*calyx.secrets.values(), made.json()["data"]["createApiKey"]["secret"]]
        for secret in secrets:
            await calyx.post("/graphql", json=QUERY, headers=bearer(secret))
        # Sent as old SDKs do: one that is applied, and one that is held.
        key = {"writeKey": calyx.secrets[Scope.INGEST]}
        batch = {"batch": [TRACK | key | {"type": "dance"}]} | key
        for path, body in (("/v1/track", TRACK | key), ("/v1/batch", batch)):
            assert (await calyx.client.post(path, json=body)).status_code == 200
    async with opened(database_url) as database:
        tables = [
            await database.read(f"select * from {table.name}")
            for table in SQLModel.metadata.sorted_tables
        ]
    dump = " ".join(
        f"{value.hex()} {value!r}" if isinstance(value, bytes) else str(value)
        for rows in tables
        for row in rows
        for value in row
    )
    assert "Opened" in dump
    assert "dance" in dump
    for secret in secrets:
        # Of 64 random digits six are shown, which leaves 232 bits to guess.
        assert secret[:12] in dump
        assert secret[12:] not in dump
        assert secret[:13] not in dump


def until_refused(ask: Callable[[], int]) -> float:
    """Return after how many seconds a key is refused, five and a bit at most."""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS_MAX + 1:
        if ask() == 401:
            return time.monotonic() - began
        time.sleep(0.1)
    raise AssertionError("a revoked key works on")


def status(served: Served, key: str) -> int:
    return httpx.post(
        served.url + "/graphql", json=QUERY, headers=bearer(key), timeout=10
    ).status_code


def test_a_key_that_one_server_revokes_every_server_refuses_soon(
    tmp_path: Path, postgres_template: PostgresTemplate
) -> None:
    settings = {"CALYX_ADMIN_KEY": ADMIN, "CALYX_DATABASE_URL": postgres_template.copy()}
    with ExitStack() as stack:
        folders = [tmp_path / "one", tmp_path / "other"]
        for folder in folders:
            folder.mkdir()
        one, other = (stack.enter_context(serving(folder, settings=settings)) for folder in folders)
        create = """mutation { createApiKey(input: {name: "k", scopes: [READ]}) {
          secret apiKey { id } } }"""
        made = one.post("/graphql", ADMIN, {"query": create}).json()["data"]["createApiKey"]
        assert status(one, made["secret"]) == status(other, made["secret"]) == 200
        revoke = (
            f'mutation {{ revokeApiKey(input: {{id: "{made["apiKey"]["id"]}"}}) {{ __typename }} }}'
        )
        assert "errors" not in one.post("/graphql", ADMIN, {"query": revoke}).json()
        for server in (other, one):
            assert until_refused(partial(status, server, made["secret"])) < SECONDS_MAX


def test_a_key_revoked_by_command_beside_a_server_is_refused_soon_and_on_record(
    tmp_path: Path, sqlite_template: SqliteTemplate
) -> None:
    url = sqlite_template.copy()
    settings = {"CALYX_ADMIN_KEY": ADMIN, "CALYX_DATABASE_URL": url}
    assert file_of(url).exists()
    with serving(tmp_path, settings=settings) as served:
        words = ("keys", "create", "--scope", "read", "--days", "1", "--requests-per-minute", "500")
        made = run(tmp_path, *words, **settings)
        assert made.returncode == 0, made.stderr
        secret = made.stdout.strip()
        (key_id,) = re.findall(r"key_[0-9a-f]{32}", made.stderr)
        assert status(served, secret) == 200
        assert run(tmp_path, "keys", "revoke", key_id, **settings).returncode == 0
        assert until_refused(lambda: status(served, secret)) < SECONDS_MAX
        log = "{ auditLog { nodes { action key { id } succeeded } } }"
        nodes = served.post("/graphql", ADMIN, {"query": log}).json()["data"]["auditLog"]["nodes"]
        assert nodes == [
            {"action": "keys revoke", "key": None, "succeeded": True},
            {"action": "keys create", "key": None, "succeeded": True},
        ]
