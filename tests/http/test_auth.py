"""Who may come in: keys in every place they may stand, scopes, revocation."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from api import auth, keys
from api.auth import Caller, Gate, Scope
from api.doors import routes
from api.errors import Refusal
from api.keys import Refused, Wanted
from models.values import Workspace
from tests.databases import file_of, opened
from tests.http.running import NOON, Calyx, Clock, Running, a_calyx, a_key

TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}
SDK_DOORS = sorted(path for path in routes() if path.startswith("/v1/"))


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


WRONG_KEYS: dict[str, dict[str, str | bytes]] = {
    "no key": {},
    "an empty header": {"Authorization": ""},
    "an empty bearer": {"Authorization": "Bearer "},
    "an empty user name": {"Authorization": "Basic Og=="},
    "an unknown bearer": {"Authorization": "Bearer calyx_" + "0" * 64},
    "an unknown user name": {"Authorization": "Basic " + base64.b64encode(b"WK_nobody:").decode()},
    "a broken base64": {"Authorization": "Basic !"},
    "half a base64": {"Authorization": "Basic A"},
    "another scheme": {"Authorization": "Digest username=x"},
    "a scheme alone": {"Authorization": "Bearer"},
    "bytes that are no ASCII": {"Authorization": b"Bearer \xff\xfe\x00k\xc3\xa9y"},
    "a key of 1 MB": {"Authorization": "Bearer " + "k" * 1_000_000},
    "a user name of 1 MB": {"Authorization": "Basic " + "a" * 1_000_000},
}


async def test_no_door_opens_without_a_key(calyx: Calyx) -> None:
    for path in routes():
        answer = await calyx.client.post(path, json=TRACK)
        assert answer.status_code == 401, path
        assert answer.json()["code"] == "UNAUTHENTICATED"
        assert "Authorization" in answer.json()["message"]
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("headers", WRONG_KEYS.values(), ids=WRONG_KEYS.keys())
@pytest.mark.parametrize("path", ["/segment", "/v1/batch"])
async def test_a_key_that_is_none_is_401(here: Running, path: str, headers: dict[str, Any]) -> None:
    answer = await here.client.post(path, json=TRACK, headers=headers)
    assert answer.status_code == 401
    assert await here.stored() == []


@pytest.mark.parametrize(
    "write_key", [None, 5, "", "nobody", "\ud800", "k" * 1_000_000, ["x"], {"a": 1}, True]
)
async def test_a_write_key_that_is_none_is_401(calyx: Calyx, write_key: object) -> None:
    body = {"type": "page", "userId": "u", "writeKey": write_key}
    answer = await calyx.client.post("/v1/page", content=json.dumps(body))
    assert answer.status_code == 401


async def test_a_write_key_that_is_not_utf_8_is_401(calyx: Calyx) -> None:
    body = b'{"type":"page","userId":"u","writeKey":"\xed\xbf\xbf"}'
    answer = await calyx.post("/v1/page", content=body, headers={})
    assert answer.status_code == 401


async def test_a_wrong_header_is_not_mended_by_a_right_write_key(calyx: Calyx) -> None:
    body = TRACK | {"writeKey": calyx.secrets[Scope.INGEST]}
    answer = await calyx.client.post("/v1/track", json=body, headers=basic("nobody:"))
    assert answer.status_code == 401


async def test_segments_own_door_does_not_look_for_keys_in_bodies(calyx: Calyx) -> None:
    body = TRACK | {"writeKey": calyx.secrets[Scope.INGEST]}
    assert (await calyx.client.post("/segment", json=body)).status_code == 401


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE])
@pytest.mark.parametrize("path", ["/segment", "/v1/track", "/v1/b"])
async def test_a_key_without_scope_ingest_is_403(calyx: Calyx, path: str, scope: Scope) -> None:
    answer = await calyx.post(path, json=TRACK, headers=calyx.key(scope))
    assert answer.status_code == 403
    assert answer.json()["code"] == "FORBIDDEN"
    assert "ingest" in answer.json()["message"]
    assert await calyx.stored() == []


@pytest.mark.parametrize("scope", [Scope.INGEST, Scope.ADMIN])
async def test_scope_ingest_opens_the_doors_and_admin_implies_it(
    calyx: Calyx, scope: Scope
) -> None:
    assert (await calyx.post("/segment", json=TRACK, headers=calyx.key(scope))).status_code == 200


@pytest.mark.parametrize("form", ["{}:", "{}", "{}:a password", "{}::"])
async def test_a_key_is_the_user_name_and_the_password_is_ignored(calyx: Calyx, form: str) -> None:
    headers = basic(form.format(calyx.secrets[Scope.INGEST]))
    assert (await calyx.client.post("/segment", json=TRACK, headers=headers)).status_code == 200


async def test_schemes_are_read_without_case(calyx: Calyx) -> None:
    headers = {"Authorization": f"bEARER  {calyx.secrets[Scope.INGEST]}"}
    assert (await calyx.client.post("/segment", json=TRACK, headers=headers)).status_code == 200


async def test_each_sdk_door_takes_the_key_from_the_body(calyx: Calyx) -> None:
    for path in SDK_DOORS:
        body = TRACK | {"writeKey": calyx.secrets[Scope.INGEST]}
        answer = await calyx.client.post(path, json=body)
        assert (answer.status_code, answer.content) == (200, b'{"success": true}'), path


async def test_a_write_key_is_found_beside_what_is_no_json(calyx: Calyx) -> None:
    body = '{"batch":[{"type":"identify","userId":"u","traits":{"a":NaN,"b":%s,"c":"\\ud800"}}],"writeKey":"%s"}'
    content = body % ("9" * 5_000, calyx.secrets[Scope.INGEST])
    answer = await calyx.client.post("/v1/batch", content=content)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


async def test_a_write_key_is_never_stored(calyx: Calyx) -> None:
    secret = calyx.secrets[Scope.INGEST]
    await calyx.client.post(
        "/v1/batch", json={"writeKey": secret, "batch": [TRACK | {"writeKey": secret}]}
    )
    await calyx.client.post("/v1/track", json=TRACK | {"writeKey": secret, "messageId": "m2"})
    assert len(await calyx.stored()) == 2
    assert secret not in json.dumps(await calyx.stored())


async def test_of_a_key_only_its_hash_is_stored(on_a_file: Running, sqlite_url: str) -> None:
    found = _files(sqlite_url)
    assert any(b"for a test" in content for content in found)
    assert not any(on_a_file.secrets[Scope.READ].encode() in content for content in found)


async def test_a_revoked_key_is_refused_within_five_seconds(here: Running) -> None:
    assert (await here.post("/segment", json=TRACK)).status_code == 200
    (key,) = [key for key in await keys.listed(here.database) if Scope.INGEST in key.scopes]
    assert await keys.revoke(here.database, key.public_id, NOON)
    here.clock.forward(4.9)
    assert (await here.post("/segment", json=TRACK)).status_code == 401


async def test_a_key_that_expires_stops_at_its_time(here: Running) -> None:
    secret = await a_key(here.database, here.workspace, Scope.INGEST, expires_at=NOON + 1_000_000)
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await here.post("/segment", json=TRACK, headers=headers)).status_code == 200
    here.clock.forward(1)
    assert (await here.post("/segment", json=TRACK, headers=headers)).status_code == 401


async def test_a_key_made_while_we_run_works_at_once(calyx: Calyx) -> None:
    secret = await a_key(calyx.database, calyx.workspace, Scope.INGEST)
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await calyx.post("/segment", json=TRACK, headers=headers)).status_code == 200


async def test_keys_lead_to_their_own_workspace(calyx: Calyx) -> None:
    other, _ = await keys.ensure_workspace(calyx.database, "other", NOON)
    secret = await a_key(calyx.database, other.workspace, Scope.INGEST)
    await calyx.post("/segment", json=TRACK, headers={"Authorization": f"Bearer {secret}"})
    rows = await calyx.database.read("select workspace_id from events")
    assert rows == [(other.workspace.id,)]


async def test_when_a_key_was_last_used_is_stored_on_the_way_out(database_url: str) -> None:
    async with a_calyx(database_url) as calyx:
        calyx.clock.forward(7)
        await calyx.post("/segment", json=TRACK)
    async with a_calyx(database_url) as calyx:
        used = {key.last_used_at for key in await keys.listed(calyx.database)}
    assert used == {None, NOON + 7_000_000}


def _files(url: str) -> list[bytes]:
    file = file_of(url)
    return [path.read_bytes() for path in file.parent.glob(f"{file.name}*")]


class Counting:
    """A database of one key that counts how often it is asked."""

    def __init__(self) -> None:
        self.reads = 0
        self.there = True

    async def read(self, _sql: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        self.reads += 1
        row = (args[0], 1, "default", b"k" * 16, "ingest", None, None, None)
        return [row] if self.there else []


async def test_a_key_is_read_once_for_two_seconds_of_requests() -> None:
    database, clock = Counting(), Clock()
    gate = Gate(database, clock)
    for _ in range(100):
        await gate.admit(b"secret")
        clock.forward(0.015)
    assert database.reads == 1
    clock.forward(1)
    await gate.admit(b"secret")
    assert database.reads == 2


async def test_a_clock_set_back_does_not_make_a_key_immortal() -> None:
    database, clock = Counting(), Clock()
    gate = Gate(database, clock)
    await gate.admit(b"secret")
    clock.forward(-3_600)
    database.there = False
    with pytest.raises(Refusal):
        await gate.admit(b"secret")


async def test_unknown_keys_are_not_remembered() -> None:
    database = Counting()
    gate = Gate(database, Clock())
    database.there = False
    for guess in range(10):
        with pytest.raises(Refusal):
            await gate.admit(b"%d" % guess)
    database.there = True
    assert (await gate.admit(b"3")).workspace == Workspace(1, "default")


async def test_no_more_keys_are_remembered_than_there_is_room_for() -> None:
    database = Counting()
    gate = Gate(database, Clock())
    for number in range(auth.CACHED_MAX + 1):
        await gate.admit(b"%d" % number)
    before = database.reads
    await gate.admit(b"%d" % auth.CACHED_MAX)
    assert database.reads == before
    await gate.admit(b"0")
    assert database.reads == before + 1


def test_a_caller_may_what_its_scopes_say_and_no_more() -> None:
    caller = Caller(Workspace(1, "w"), b"k", frozenset({Scope.READ}))
    assert [scope for scope in Scope if caller.may(scope)] == [Scope.READ]
    admin = Caller(Workspace(1, "w"), b"k", frozenset({Scope.ADMIN}))
    assert all(admin.may(scope) for scope in Scope)


async def test_the_first_admin_key_is_given_once(database_url: str) -> None:
    async with opened(database_url) as database:
        first = await keys.ensure_default(database, NOON, None)
        assert first is not None
        assert first.key.scopes == {Scope.ADMIN}
        assert await keys.ensure_default(database, NOON, None) is None


async def test_no_first_key_is_made_where_keys_are(calyx: Calyx) -> None:
    assert await keys.ensure_default(calyx.database, NOON, None) is None


async def test_the_operators_admin_key_is_made_to_work_at_every_start(here: Running) -> None:
    headers = {"Authorization": "Bearer chosen-by-the-operator"}
    assert await keys.ensure_default(here.database, NOON, "chosen-by-the-operator") is None
    assert (await here.post("/segment", json=TRACK, headers=headers)).status_code == 200
    (key,) = [key for key in await keys.listed(here.database) if key.name == keys.ADMIN_KEY_NAME]
    assert key.prefix == ""
    await keys.revoke(here.database, key.public_id, NOON)
    await keys.ensure_default(here.database, NOON, "chosen-by-the-operator")
    here.clock.forward(3)
    assert (await here.post("/segment", json=TRACK, headers=headers)).status_code == 200
    assert len(await keys.listed(here.database)) == len(Scope) + 1


async def test_a_secret_of_another_workspace_is_refused_and_its_key_stays_as_it_is(
    calyx: Calyx,
) -> None:
    other, _ = await keys.ensure_workspace(calyx.database, "other", NOON)
    secret = calyx.secrets[Scope.READ]
    before = await keys.listed(calyx.database)
    wanted = Wanted("", frozenset({Scope.ADMIN}), secret=secret)
    with pytest.raises(Refused, match="another workspace"):
        await keys.create(calyx.database, other.workspace, wanted, now=NOON)
    assert await keys.listed(calyx.database) == before


async def test_a_key_without_scopes_is_refused(calyx: Calyx) -> None:
    with pytest.raises(Refused, match="at least one scope"):
        await keys.create(calyx.database, calyx.workspace, Wanted("", frozenset()), now=NOON)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 257])
async def test_a_workspace_needs_a_name_that_can_be_printed(calyx: Calyx, name: str) -> None:
    with pytest.raises(Refused):
        await keys.ensure_workspace(calyx.database, name, NOON)
