"""What Segment's SDKs really sent is taken, and nothing in it is lost."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import pytest

from api.auth import Scope
from api.keys import Wanted, create
from tests.http.running import NOON, Calyx

FOLDER = Path(__file__).parent / "captures"
CAPTURES = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
WRITE_KEY = "WK_test_key"
# Who carries the message, not what it says: `writeKey` is a secret, the others belong to the way.
LEFT_BEHIND = {"writeKey"}


@pytest.fixture
async def known(calyx: Calyx) -> Calyx:
    """Give a Calyx that knows the write key of the recordings."""
    wanted = Wanted("recorded", frozenset({Scope.INGEST}), secret=WRITE_KEY)
    await create(calyx.database, calyx.workspace, wanted, now=NOON)
    return calyx


def test_the_recordings_are_there() -> None:
    assert len(CAPTURES) == 15


@pytest.mark.parametrize("recorded", CAPTURES.values(), ids=CAPTURES.keys())
async def test_a_recorded_request_is_taken_and_nothing_in_it_is_lost(
    known: Calyx, recorded: dict[str, Any]
) -> None:
    answer = await known.client.request(
        recorded["method"],
        recorded["path"],
        content=_raw_body(recorded),
        headers=[(name, value) for name, value in recorded["headers"] if name.lower() != "host"],
    )
    assert (answer.status_code, answer.content) == (200, b'{"success": true}')
    assert await known.database.read("select reason from quarantine") == []
    stored = {body["messageId"]: body for body in await known.stored()}
    sent = _messages(recorded["body"])
    assert set(stored) == {message["messageId"] for message in sent}
    for message in sent:
        _assert_holds(stored[message["messageId"]], message)


@pytest.mark.parametrize("recorded", CAPTURES.values(), ids=CAPTURES.keys())
async def test_a_recorded_request_sent_again_adds_nothing(
    known: Calyx, recorded: dict[str, Any]
) -> None:
    counts = []
    for _ in range(2):
        await known.client.post(
            recorded["path"], content=_raw_body(recorded), headers=recorded["headers"]
        )
        counts.append(await known.database.read("select count(*) from events"))
    assert counts[0] == counts[1] != [(0,)]


def _raw_body(recorded: dict[str, Any]) -> bytes:
    if recorded["raw_b64"] is not None:
        return base64.b64decode(recorded["raw_b64"])
    text: str = recorded["raw_text"]
    return text.encode()


def _messages(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the messages of a body, each with what the batch says of all of them."""
    if "batch" not in body:
        return [body]
    names = ["sentAt", "context", "integrations"]
    shared = {name: body[name] for name in names if name in body}
    return [_merged(shared, message) for message in body["batch"]]


def _merged(shared: dict[str, Any], message: dict[str, Any]) -> dict[str, Any]:
    merged = dict(message)
    for name, value in shared.items():
        if isinstance(value, dict):
            merged[name] = value | message.get(name, {})
        else:
            merged.setdefault(name, value)
    return merged


def _assert_holds(stored: dict[str, Any], sent: dict[str, Any]) -> None:
    for name, value in sent.items():
        if name not in LEFT_BEHIND:
            assert stored.get(name, "absent") == _canonical(value), name


def _canonical(value: Any) -> Any:
    """Return a value as the contract stores it: no NaN, NUL or lone surrogates."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str):
        return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in value)
    if isinstance(value, dict):
        return {_canonical(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value
