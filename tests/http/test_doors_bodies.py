"""What a door reads of a request: type, encoding, size and time."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest

from api.errors import Code, Refusal
from api.intake import Intake, inflate
from api.limits import BodyLimits
from tests.http.running import Calyx, Receive, Running, a_calyx, raw

TRACK = {"type": "track", "event": "Opened", "userId": "u1", "messageId": "m1"}
BODY = json.dumps(TRACK).encode()
PATHS = ["/segment", "/v1/track", "/v1/batch"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data; boundary=x",
        "image/png",
        "application/x-www-form-urlencoded",
        "application/xml",
        "text/html",
        "application/octet-stream",
        "x/application/json",
        "application/json, text/plain",
        "application/json; charset=utf-16",
        "text/plain;charset=iso-8859-1",
        "*/*",
        "json",
    ],
)
async def test_what_is_no_json_is_415(calyx: Calyx, path: str, kind: str) -> None:
    answer = await calyx.post(path, content=BODY, headers=calyx.key() | {"Content-Type": kind})
    assert answer.status_code == 415
    assert answer.json()["code"] == "UNSUPPORTED_TYPE"
    assert await calyx.stored() == []


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "application/json",
        "Application/JSON; Charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/cloudevents+json",
        "text/json",
        "text/plain",
        "text/plain;charset=UTF-8",
    ],
)
async def test_what_sdks_and_browsers_call_json_is_read(
    calyx: Calyx, path: str, kind: str | None
) -> None:
    headers = calyx.key() | ({} if kind is None else {"Content-Type": kind})
    assert (await calyx.post(path, content=BODY, headers=headers)).status_code == 200
    assert [body["messageId"] for body in await calyx.stored()] == ["m1"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,br", "none"])
async def test_another_encoding_than_gzip_is_415(calyx: Calyx, path: str, encoding: str) -> None:
    headers = calyx.key() | {"Content-Encoding": encoding}
    answer = await calyx.post(path, content=BODY, headers=headers)
    assert answer.status_code == 415
    assert "gzip" in answer.headers["accept-encoding"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [BODY, b"", gzip.compress(BODY)[:-9], gzip.compress(BODY) + b"x", gzip.compress(BODY) * 2],
    ids=["not packed", "empty", "cut off", "with more behind", "two members"],
)
async def test_broken_gzip_is_400(calyx: Calyx, path: str, body: bytes) -> None:
    headers = calyx.key() | {"Content-Encoding": "gzip"}
    answer = await calyx.post(path, content=body, headers=headers)
    assert answer.status_code == 400
    assert "gzip" in answer.json()["message"]


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip "])
async def test_gzip_is_unpacked(here: Running, encoding: str) -> None:
    headers = here.key() | {"Content-Encoding": encoding}
    answer = await here.post("/v1/track", content=gzip.compress(BODY), headers=headers)
    assert answer.status_code == 200
    assert [body["messageId"] for body in await here.stored()] == ["m1"]


@pytest.mark.parametrize("encoding", ["identity", ""])
async def test_no_encoding_may_be_named_too(calyx: Calyx, encoding: str) -> None:
    headers = calyx.key() | {"Content-Encoding": encoding}
    assert (await calyx.post("/segment", content=BODY, headers=headers)).status_code == 200


@pytest.mark.parametrize("path", PATHS)
async def test_a_small_body_that_unpacks_to_a_huge_one_is_413(calyx: Calyx, path: str) -> None:
    bomb = _packed(b" " * 1_000_000 for _ in range(200))
    assert len(bomb) < 250_000
    headers = calyx.key() | {"Content-Encoding": "gzip"}
    answer = await calyx.post(path, content=bomb, headers=headers)
    assert answer.status_code == 413
    assert answer.json()["code"] == "TOO_LARGE"


def test_no_more_is_unpacked_than_the_limit_allows() -> None:
    assert inflate(gzip.compress(b"x" * 1_000), 1_000) == b"x" * 1_000
    with pytest.raises(Refusal) as refused:
        inflate(gzip.compress(b"x" * 1_001), 1_000)
    assert refused.value.code is Code.TOO_LARGE


async def test_a_large_packed_body_is_unpacked_too(calyx: Calyx) -> None:
    # Of noise, so that it is large packed as well, which another thread unpacks.
    chance = Random(7)
    noise = [TRACK | {"messageId": chance.randbytes(40).hex()} for _ in range(3_000)]
    packed = gzip.compress(json.dumps({"batch": noise}).encode())
    assert len(packed) > 64 * 1024
    headers = calyx.key() | {"Content-Encoding": "gzip"}
    assert (await calyx.post("/v1/batch", content=packed, headers=headers)).status_code == 200
    assert len(await calyx.stored()) == 3_000


async def test_a_body_over_the_limit_is_413_and_one_at_it_is_read(database_url: str) -> None:
    async with a_calyx(database_url, body_bytes_max=len(BODY)) as calyx:
        assert (await calyx.post("/segment", content=BODY + b" ")).status_code == 413
        assert (await calyx.post("/segment", content=BODY)).status_code == 200


async def test_a_body_said_to_be_too_large_is_not_received(here: Running) -> None:
    async def receive() -> dict[str, Any]:
        raise AssertionError("the body was asked for")

    headers = here.key() | {"Content-Length": "10485761"}
    sent = await raw(here.app, "/v1/batch", receive, headers)
    assert sent[0]["status"] == 413


async def test_a_body_without_a_length_is_cut_off_at_the_limit(here: Running) -> None:
    pieces = 0

    async def receive() -> dict[str, Any]:
        nonlocal pieces
        pieces += 1
        return {"type": "http.request", "body": b" " * 1_000_000, "more_body": True}

    sent = await raw(here.app, "/v1/batch", receive, here.key())
    assert sent[0]["status"] == 413
    assert pieces == 11


async def test_a_body_that_does_not_arrive_is_408_and_the_connection_ends(
    database_url: str,
) -> None:
    async with a_calyx(database_url, body_seconds_max=0.05) as calyx:
        sent = await raw(calyx.app, "/v1/batch", _half_then_nothing(), calyx.key())
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert json.loads(sent[1]["body"])["code"] == "TOO_SLOW"


async def test_a_client_that_leaves_midway_stores_nothing_and_is_not_answered(
    here: Running,
) -> None:
    pieces: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": BODY, "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> dict[str, Any]:
        return next(pieces)

    assert await raw(here.app, "/segment", receive, here.key()) == []
    assert await here.stored() == []


async def test_a_body_may_come_in_pieces(here: Running) -> None:
    pieces: Iterator[dict[str, Any]] = iter(
        [
            {"type": "http.request", "body": BODY[:10], "more_body": True},
            {"type": "http.request", "body": BODY[10:], "more_body": True},
            {"type": "http.request"},
        ]
    )

    async def receive() -> dict[str, Any]:
        return next(pieces)

    sent = await raw(here.app, "/segment", receive, here.key())
    assert sent[0]["status"] == 200


async def test_many_large_bodies_at_once_are_asked_to_come_again() -> None:
    limits = BodyLimits(bodies_bytes_max=1_500, body_seconds_max=5)
    intake = Intake(limits)
    first = asyncio.create_task(intake.read({}, _half_then_nothing(1_000)))
    await asyncio.sleep(0)
    with pytest.raises(Refusal) as refused:
        await intake.read({}, _whole(b"x" * 600))
    assert refused.value.code is Code.UNAVAILABLE
    assert dict(refused.value.headers)[b"retry-after"] == b"1"
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await intake.read({}, _whole(b"x" * 600)) == b"x" * 600


def _packed(pieces: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(piece) for piece in pieces), packer.flush()])


def _whole(body: bytes) -> Receive:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    return receive


def _half_then_nothing(size: int = 1) -> Receive:
    sent = False

    async def receive() -> dict[str, Any]:
        nonlocal sent
        if sent:
            await asyncio.sleep(60)
        sent = True
        return {"type": "http.request", "body": b"{" * size, "more_body": True}

    return receive
