"""`calyx serve` as a process: first start, signals, Segment's own SDK, the demo."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import segment.analytics

from tests.http.serving import Served, run, serving

KEY = "chosen-by-the-operator"
TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}


def ask(served: Served, key: str, query: str) -> dict[str, Any]:
    answer = served.post("/graphql", key, {"query": query})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert "errors" not in body, body
    found: dict[str, Any] = body["data"]
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Give a server that several tests talk to; they name different customers."""
    folder = tmp_path_factory.mktemp("served")
    settings = {"CALYX_ADMIN_KEY": KEY, "CALYX_BODY_SECONDS_MAX": "2"}
    with serving(folder, settings=settings) as running:
        yield running


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path, served: Served) -> None:
    done = run(tmp_path, "serve", "--port", served.url.rpartition(":")[2])
    assert done.returncode != 0
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_operators_admin_key_works_and_none_is_printed(served: Served) -> None:
    assert served.secrets == []
    assert KEY not in served.said
    assert served.post("/v1/track", KEY, TRACK).json() == {"success": True}


def test_answers_name_no_server(served: Served) -> None:
    answer = httpx.get(served.url + "/healthz")
    assert "server" not in answer.headers
    assert answer.headers["x-request-id"]


def test_a_header_of_a_megabyte_is_no_fault_of_ours(served: Served) -> None:
    headers = {"Authorization": "Bearer " + "k" * 1_000_000}
    # It is not read to its end, and who goes on sending may miss the answer.
    with suppress(httpx.TransportError):
        assert httpx.post(served.url + "/segment", json=TRACK, headers=headers).status_code == 400
    assert httpx.get(served.url + "/healthz").status_code == 200
    assert "failed" not in served.logged()


def test_half_a_body_is_answered_408_and_holds_no_connection(served: Served) -> None:
    host, port = served.url.removeprefix("http://").split(":")
    head = f"POST /segment HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        # Read to the end: the server closes.
        answer = b"".join(iter(lambda: connection.recv(4_096), b""))
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"TOO_SLOW" in answer


def test_a_key_made_by_the_command_line_works_at_once_and_revoked_stops_within_5_s(
    served: Served,
) -> None:
    made = json.loads(run(served.folder, "keys", "create", "--scope", "ingest", "--json").stdout)
    assert served.post("/segment", made["secret"], TRACK).status_code == 200
    assert run(served.folder, "keys", "revoke", made["id"]).returncode == 0
    until = time.monotonic() + 5
    status = 200
    while status == 200 and time.monotonic() < until:
        status = served.post("/segment", made["secret"], TRACK).status_code
    assert status == 401


def test_logs_hold_neither_keys_nor_bodies_nor_query_strings(served: Served) -> None:
    body = TRACK | {"event": "canary-5a1c", "userId": "canary-5a1c"}
    served.post("/segment", KEY, body)
    served.post("/segment", "canary-5a1c", body)
    served.post("/graphql", KEY, {"query": "{ canary5a1c }"})
    httpx.get(served.url + "/graphql?query=canary-5a1c", headers={"Authorization": f"Bearer {KEY}"})
    logged = served.logged()
    assert "path=/graphql" in logged
    assert "canary" not in logged
    assert KEY not in logged


def test_asked_to_stop_it_exits_0_and_has_kept_what_it_answered(tmp_path: Path) -> None:
    with serving(tmp_path, settings={"CALYX_LOG_FORMAT": "json"}) as first:
        # The first start prints one admin key, later ones none.
        (secret,) = first.secrets
        for number in range(20):
            body = TRACK | {"messageId": f"m{number}"}
            assert first.post("/segment", secret, body).status_code == 200
        assert first.stop(signal.SIGTERM) == 0
        lines = [json.loads(line) for line in first.logged().splitlines()]
    assert [line["status"] for line in lines] == [200] * 20
    with serving(tmp_path) as second:
        assert second.secrets == []
        assert ask(second, secret, COUNT_QUERY) == {
            "customer": {"events": {"totalCount": 20}},
            "viewer": {"scopes": ["ADMIN"], "workspace": {"name": "default"}},
        }
        assert second.stop(signal.SIGINT) == 0


