"""Hostile requests by the million, in process: none may be our fault, and none may leave a trace in the log."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple

from api.auth import Scope
from tests.chaos.crew import a_crew
from tests.chaos.grounds import Ground
from tests.chaos.hostile_requests import Hostile, request
from tests.chaos.logs import watched_logs
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.http.running import Running, a_calyx, a_key

DECLARED = {200, 204, 304, 400, 401, 403, 404, 405, 408, 413, 415, 429, 503}
"""What the documents say may be answered; 503 only with Retry-After, and 504 only as TIMEOUT of GraphQL."""

_TIMEOUT = b'"code":"TIMEOUT"'

# Enough that who waits for a commit keeps nobody waiting.
_AT_ONCE = 16
_OF_A_DATABASE = 4_000
_PROCESSES = 8
_OF_A_ROUND = _PROCESSES * _OF_A_DATABASE
_FAULTS = (b'"code":"INTERNAL"', b"Traceback (most recent call last)")


class Flooded(NamedTuple):
    """What came of some requests."""

    statuses: Counter[int]
    troubles: list[str]


async def flood(plan: Plan, outcome: Outcome) -> None:
    """Send hostile requests to Calyx on both databases."""
    count = plan.times(1_200, 60_000)
    rng = plan.rng(outcome.name)
    statuses: Counter[int] = Counter()
    async with a_crew(plan, alone=count <= _OF_A_DATABASE, processes=_PROCESSES) as (
        crew,
        files,
        rows,
    ):
        for done in plan.rounds(outcome.name, count, _OF_A_ROUND):
            asked = [
                ((files, rows)[part % 2], rng.randrange(10**12), some)
                for part, some in enumerate(_shares(min(_OF_A_ROUND, count - done)))
            ]
            for flooded in await crew.do(_flood_one, asked):
                statuses += flooded.statuses
                outcome.troubles += flooded.troubles
            if len(outcome.troubles) > 20:
                break
    outcome.did["hostile requests in process"] += statuses.total()
    outcome.notes.append(", ".join(f"{status}: {n:,}" for status, n in sorted(statuses.items())))


def _shares(count: int) -> list[int]:
    """Return how many each database gets; both kinds get some."""
    size = min(_OF_A_DATABASE, -(-count // 2))
    return [min(size, count - first) for first in range(0, count, size)]


async def _flood_one(ground: Ground, seed: int, count: int) -> Flooded:
    flooded = Flooded(Counter(), [])
    async with a_database(ground) as url:
        with watched_logs() as seen:
            async with a_calyx(url) as running:
                keys = [*running.secrets.values()]
                keys.append(await a_key(running.database, running.workspace, *Scope))
                seen.secrets = keys
                await _send_all(running, seed, count, keys, flooded)
        found = seen.lines[:5] + await ground.broken(url)
    told = [f"{ground.name}, seed {seed}: {line}" for line in found]
    return flooded._replace(troubles=flooded.troubles + told)


async def _send_all(
    running: Running, seed: int, count: int, keys: Sequence[str], flooded: Flooded
) -> None:
    """Send so many requests of a seed; a trouble is told with what tries it again."""

    async def some(part: int) -> None:
        rng = random.Random(f"{seed}/{part}")
        for number in range(part, count, _AT_ONCE):
            asked = request(rng, keys, seed)
            status, headers, body = await sent(running.app, asked)
            flooded.statuses[status] += 1
            fault = blame(status, headers, body)
            # It is answered to balancers, which come again by themselves.
            fault = None if asked.path == "/readyz" and status == 503 else fault
            if fault and len(flooded.troubles) < 30:
                flooded.troubles.append(
                    f"seed {seed}/{part}, request {number}: {fault}: {asked!r:.700}"
                )

    await asyncio.gather(*(some(part) for part in range(_AT_ONCE)))


def blame(status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> str | None:
    """Return what is wrong with an answer, if anything is."""
    if status not in DECLARED and not (status == 504 and _TIMEOUT in body):
        return f"status {status}, {body[:200]!r}"
    if status in {429, 503} and not any(name.lower() == b"retry-after" for name, _ in headers):
        return f"status {status} without Retry-After"
    found = [fault.decode() for fault in _FAULTS if fault in body]
    return f"{found[0]} in {body[:300]!r}" if found else None


async def sent(app: Any, asked: Hostile) -> tuple[int, Sequence[tuple[bytes, bytes]], bytes]:
    """Return status, headers and body of the answer to a request."""
    middle = len(asked.body) // 2
    pieces = [asked.body[middle:], asked.body[:middle]]
    status, body = 0, b""
    headers: Sequence[tuple[bytes, bytes]] = []

    async def receive() -> dict[str, Any]:
        if not pieces:
            return {"type": "http.disconnect"}
        piece = pieces.pop()
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status, headers, body
        if message["type"] == "http.response.start":
            status, headers = message["status"], message.get("headers", [])
        else:
            body += message.get("body", b"")

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("calyx.test", 80),
        "method": asked.method,
        "path": asked.path,
        "raw_path": asked.path.encode("utf-8", "replace"),
        "root_path": "",
        "query_string": asked.query,
        "headers": list(asked.headers),
    }
    try:
        await app(scope, receive, send)
    except Exception as error:  # noqa: BLE001 (whatever comes out is what is looked for)
        return 599, headers, repr(error).encode()
    return status, headers, body


SCENARIOS = (
    Scenario(
        "hostile",
        "hostile requests to every door, both databases",
        "1,000,000 requests, no undeclared status",
        flood,
        "trusting",
    ),
)
