"""Clients that post and read, and send again what was not acknowledged, as Segment's SDKs do."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cluster.oracle import Request

BATCHERS, SINGLES, READERS = 4, 4, 2
BATCH_MESSAGES = 10
_ANSWER_SECONDS_MAX = 10.0
# Sooner than `Retry-After` asks: a gap in the table is then the servers', not the clients'.
_AGAIN_SECONDS_MIN, _AGAIN_SECONDS_MAX = 0.05, 0.4
PACE_SECONDS = 0.015
"""How long a client rests between two requests."""

# For the last answers, once nothing new is sent.
_LAST_ANSWERS_SECONDS = 20.0
_BEGINNING = datetime(2026, 11, 2, tzinfo=UTC)
_USERS_OF_A_CLIENT = 20
_RETRIED = {429, 503, 504}
# GraphQL may say within a 200 that it cannot answer now.
_LATER = (b'"UNAVAILABLE"', b'"TIMEOUT"')
_STRANGE = (b'"errors"', b'"CONFLICT"', b'"QUARANTINED"')
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


@dataclass
class Tally:
    """What was sent and what came back."""

    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    sent: list[Request] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    acknowledged_at: list[float] = field(default_factory=list)
    read_at: list[float] = field(default_factory=list)
    retries: Counter[str] = field(default_factory=Counter)
    unexpected: Counter[str] = field(default_factory=Counter)
    """Answers that no client should get, whatever is killed."""


class Load:
    """Some clients of one address, until they are told to stop."""

    def __init__(self, port: int, key: str, seed: str, pace_s: float = PACE_SECONDS) -> None:
        self.tally = Tally()
        self._port = port
        self._key = key
        self._seed = seed
        self._pace_s = pace_s
        self._is_over = False
        self._give_up_at = float("inf")

    async def run(self) -> None:
        """Post and read until the end; then wait for the last answers."""
        await asyncio.gather(
            *(self._post(f"b{n}", BATCH_MESSAGES) for n in range(BATCHERS)),
            *(self._post(f"s{n}", 1) for n in range(SINGLES)),
            *(self._read(f"r{n}") for n in range(READERS)),
        )

    def stop(self) -> None:
        """Have nothing new sent."""
        self.tally.ended = time.monotonic()
        self._is_over = True
        self._give_up_at = self.tally.ended + _LAST_ANSWERS_SECONDS

    async def _post(self, name: str, each: int) -> None:
        caller = _Caller(self._port, self._key)
        rng = random.Random(f"{self._seed}/{name}")
        for ids, body in _requests(f"{self._seed}.{name}", each, rng):
            if self._is_over:
                break
            self.tally.sent.append(ids)
            path = "/v1/batch" if each > 1 else "/segment"
            if await self._answered(caller, path, body, rng):
                self.tally.acknowledged.update(ids)
                self.tally.acknowledged_at.append(time.monotonic())
            await asyncio.sleep(rng.uniform(0.5, 1.5) * self._pace_s)
        caller.close()

    async def _read(self, name: str) -> None:
        caller = _Caller(self._port, self._key)
        rng = random.Random(f"{self._seed}/{name}")
        while not self._is_over:
            user = f"{self._seed}.b0.{rng.randrange(_USERS_OF_A_CLIENT)}"
            query = "query Q($u: String) { customer(userId: $u) { userId lastSeenAt traits } }"
            body = json.dumps({"query": query, "variables": {"u": user}}).encode()
            if await self._answered(caller, "/graphql", body, rng):
                self.tally.read_at.append(time.monotonic())
            await asyncio.sleep(rng.uniform(0.5, 1.5) * self._pace_s)
        caller.close()

    async def _answered(self, caller: _Caller, path: str, body: bytes, rng: random.Random) -> bool:
        """Send until it is answered well; return False if it never was."""
        pause = _AGAIN_SECONDS_MIN
        while time.monotonic() < self._give_up_at:
            status, answer = await caller.call(path, body)
            if status == 200 and not any(word in answer for word in _STRANGE):
                return True
            if status is None or status in _RETRIED or any(word in answer for word in _LATER):
                self.tally.retries[str(status or "connection lost")] += 1
            else:
                self.tally.unexpected[f"{path} {status} {answer[:300].decode()}"] += 1
            await asyncio.sleep(rng.uniform(0.5, 1.5) * pause)
            pause = min(2 * pause, _AGAIN_SECONDS_MAX)
        return False


class _Caller:
    """One connection that is kept, and opened again when it is lost."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._head = (
            "POST {} HTTP/1.1\r\nHost: calyx\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {key}\r\nContent-Length: {{}}\r\n\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, path: str, body: bytes) -> tuple[int | None, bytes]:
        """Return status and body of the answer; None when the connection was lost."""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS_MAX):
                return await self._call(path, body)
        except (OSError, EOFError, TimeoutError):
            self.close()
            return None, b""

    def close(self) -> None:
        """Let go of the connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()

    async def _call(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(self._head.format(path, len(body)).encode() + body)
        head = await reader.readuntil(_HEAD_END)
        lines = head.lower().split(b"\r\n")
        length = next(line for line in lines if line.startswith(_LENGTH))
        return int(head[9:12]), await reader.readexactly(int(length[len(_LENGTH) :]))


def _requests(name: str, each: int, rng: random.Random) -> Iterator[tuple[Request, bytes]]:
    """Yield without end the ids and the body of a request; each client has users of its own."""
    number = 0
    while True:
        messages = []
        for _ in range(each):
            number += 1
            messages.append(_message(name, number, rng))
        ids = tuple(message["messageId"] for message in messages)
        body: Any = {"batch": messages} if each > 1 else messages[0]
        yield ids, json.dumps(body).encode()


def _message(name: str, number: int, rng: random.Random) -> dict[str, Any]:
    at = _BEGINNING + timedelta(milliseconds=number)
    message = {
        "messageId": f"{name}.{number}",
        "userId": f"{name}.{rng.randrange(_USERS_OF_A_CLIENT)}",
        "timestamp": at.isoformat(timespec="milliseconds"),
    }
    if rng.random() < 0.5:
        return message | {"type": "identify", "traits": {"mark": number, "plan": "pro"}}
    return message | {"type": "track", "event": "Report Viewed", "properties": {"page": number}}
