"""Measure how fast messages become durable, one each request and in batches."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path

from tests.benchmarks import servers
from tests.benchmarks.comparison import Broken, Comparison, Load, Say, Sizes, put_under_load
from tests.benchmarks.load import Measured, Messages

PEER = "session an event"

_SINGLES_CONNECTIONS = 64
_BATCH_CONNECTIONS = 4

Start = Callable[[Path, Path], AbstractContextManager[servers.Server]]


def compare(sizes: Sizes, folder: Path, say: Say) -> list[Comparison]:
    """Return what Calyx and a session-an-event service do, in turn, each round on empty databases."""
    loads = _loads(sizes)
    comparisons = [Comparison(load, PEER) for load in loads]
    for number in range(sizes.rounds):
        say(f"writing, round {number + 1} of {sizes.rounds}")
        room = folder / f"writes-{number}"
        room.mkdir()
        ours = measure_from_empty(servers.calyx, "events", room / "calyx.db", loads, sizes, say)
        theirs = measure_from_empty(_start_peer, "event", room / "peer.db", loads, sizes, say)
        for comparison, pair in zip(comparisons, zip(ours, theirs, strict=True), strict=True):
            comparison.rounds.append(pair)
    return comparisons


def measure_from_empty(
    start: Start, table: str, database: Path, loads: list[Load], sizes: Sizes, say: Say
) -> list[Measured]:
    """Return what a server does on a new database; raise Broken if it lost what it said 200 to."""
    with start(database.parent, database) as server:
        measured = [put_under_load(server, load, sizes, say) for load in loads]
    answered = sum(one.answered_in_all for one in measured)
    with closing(sqlite3.connect(database)) as connection:
        (stored,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 (a name of ours)
    if stored < answered:
        raise Broken(f"{server.name} said 200 to {answered} events and has stored {stored}")
    return measured


def _loads(sizes: Sizes) -> list[Load]:
    return [
        Load(
            title=f"one event a request, {_SINGLES_CONNECTIONS} connections",
            unit="events",
            path="/segment",
            authorization=servers.BASIC,
            connections=_SINGLES_CONNECTIONS,
            what=Messages(seed=1, customers=sizes.senders),
        ),
        Load(
            title=f"batches of {sizes.batch}, {_BATCH_CONNECTIONS} connections",
            unit="events",
            path="/v1/batch",
            authorization=servers.BASIC,
            connections=_BATCH_CONNECTIONS,
            what=Messages(seed=2, customers=sizes.senders, batch=sizes.batch),
        ),
    ]


def _start_peer(folder: Path, database: Path) -> AbstractContextManager[servers.Server]:
    return servers.peer(PEER, "naive_service", "sqlite", folder, database)
