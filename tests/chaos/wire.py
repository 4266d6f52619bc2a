"""Hostile bytes over real sockets: requests as in process, and what no client of HTTP would ever send."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress

from tests.chaos.grounds import a_ground
from tests.chaos.hostile import DECLARED
from tests.chaos.hostile_requests import Hostile, request
from tests.chaos.hostile_values import CANARY
from tests.chaos.logs import Seen
from tests.chaos.overload import memory_mb
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.chaos.servers import KEY, a_nursery, serving

MEMORY_MB_MAX = 128

# Most of the time is waiting until the server gives up.
_AT_ONCE = 256
_ANSWER_SECONDS_MAX = 20.0
_BODY_SECONDS_MAX = "2"
_LEFT_SECONDS = (0.0, 0.02)
_HOST = b"Host: calyx.test\r\n"
_GET = b"GET /healthz HTTP/1.1\r\n" + _HOST
_POST = (
    b"POST /v1/track HTTP/1.1\r\n" + _HOST + f"Authorization: Bearer {KEY}\r\n".encode()
) + b"Content-Type: application/json\r\n"
_UPGRADE = (
    b"GET /graphql HTTP/1.1\r\n" + _HOST + b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_WHOLE: Sequence[bytes] = (
    b"", b"\r\n" * 1_000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/0.9\r\n\r\n", b"get / http/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    b"GET /healthz HTTP/1.1\r\n\r\n", b"GET http://evil.test/healthz HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"CONNECT evil.test:443 HTTP/1.1\r\n" + _HOST + b"\r\n", b"OPTIONS * HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /%ff%00%0d%0aX:1 HTTP/1.1\r\n" + _HOST + b"\r\n", b"GET /\x00\x01 HTTP/1.1\r\n" + _HOST + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + _HOST + b"\r\n", _GET + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
    _GET + b"".join(b"X-%d: y\r\n" % n for n in range(5_000)) + b"\r\n", _GET + b"no colon\r\n\r\n",
    _GET + b"X: a\x00b\r\n\r\n", _GET + b" folded\r\n\r\n", _GET + b"X : y\r\n\r\n", _GET + b"\xff\xfe: \xff\r\n\r\n",
    _GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    _GET + b"Connection: Upgrade\r\nUpgrade: \xff\r\n\r\n", _GET + b"Expect: 100-continue\r\n\r\n",
    (_GET + b"\r\n") * 50, _POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
    _POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", _POST + b"Content-Length: +2\r\n\r\n{}",
    _POST + b"Content-Length: 0x2\r\n\r\n{}", _POST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    _POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", _POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
    _POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}", _POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    _POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}",
    _POST + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"e" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    _POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 5_000 + b"0\r\nX: y\r\n\r\n",
    _POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", _POST + b"Expect: \xff\r\nContent-Length: 2\r\n\r\n{}",
    _POST.replace(b"1.1", b"1.0") + b"\r\n{}",
)  # fmt: skip
"""What is sent as it stands, sound or not."""


async def shout(plan: Plan, outcome: Outcome) -> None:
    """Send hostile bytes to a server, and see it serve on, small and silent."""
    count = plan.times(300, 10_000)
    rng = plan.rng(outcome.name)
    answers: Counter[str] = Counter()
    async with (
        a_ground("sqlite", plan.folder, plan.server) as ground,
        a_nursery(plan.folder) as nursery,
        a_database(ground) as url,
        serving(
            nursery,
            url,
            planted=plan.planted,
            CALYX_BODY_SECONDS_MAX=_BODY_SECONDS_MAX,
            CALYX_LOG_LEVEL="info",
        ) as server,
    ):
        await _shout_all(server.port, rng.randrange(10**12), count // 10, answers, outcome)
        before = memory_mb(server.pid)
        for done in plan.rounds(outcome.name, count, 1_000):
            some = min(1_000, count - done)
            await _shout_all(server.port, rng.randrange(10**12), some, answers, outcome)
        grown = memory_mb(server.pid) - before
        await server.see_ready(_ANSWER_SECONDS_MAX)
        seen = Seen(secrets=[KEY])
        lines = server.log.read_text(errors="replace").splitlines()
        outcome.troubles += [f"logged: {line:.500}" for line in lines if seen.is_bad(line)][:5]
        outcome.troubles += server.errors()[:5]
        await server.kill()
        outcome.troubles += await ground.broken(url)
    if grown > MEMORY_MB_MAX:
        outcome.troubles.append(f"memory grew by {grown:.0f} MB")
    told = ", ".join(f"{answer}: {n:,}" for answer, n in sorted(answers.items()))
    outcome.notes += [told, f"memory +{grown:.0f} MB"]


async def _shout_all(
    port: int, seed: int, count: int, answers: Counter[str], outcome: Outcome
) -> None:
    async def some(part: int) -> None:
        rng = random.Random(f"{seed}/{part}")
        for number in range(part, count, _AT_ONCE):
            sent, is_left = _made(rng)
            outcome.did["hostile connections"] += 1
            said = await _said(port, sent, rng.uniform(*_LEFT_SECONDS) if is_left else None)
            answers[said[9:12].decode() if said.startswith(b"HTTP/1.1 ") else "none"] += 1
            fault = _fault(said)
            if fault and len(outcome.troubles) < 30:
                outcome.troubles.append(
                    f"seed {seed}/{part}, request {number}: {fault}: {sent[:500]!r}"
                )

    await asyncio.gather(*(some(part) for part in range(_AT_ONCE)))


def _made(rng: random.Random) -> tuple[bytes, bool]:
    """Return what is sent, and whether its sender leaves without hearing what is said of it."""
    match rng.randrange(20):
        case 0 | 1 | 2 | 3 | 4:
            return rng.choice(_WHOLE), rng.random() < 0.1
        case 5:
            return rng.randbytes(rng.choice((1, 50, 5_000))), False
        case 6 | 7:
            return _UPGRADE + _frames(rng), rng.random() < 0.2
        case 8:
            whole = _framed(request(rng, (KEY,)))
            return whole[: rng.randrange(len(whole))], rng.random() < 0.9
        case 9:
            turned = bytearray(_framed(request(rng, (KEY,))))
            for _ in range(rng.randrange(1, 6)):
                turned[rng.randrange(min(len(turned), 400))] = rng.randrange(256)
            return bytes(turned), False
        case _:
            return _framed(request(rng, (KEY,))), False


def _framed(asked: Hostile) -> bytes:
    """Return a request as it goes over the wire, with its length where it says none itself."""
    path = asked.path.encode("utf-8", "replace").replace(b" ", b"%20") or b"/"
    target = path + (b"?" + asked.query if asked.query else b"")
    headers = [*asked.headers, (b"connection", b"close")]
    if not any(name == b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(asked.body)).encode()))
    lines = [b"%s: %s" % pair for pair in headers]
    method = asked.method.encode() or b"GET"
    return b"\r\n".join([b"%s %s HTTP/1.1" % (method, target), *lines, b"", asked.body])


def _frames(rng: random.Random) -> bytes:
    """Return frames of a WebSocket: of the protocol, of none, and broken ones."""
    deep = b"[" * 20_000
    texts = (b"[1]", b"{}", b"nonsense", b'{"type":"connection_init"}', b'{"type":"ping","payload":' + deep,
             b'{"type":"connection_init","payload":{"authorization":"Bearer ' + CANARY.encode() + b'"}}',
             b'{"type":"subscribe","id":"1","payload":{"query":"subscription { events { messageId } }"}}', b"\xff")  # fmt: skip
    make: Sequence[Callable[[], bytes]] = (
        lambda: _frame(0x81, rng.choice(texts)),
        lambda: _frame(0x82, rng.choice(texts)),
        lambda: _frame(rng.choice((0x80, 0x01, 0x83, 0xF1, 0x8B)), rng.choice(texts)),
        lambda: _frame(0x89, bytes(200)),
        lambda: _frame(0x88, rng.choice((b"", b"\x03", b"\x03\xe8", b"\xff\xff", b"\x03\xe8\xff"))),
        lambda: b"\x81\xff" + b"\x7f" + bytes(11),
        lambda: b"\x81\x05hello",
        lambda: rng.randbytes(50),
    )
    return b"".join(rng.choice(make)() for _ in range(rng.randrange(5)))


def _frame(head: int, payload: bytes) -> bytes:
    """Return a frame as clients send them, behind a mask that masks nothing."""
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes([head]) + length + bytes(4) + payload


async def _said(port: int, sent: bytes, left_after_s: float | None) -> bytes:
    """Return all that is answered until the connection ends; who leaves hears nothing."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        with suppress(ConnectionError):
            await writer.drain()
        if left_after_s is not None:
            await asyncio.sleep(left_after_s)
            return b""
        return await _heard(reader)
    finally:
        writer.transport.abort()


