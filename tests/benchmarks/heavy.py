"""Measure events with much behind them: how long each takes, and how long others wait meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks import stores
from tests.benchmarks.comparison import Broken, Say
from tests.benchmarks.imports import import_one
from tests.benchmarks.servers import environment
from tests.postgres import Missing

EVENTS, MEMBERS = 1_000_000, 100_000

_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
# Of some 700 bytes, as others measure.
_FILLER = "x" * 480
_TOGGLED = 1_000

Body = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What lies behind an event, and the event."""

    name: str
    size: int
    behind: Callable[[int], Iterable[Body]]
    event: Body


@dataclass(frozen=True)
class Told:
    """What one event came to."""

    database: str
    name: str
    seconds: float
    longest_wait_ms: float
    """Of those who sent single messages meanwhile."""
    others: int
    rows: int
    """That were read outside of transactions."""
    memory_mb: float
    """The most that the process had."""
    memory_before_mb: float


@dataclass(frozen=True)
class Heavy:
    """All that one run measured."""

    told: list[Told] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    absent: str | None = None
    """Why PostgreSQL was not measured."""


def measure(
    events: int,
    members: int,
    folder: Path,
    say: Say,
    on_postgres: stores.Starts = stores.durable_postgres,
) -> Heavy:
    """Return what an event takes with so much behind it, with files in `folder`."""
    cases = [
        Case(f"alias of a user of {events:,} events, one flag in common", events, _user, ALIAS),
        Case(f"earlier link of a kiosk of {events:,} events", events, _kiosk, LINK),
        Case(
            f"late deletion, {members:,} members added again",
            members,
            _account,
            _at(members, DELETION),
        ),
    ]
    found = Heavy(about=[f"Messages of some {len(_line(_seen(0, {}))):,} bytes"])
    files: list[Path] = []
    for number, case in enumerate(cases):
        say(f"writing what lies behind: {case.name}")
        files.append(folder / f"behind-{number}.jsonl")
        with files[-1].open("wb") as archive:
            archive.writelines(map(_line, case.behind(case.size)))
    found.told.extend(_in("SQLite", stores.SqliteFiles(folder), cases, files, say))
    with ExitStack() as stack:
        try:
            server = stack.enter_context(on_postgres())
        except Missing as missing:
            return Heavy(found.told, found.about, str(missing))
        found.about.append(server.about())
        found.told.extend(_in("PostgreSQL", server, cases, files, say))
    return found


def _in(
    name: str, store: stores.Store, cases: list[Case], files: list[Path], say: Say
) -> Iterator[Told]:
    for case, file in zip(cases, files, strict=True):
        url = store.new()
        say(f"importing into {name}")
        import_one(name, "empty", url, file, store.pid)
        store.analyze(url)
        say(f"{name}: {case.name}")
        ended = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.heavy_one", url, json.dumps(case.event)],
            cwd=file.parent,
            env=environment({}),
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise Broken(f"{case.name} in {name} failed: {ended.stderr.strip()}")
        told = Told(name, case.name, **json.loads(ended.stdout))
        say(f"{told.seconds:.1f} s, others waited {told.longest_wait_ms:,.0f} ms at most")
        store.drop(url)
        yield told


def _user(size: int) -> Iterator[Body]:
    yield _at(0, {"type": "identify", "userId": "other", "traits": {"vip": True}})
    for n in range(size):
        if n % _TOGGLED:
            yield _seen(n, {"userId": "big"})
        else:
            traits = {"vip": n % (2 * _TOGGLED) == 0, "filler": _FILLER}
            yield _at(n, {"type": "identify", "userId": "big", "traits": traits})


def _kiosk(size: int) -> Iterator[Body]:
    for n in range(size):
        yield _seen(n, {"anonymousId": "kiosk"})
    yield _seen(size, {"userId": "someone", "anonymousId": "kiosk"})


def _account(size: int) -> Iterator[Body]:
    for n in range(2 * size):
        said = {"event": "Account Added User", "userId": f"u{n % size}", "groupId": "everybody"}
        yield _at(n + (n >= size), {"type": "track", **said, "properties": {"role": "member"}})


def _seen(n: int, whom: Body) -> Body:
    return _at(n, {"type": "track", "event": "Seen", **whom, "properties": {"filler": _FILLER}})


def _at(n: int, body: Body) -> Body:
    at = (_FIRST + timedelta(seconds=n)).isoformat()
    return {"messageId": f"behind-{n}-{body.get('userId')}", **body, "timestamp": at}


def _line(body: Body) -> bytes:
    return json.dumps({**body, "receivedAt": body["timestamp"]}).encode() + b"\n"


ALIAS: Body = {"type": "alias", "userId": "other", "previousId": "big", "messageId": "heavy"}
LINK: Body = {
    "type": "track",
    "event": "Seen",
    "userId": "early",
    "anonymousId": "kiosk",
    "messageId": "heavy",
    "timestamp": "2024-12-31T00:00:00Z",
}
DELETION: Body = {
    "type": "track",
    "event": "Account Deleted",
    "groupId": "everybody",
    "messageId": "heavy",
}