COUNT_QUERY = """{
  customer(userId: "u1") { events { totalCount } }
  viewer { scopes workspace { name } }
}"""


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_what_segments_python_sdk_sends_is_what_graphql_answers(
    served: Served, *, packed: bool
) -> None:
    failed: list[Exception] = []
    client = segment.analytics.Client(
        KEY,
        host=served.url,
        gzip=packed,
        max_retries=0,
        on_error=lambda error, _: failed.append(error),
    )
    # Numbers where the SDK lets them through: it makes text of some ids, and leaves others.
    number = 42 + packed
    other, group = f"sdk-{packed}", 777 + packed
    client.identify(number, {"email": "ada@example.test", "score": float("nan"), "plan": "pro"})
    client.identify(other, {"big": 2**70, "näme": "エイダ 😀"})
    client.group(number, group, {"name": "Initech", "total billed": 830.5})
    client.track(number, "Report Viewed", {"report": "r1", "ratio": float("inf")})
    client.track(other, "Account Added User", {"role": "admin"}, context={"groupId": str(group)})
    client.alias(f"old-{packed}", other)
    client.page(other, "Docs", "Home", {"path": "/"})
    client.flush()
    client.join()
    assert failed == []
    query = SDK_QUERY % {"number": number, "other": other, "group": group}
    data = ask(served, KEY, query)
    assert data["ada"] == {
        "userId": str(number),
        "email": "ada@example.test",
        "traits": {"email": "ada@example.test", "plan": "pro"},
        "events": {"nodes": [{"name": "Report Viewed", "properties": VIEWED}]},
    }
    assert data["other"] == {
        "userId": other,
        "aliases": [f"old-{packed}"],
        "traits": {"big": data["other"]["traits"]["big"], "näme": "エイダ 😀"},
    }
    assert str(data["other"]["traits"]["big"]) == str(2**70)
    assert data["account"]["traits"] == {"name": "Initech", "total billed": 830.5}
    members = {edge["node"]["userId"]: edge["role"] for edge in data["account"]["members"]["edges"]}
    assert members == {str(number): None, other: "admin"}


VIEWED = {"report": "r1", "ratio": None}
SDK_QUERY = """{
  ada: customer(userId: "%(number)s") {
    userId email traits
    events(where: {type: [TRACK]}) { nodes { name properties } }
  }
  other: customer(userId: "%(other)s") { userId aliases traits }
  account(groupId: "%(group)s") { traits members { edges { role node { userId } } } }
}"""


def test_the_demo_is_served_with_a_key_of_each_scope_and_a_query_that_works(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "--demo") as served:
        assert len(served.secrets) == 4
        for scope in ("ingest", "read", "write", "admin"):
            assert re.search(rf"^ *{scope} +calyx_", served.said, re.MULTILINE)
        command = served.said[served.said.index("curl ") :].split("\n\n")[0]
        # The very command that is printed, as a reader would paste it.
        done = subprocess.run(
            ["/bin/sh", "-c", command.replace("curl ", "curl -s ", 1)],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
        answered = json.loads(done.stdout)
        assert "errors" not in answered
        assert answered["data"]["account"]["members"]["totalCount"] > 0
        assert shlex.split(command)[1].startswith(served.url)
        first = served.secrets
        assert served.stop() == 0
    with serving(tmp_path, "--demo") as again:
        assert "already" in again.said
        assert not set(again.secrets) & set(first)
        assert (
            again.post("/graphql", first[1], {"query": "{ viewer { scopes } }"}).status_code == 401
        )
        assert ask(again, again.secrets[1], "{ viewer { scopes } }") == {
            "viewer": {"scopes": ["READ"]}
        }