async def _heard(reader: asyncio.StreamReader) -> bytes:
    heard = b""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS_MAX):
            while chunk := await reader.read(65_536):
                heard = (heard + chunk)[:1_000_000]
                # A stream of events lasts for as long as somebody listens.
                if b"\r\ncontent-type: text/event-stream" in heard[:2_000]:
                    break
    except ConnectionError:
        return heard
    except TimeoutError:
        return b"HUNG " + heard
    return heard


def _fault(said: bytes) -> str | None:
    """Return what is wrong with an answer, if anything is; no answer is none of it."""
    head = said.partition(b"\r\n\r\n")[0].lower()
    if said.startswith(b"HUNG "):
        return f"the connection stays open after {said[:100]!r}"
    if not said:
        return None
    status = int(said[9:12]) if said[9:12].isdigit() else 0
    if status not in DECLARED | {100, 101, 426, 431}:
        return f"answered {said[:200]!r}"
    if status == 503 and b"\r\nretry-after: " not in head:
        return "503 without Retry-After"
    return "a traceback" if b"Traceback (most recent call last)" in said else None


SCENARIOS = (
    Scenario(
        "wire",
        "hostile bytes over real sockets: broken HTTP, WebSocket frames, half a body, and requests as above",
        "10,000 connections, no undeclared status, nothing left open",
        shout,
        "trusting",
    ),
)
