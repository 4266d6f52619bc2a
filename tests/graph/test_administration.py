"""Admins make and revoke keys by the API, and read who asked for which change."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from api.auth import Scope
from models.values import Workspace
from tests.graph.graphs import KEY, Asking, add_workspace

OTHER = Workspace(2, "other")
OWN = f"key_{KEY.hex()}"
CREATE = """mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) {
  apiKey { id name prefix scopes createdAt expiresAt revokedAt lastUsedAt } secret again: secret
  userErrors { field code message } } }"""
REVOKE = """mutation($id: ID!) { revokeApiKey(input: {id: $id}) {
  apiKey { id revokedAt } userErrors { field code } } }"""
LOG = """query($after: String) { auditLog(first: 3, after: $after) { totalCount nodes {
  id at action succeeded messageId outcome key { id } } pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture
def admin(empty: Asking) -> Asking:
    """Give an admin of an empty database."""
    return replace(empty, scopes=frozenset({Scope.ADMIN}))


async def create(admin: Asking, **given: Any) -> dict[str, Any]:
    asked = {"name": "Segment", "scopes": ["INGEST"], **given}
    found: dict[str, Any] = (await admin.get(CREATE, {"input": asked}))["createApiKey"]
    return found


async def log(admin: Asking) -> list[dict[str, Any]]:
    """Return the audit log, the oldest first, page by page."""
    await admin.graph.notes.store(admin.database.inner, lambda _: None)
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await admin.get(LOG, {"after": after}))["auditLog"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(found)
            return found[::-1]
        after = page["pageInfo"]["endCursor"]


async def test_a_key_is_made_and_its_secret_is_shown_and_sent_to_no_statement(
    admin: Asking,
) -> None:
    made = await create(admin, scopes=["READ", "INGEST"], expiresAt="2030-01-01T00:00:00Z")
    secret = made["secret"]
    assert secret.startswith("calyx_")
    assert made["again"] == secret
    assert made["apiKey"]["scopes"] == ["INGEST", "READ"]
    assert made["apiKey"]["prefix"] == secret[:12]
    assert made["apiKey"]["expiresAt"] == "2030-01-01T00:00:00.000000Z"
    listed = (await admin.get("{ apiKeys { nodes { id name } } }"))["apiKeys"]["nodes"]
    assert listed == [
        {"id": made["apiKey"]["id"], "name": "Segment"},
        {"id": OWN, "name": "a key"},
    ]
    assert secret not in str(admin.database.asked)


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"name": " "}, ["name"], "REQUIRED"),
        ({"name": "n" * 257}, ["name"], "TOO_LONG"),
        ({"name": "a\nb"}, ["name"], "INVALID"),
        ({"scopes": []}, ["scopes"], "REQUIRED"),
        ({"expiresAt": "2026-01-01T00:00:00Z"}, ["expiresAt"], "INVALID"),
    ],
)
async def test_a_key_that_makes_no_sense_is_not_made(
    admin: Asking, given: dict[str, Any], field: list[str], code: str
) -> None:
    found = await create(admin, **given)
    assert [(error["field"], error["code"]) for error in found["userErrors"]] == [(field, code)]
    assert found["apiKey"] is found["secret"] is found["again"] is None
    assert (await admin.get("{ apiKeys { totalCount } }"))["apiKeys"]["totalCount"] == 1


async def test_a_key_is_revoked_for_good_and_twice_is_no_error(admin: Asking) -> None:
    made = (await create(admin))["apiKey"]["id"]
    first = (await admin.get(REVOKE, {"id": made}))["revokeApiKey"]
    assert first["apiKey"]["revokedAt"] is not None
    assert (await admin.get(REVOKE, {"id": made}))["revokeApiKey"] == first


async def test_neither_the_own_key_nor_one_of_others_is_revoked(admin: Asking) -> None:
    await add_workspace(admin.database.inner, OTHER)
    theirs = replace(admin, workspace=OTHER)
    made = (await create(theirs))["apiKey"]["id"]
    for key, code in ((OWN, "INVALID"), (made, "NOT_FOUND"), ("key_", "INVALID")):
        found = (await admin.get(REVOKE, {"id": key}))["revokeApiKey"]
        assert found == {"apiKey": None, "userErrors": [{"field": ["id"], "code": code}]}
    assert (await theirs.get("{ apiKeys { nodes { revokedAt } } }"))["apiKeys"]["nodes"] == [
        {"revokedAt": None},
        {"revokedAt": None},
    ]


async def test_who_asked_for_what_is_kept_done_or_not(admin: Asking) -> None:
    states = 'mutation { identify(input: {userId: "u1", traits: {}, messageId: "%s"}) { %s } }'
    reader = replace(admin, scopes=frozenset({Scope.READ}))
    await admin.get(states % ("m1", "receipt { outcome }"))
    await admin.get(states % ("m1", "receipt { outcome }"))
    await admin.get('mutation { identify(input: {userId: "", traits: {}}) { __typename } }')
    assert await reader.code(states % ("m2", "__typename")) == "FORBIDDEN"
    made = (await create(admin))["apiKey"]["id"]
    await admin.get(REVOKE, {"id": made})
    await admin.get('mutation { eraseCustomer(input: {userId: "u1"}) { __typename } }')
    entries = await log(admin)
    assert {entry["key"]["id"] for entry in entries} == {OWN}
    told = Counter(
        (each["action"], each["succeeded"], each["messageId"], each["outcome"]) for each in entries
    )
    assert told == {
        ("identify", True, "m1", "APPLIED"): 1,
        ("identify", True, "m1", "DUPLICATE"): 1,
        # One was wrong, one was not allowed.
        ("identify", False, None, None): 2,
        ("createApiKey", True, None, None): 1,
        ("revokeApiKey", True, None, None): 1,
        ("eraseCustomer", True, "made-0", "APPLIED"): 1,
    }
    ids = [entry["id"] for entry in entries]
    read = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert (await admin.get(read, {"ids": ids}))["nodes"] == [{"id": each} for each in ids]
    assert (await reader.get(read, {"ids": ids}))["nodes"] == [None] * len(ids)


async def test_the_audit_keeps_no_trait_no_secret_and_nobody_who_was_erased(
    admin: Asking,
) -> None:
    await admin.get(
        """mutation { signUp(input: {userId: "person-7", email: "ada@example.test", messageId: "m"})
        { __typename } }"""
    )
    secret = (await create(admin))["secret"]
    await admin.get('mutation { eraseCustomer(input: {userId: "person-7"}) { __typename } }')
    await log(admin)
    rows = str(await admin.database.inner.read("select * from audit"))
    for told in ("person-7", "ada@example.test", secret, secret[12:]):
        assert told not in rows
    assert "eraseCustomer" in rows


async def test_a_mutation_that_fails_is_kept_as_not_done(admin: Asking) -> None:
    await admin.ingest.close()
    states = (
        'mutation { identify(input: {userId: "u1", traits: {}, messageId: "m9"}) { __typename } }'
    )
    assert await admin.code(states) == "UNAVAILABLE"
    (entry,) = await log(admin)
    assert (entry["action"], entry["succeeded"], entry["messageId"]) == ("identify", False, "m9")


async def test_the_log_is_the_workspaces_own(admin: Asking) -> None:
    await add_workspace(admin.database.inner, OTHER)
    await create(admin)
    assert await log(replace(admin, workspace=OTHER)) == []
    (entry,) = await log(admin)
    assert entry["at"] == "2026-07-20T00:00:00.000000Z"
