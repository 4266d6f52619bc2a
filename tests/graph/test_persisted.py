"""Documents asked for by their hash: clients register them, or an operator does and nobody else may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from api.app import create_app
from api.auth import Scope
from api.graph.failures import Failure
from api.graph.persisted import Kept, Registered, Wanted
from api.graph.registry import Unreadable, load
from api.limits import GraphLimits
from api.settings import Misconfigured
from models.values import Workspace
from tests.databases import DEFAULT, SqliteTemplate
from tests.graph.graphs import Asking, a_graph, add_workspace
from tests.http.running import a_calyx, settings

QUERY = "query One($user: String!) { customer(userId: $user) { userId } }"
OTHER = "{ viewer { workspace { name } } }"
VARIABLES = {"user": "u7"}
NOBODY = {"data": {"customer": None}}


def hashed(text: str) -> dict[str, Any]:
    """Return the extension by which clients ask for a document."""
    return {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}


async def by_hash(asking: Asking, text: str = QUERY, **more: Any) -> dict[str, Any]:
    """Return the answer to a request that says the hash alone."""
    body = {"extensions": hashed(text), "variables": VARIABLES, **more}
    found: dict[str, Any] = json.loads((await asking.send(body=json.dumps(body).encode())).body)
    found.pop("extensions", None)
    return found


def code(found: dict[str, Any]) -> str:
    """Return the code of the first error."""
    said: str = found["errors"][0]["extensions"]["code"]
    return said


@pytest.fixture
async def plain(sqlite_template: SqliteTemplate) -> AsyncIterator[Asking]:
    """Give a Graph over nothing but a key."""
    async with a_graph(sqlite_template.copy()) as found:
        await add_workspace(found.database.inner, DEFAULT)
        yield found


async def test_a_hash_is_unknown_until_its_text_was_sent_with_it(plain: Asking) -> None:
    missed = await by_hash(plain)
    # Apollo's client goes by the code, urql's by the message.
    assert (code(missed), missed["errors"][0]["message"]) == (
        "PERSISTED_QUERY_NOT_FOUND",
        "PersistedQueryNotFound",
    )
    assert await by_hash(plain, query=QUERY) == NOBODY
    assert await by_hash(plain) == NOBODY
    assert code(await by_hash(plain, OTHER)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_by_get_it_is_found_too_and_a_miss_is_not_cached(plain: Asking) -> None:
    text = f"extensions={quote(json.dumps(hashed(QUERY)))}&variables={quote(json.dumps(VARIABLES))}"
    missed = await plain.send(method="GET", query_string=text.encode())
    assert (b"cache-control", b"no-store") in missed.headers
    with_text = f"{text}&query={quote(QUERY)}"
    for sent in (with_text, text):
        answer = await plain.send(method="GET", query_string=sent.encode())
        assert json.loads(answer.body)["data"] == NOBODY["data"]


async def test_a_mutation_by_its_hash_is_still_sent_by_post(plain: Asking) -> None:
    states = 'mutation { deleteAccount(input: {groupId: "a"}) { account { groupId } } }'
    assert "errors" not in await by_hash(plain, states, query=states)
    text = f"extensions={quote(json.dumps(hashed(states)))}"
    assert (await plain.send(method="GET", query_string=text.encode())).status == 405
    plain.scopes = frozenset({Scope.READ})
    assert code(await by_hash(plain, states)) == "FORBIDDEN"


async def test_another_texts_hash_is_refused_and_nothing_is_kept(plain: Asking) -> None:
    assert code(await by_hash(plain, OTHER, query=QUERY)) == "BAD_USER_INPUT"
    assert code(await by_hash(plain, OTHER)) == "PERSISTED_QUERY_NOT_FOUND"


@pytest.mark.parametrize(
    "persisted",
    [1, {}, {"version": 2, "sha256Hash": "0"}, {"version": 1}, {"version": 1, "sha256Hash": 7}],
)
async def test_what_is_not_said_as_clients_say_it_is_refused(plain: Asking, persisted: Any) -> None:
    body = {"extensions": {"persistedQuery": persisted}, "query": QUERY, "variables": VARIABLES}
    answer = await plain.send(body=json.dumps(body).encode())
    assert code(json.loads(answer.body)) == "BAD_USER_INPUT"


async def test_what_cannot_run_is_not_kept(plain: Asking) -> None:
    bad = "{ nothing }"
    assert code(await by_hash(plain, bad, query=bad)) == "BAD_USER_INPUT"
    assert code(await by_hash(plain, bad)) == "PERSISTED_QUERY_NOT_FOUND"
    plain.scopes = frozenset({Scope.INGEST})
    assert code(await by_hash(plain, query=QUERY)) == "FORBIDDEN"
    plain.scopes = frozenset({Scope.READ})
    assert code(await by_hash(plain)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_another_workspace_does_not_learn_what_is_asked_here(plain: Asking) -> None:
    other = replace(plain, workspace=Workspace(2, "other"))
    await by_hash(plain, query=QUERY)
    # The same bytes, which were understood a moment ago.
    assert await by_hash(plain) == NOBODY
    assert code(await by_hash(other)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_another_process_does_not_know_it_and_learns_it_from_the_client(
    sqlite_template: SqliteTemplate,
) -> None:
    url = sqlite_template.copy()
    async with a_graph(url) as one, a_graph(url) as two:
        await by_hash(one, query=QUERY)
        assert code(await by_hash(two)) == "PERSISTED_QUERY_NOT_FOUND"
        assert await by_hash(two, query=QUERY) == NOBODY
        assert list(await asyncio.gather(by_hash(one), by_hash(two))) == [NOBODY, NOBODY]


def test_what_was_not_used_for_longest_goes_first_and_no_workspace_pushes_out_another() -> None:
    kept = Kept(bytes_max=100)

    def knows(workspace: int, text: str) -> bool:
        try:
            return kept.text(workspace, Wanted(None, sha256(text.encode()).hexdigest())) == text
        except Failure:
            return False

    def keep(workspace: int, text: str) -> None:
        kept.keep(workspace, Wanted(text, sha256(text.encode()).hexdigest()))

    first, second, third = ("a" * 40, "é" * 20, "c" * 40)
    keep(2, first)
    keep(1, first)
    keep(1, second)
    assert knows(1, first)
    keep(1, third)
    assert [knows(1, text) for text in (first, second, third)] == [True, False, True]
    assert knows(2, first)
    keep(1, "d" * 200)
    assert not knows(1, "d" * 200)


def only(plain: Asking, *documents: tuple[str, str]) -> None:
    """Let only these documents run."""
    plain.graph.registered = Registered(documents)


async def test_only_registered_documents_run(plain: Asking) -> None:
    only(plain, ("one", QUERY))
    assert await plain.get(QUERY, VARIABLES) == NOBODY["data"]
    spaced = QUERY.replace("{", "{\n  # the same\n").replace(" }", "\n}")
    assert await plain.get(spaced, VARIABLES) == NOBODY["data"]
    assert await by_hash(plain) == NOBODY
    for name in ("one", f"sha256:{sha256(QUERY.encode()).hexdigest()}"):
        body = {"documentId": name, "variables": VARIABLES}
        answer = json.loads((await plain.send(body=json.dumps(body).encode())).body)
        assert answer["data"] == NOBODY["data"]
    for sent in (OTHER, "{ __schema { queryType { name } } }", "{", QUERY + " #" * 70_000):
        assert await plain.code(sent, VARIABLES) in {"FORBIDDEN", "BAD_USER_INPUT"}
    assert await plain.code(OTHER) == "FORBIDDEN"
    # Nor is one learned from a client that sends its text with the hash.
    assert code(await by_hash(plain, OTHER, query=OTHER)) == "FORBIDDEN"
    assert code(await by_hash(plain, OTHER)) == "PERSISTED_QUERY_NOT_FOUND"


async def test_an_admin_key_runs_what_it_likes(plain: Asking) -> None:
    only(plain, ("one", QUERY))
    plain.scopes = frozenset({Scope.ADMIN})
    assert "viewer" in await plain.get(OTHER)
    assert await by_hash(plain) == NOBODY
    assert await by_hash(plain, OTHER, query=OTHER) == await by_hash(plain, OTHER)


def test_a_folder_or_a_manifest_of_any_client_is_read(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "One.graphql").write_text(QUERY)
    (tmp_path / "README.md").write_text("not a document")
    apollo = {"id": "ap", "name": "One", "type": "query", "body": OTHER}
    manifest = {"format": "apollo-persisted-query-manifest", "version": 1, "operations": [apollo]}
    (tmp_path / "apollo.json").write_text(json.dumps(manifest))
    (tmp_path / "relay.json").write_text(json.dumps({"re": "{ customers { totalCount } }"}))
    found = load(tmp_path, GraphLimits())
    assert len(found) == 3
    assert (found.find("One"), found.find("ap")) == (QUERY, OTHER)
    assert found.find("re") == "{ customers { totalCount } }"
    assert load(tmp_path / "pages" / "One.graphql", GraphLimits()).find("One") == QUERY


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("a.graphql", "{ nothing }", "Cannot query field 'nothing'"),
        ("a.graphql", "{", "Syntax Error"),
        ("a.graphql", "{ a" + " b" * 3_000 + " }", "over 2000 tokens"),
        ("a.json", "[1]", "is no manifest"),
        ("a.json", "{", "is not JSON"),
        ("a.txt", "{}", "has no documents"),
    ],
)
def test_what_cannot_be_registered_is_told_with_its_file(
    tmp_path: Path, name: str, text: str, advice: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Unreadable) as raised:
        load(tmp_path, GraphLimits())
    assert str(tmp_path) in str(raised.value)
    assert advice in str(raised.value)


def test_a_path_that_is_nothing_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.json", tmp_path / "nothing.graphql", tmp_path / "nothing"):
        with pytest.raises(Unreadable, match="nothing"):
            load(path, GraphLimits())


async def test_a_setting_closes_the_door_to_all_but_registered_documents(
    sqlite_template: SqliteTemplate, tmp_path: Path
) -> None:
    (tmp_path / "One.graphql").write_text(QUERY)
    async with a_calyx(sqlite_template.copy(), graphql_documents=tmp_path) as calyx:
        for scope, query, status in (
            (Scope.READ, QUERY, 200),
            (Scope.READ, OTHER, 403),
            (Scope.ADMIN, OTHER, 200),
        ):
            body = {"query": query, "variables": VARIABLES}
            answer = await calyx.post("/graphql", json=body, headers=calyx.key(scope))
            assert answer.status_code == status, answer.text


def test_a_server_whose_documents_cannot_run_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "One.graphql").write_text("{ nothing }")
    with pytest.raises(
        Misconfigured, match=r"CALYX_GRAPHQL_DOCUMENTS: .*One.graphql: Cannot query"
    ):
        create_app(settings("sqlite+aiosqlite:///nowhere.db", graphql_documents=tmp_path))
