"""Whatever is done with Calyx, each statement that reaches PostgreSQL names the workspace for each table."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
from graphql import FieldNode, OperationDefinitionNode, OperationType, parse
from sqlalchemy import make_url
from typer.testing import CliRunner

from api.cli import app
from api.graph.schema import schema
from tests.databases import PostgresTemplate
from tests.graph.test_statements import Case, cases
from tests.http.following import a_socket
from tests.http.serving import Served, serving
from tests.http.test_workers import post_all
from tests.laws.histories import random_history
from tests.postgres import free_port
from tests.statements import TABLES, UNBOUND, unbound_accesses
from tests.tap import Tap

KEY = "chosen-by-the-operator"
HELD = [{"type": "dance", "messageId": f"held-{number}"} for number in range(3)]
# All that the command line does with a database; what it serves is asked by HTTP.
COMMANDS = (
    ("doctor",),
    ("migrate",),
    ("workspaces", "create", "second"),
    ("workspaces", "list"),
    ("keys", "create", "--scope", "read", "--workspace", "second"),
    ("keys", "list"),
    ("import", "archive.jsonl", "--workspace", "second"),
    ("quarantine", "list", "--reason", "UNKNOWN_TYPE"),
    ("quarantine", "retry", "--all"),
    ("export", "--output", "all.jsonl"),
    ("import", "all.jsonl"),
    ("rebuild", "--check"),
    ("rebuild",),
    ("vacuum",),
)
# The server of tests is not durable, and what waits waits on.
CODES = {("doctor",): 1, ("quarantine", "retry", "--all"): 1}


async def test_whatever_is_done_each_statement_names_the_workspace(
    postgres_template: PostgresTemplate, tmp_path: Path
) -> None:
    url = make_url(await asyncio.to_thread(postgres_template.copy))
    tap, port = Tap(url.port or 5432), free_port()
    tapped = url.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    settings = {"CALYX_ADMIN_KEY": KEY, "CALYX_DATABASE_URL": tapped, "CALYX_WORKERS": "2"}
    asked = list(cases())
    async with tap.listening(port):
        await asyncio.to_thread(_do_all, tmp_path, settings, asked)
    sent = tap.statements()
    open_ = {access for sql in sent for access in unbound_accesses(sql, "postgres")}
    assert open_ == set()
    # What was not asked was not heard.
    assert {name for case in asked for name in _roots(case)} >= _roots_of_the_schema()
    assert {table for table in TABLES | UNBOUND if any(table in sql for sql in sent)} == (
        TABLES | UNBOUND
    )
    assert len(sent) > 150


def _do_all(folder: Path, settings: dict[str, str], asked: list[Case]) -> None:
    history = random_history(random.Random(5), 60)
    archive = random_history(random.Random(6), 60)
    lines = [json.dumps(one.body) for one in archive if one.door == "segment"]
    (folder / "archive.jsonl").write_text("\n".join(lines))
    with serving(folder, settings=settings) as served:
        asyncio.run(post_all(served, KEY, history))
        for path in ("/segment", "/segment/explain"):
            assert served.post(path, KEY, HELD).status_code == 200
        asyncio.run(_ask_all(served, asked))
        for words in COMMANDS:
            given = [str(folder / word) if word.endswith(".jsonl") else word for word in words]
            done = CliRunner().invoke(app, given, env=settings)
            assert done.exit_code in {0, CODES.get(words)}, (words, done.output, done.exception)
        assert served.stop() == 0


async def _ask_all(served: Served, asked: list[Case]) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as client,
        a_socket(served.url, KEY) as socket,
    ):
        for number, (query, name, variables) in enumerate(asked):
            if _kinds(query, name) == {OperationType.SUBSCRIPTION}:
                await socket.subscribe(str(number), query, **variables)
        for query, name, variables in asked:
            body = {"query": query, "operationName": name, "variables": variables}
            assert (await client.post("/graphql", json=body)).status_code < 500
        # What is followed is asked for again as the log grows.
        await client.post("/v1/identify", json={"userId": "u7", "traits": {"plan": "pro"}})
        await socket.hear()


def _kinds(query: str, name: str | None) -> set[OperationType]:
    return {each.operation for each in _operations(query, name)}


def _operations(query: str, name: str | None) -> Iterator[OperationDefinitionNode]:
    for each in parse(query).definitions:
        if isinstance(each, OperationDefinitionNode) and (
            name is None or (each.name is not None and each.name.value == name)
        ):
            yield each


def _roots(case: Case) -> Iterator[str]:
    """Yield the fields of a root that a document asks for."""
    for each in _operations(*case[:2]):
        for selected in each.selection_set.selections:
            if isinstance(selected, FieldNode):
                yield selected.name.value


def _roots_of_the_schema() -> set[str]:
    built = schema()
    roots: list[Any] = [built.query_type, built.mutation_type, built.subscription_type]
    return {name for root in roots for name in root.fields}
