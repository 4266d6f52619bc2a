"""Measure what usual loads do not show: arrivals that do not wait, slow disks, the machine's own limits, a backlog."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tests.benchmarks import bare_inserts, node, servers, slow_sync, stores, usage, writes
from tests.benchmarks.comparison import Comparison, Load, Say, Sizes, put_under_load
from tests.benchmarks.contest import Contest, Contestant, measure_from_empty
from tests.benchmarks.load import Measured, Messages
from tests.postgres import Missing

_SLOWLY = f"syncs take {slow_sync.MORE_MS} ms more"
CLOSED, SLOW, POST = "Calyx", f"Calyx, {_SLOWLY}", "bare ASGI POST"
PEER = f"{writes.BETTER_SQLITE}, {_SLOWLY}"
INSERTS = f"bare inserts into one table, {bare_inserts.ROWS} a commit"
SHARES = (0.5, 0.9)
OVERLOAD = 10

# So many may be under way before one that is due must wait, which then counts for it.
_OPEN_CONNECTIONS = 512
_OVERLOAD_CONNECTIONS = 128


@dataclass(frozen=True)
class Limits:
    """What was measured, and what is to be said of it."""

    comparisons: list[Comparison]
    about: list[str] = field(default_factory=list)


def compare(
    sizes: Sizes,
    folder: Path,
    say: Say,
    on_postgres: stores.Starts = stores.durable_postgres,
    *,
    installs: bool = False,
) -> Limits:
    """Return what Calyx does under each of these loads, in rounds."""
    sqlite = stores.SqliteFiles(folder)
    about: list[str] = []
    found: list[Comparison] = []
    with ExitStack() as stack:
        found.append(_open_loop("SQLite", sqlite, sizes, folder, say))
        try:
            server = stack.enter_context(on_postgres())
        except Missing as missing:
            load = writes.singles("PostgreSQL", sizes)
            found.append(Comparison(load, absent={CLOSED: str(missing)}, about="open loop"))
        else:
            about.append(server.about())
            found.append(_open_loop("PostgreSQL", server, sizes, folder, say))
    slow = slow_sync.settings(folder)
    if slow is not None:
        about.append(
            f"With slower syncs, one took {slow_sync.sync_ms(folder, slow):.2f} ms before the runs"
        )
    slowly, absent = _slowly(slow, say, installs=installs)
    found += _singles(sqlite, sizes, folder, say, (slowly, absent))
    found.append(_batches(sqlite, sizes, folder, say))
    found.append(_backlog(sqlite, sizes, folder, say, about))
    return Limits(found, about)


def _open_loop(name: str, store: stores.Store, sizes: Sizes, folder: Path, say: Say) -> Comparison:
    load = writes.singles(name, sizes)
    rounds: list[Mapping[str, Measured]] = []
    for _ in range(sizes.rounds):
        url = store.new()
        with servers.calyx(folder, url) as server:
            did = {CLOSED: put_under_load(server, load, sizes, say, store.pid)}
            for share in SHARES:
                due = replace(
                    load, a_second=share * did[CLOSED].per_second, connections=_OPEN_CONNECTIONS
                )
                called = f"open loop, {share:.0%} of that due"
                did[called] = put_under_load(server, due, sizes, say, store.pid)
        store.drop(url)
        rounds.append(did)
    return Comparison(load, rounds, about="open loop")


def _slowly(
    slow: Mapping[str, str] | None, say: Say, *, installs: bool
) -> tuple[list[Contestant], dict[str, str]]:
    """Return who is measured with slower syncs, and why anybody is not."""
    if slow is None:
        return [], dict.fromkeys((SLOW, PEER), "there is no C compiler on this machine")
    found = [Contestant(SLOW, partial(servers.calyx, name=SLOW, more=slow), "events")]
    why = node.absence(writes.NODE_PEERS[writes.BETTER_SQLITE], say, installs=installs)
    if why:
        return found, {PEER: why}
    return [*found, Contestant(PEER, partial(writes.better_sqlite, name=PEER, more=slow))], {}


def _singles(
    store: stores.SqliteFiles,
    sizes: Sizes,
    folder: Path,
    say: Say,
    slowly: tuple[list[Contestant], dict[str, str]],
) -> list[Comparison]:
    contestants = [
        Contestant(CLOSED, servers.calyx, "events"),
        Contestant(POST, lambda room, url: servers.fastapi(POST, "bare_post", room, url), None),
        *slowly[0],
    ]
    contest = Contest([writes.singles("SQLite", sizes)], contestants, store, slowly[1])
    for _ in range(sizes.rounds):
        contest.measure(folder, sizes, say)
    # The first of them is what the others are held against.
    slower = [CLOSED, SLOW] if SLOW in slowly[1] else [SLOW, CLOSED]
    return [
        *contest.compare([*slower, PEER], "a slower disk"),
        *contest.compare([CLOSED, POST], "the machine"),
    ]


def _batches(store: stores.SqliteFiles, sizes: Sizes, folder: Path, say: Say) -> Comparison:
    load = writes.batches("SQLite", sizes, seed=2)
    calyx = Contestant(CLOSED, servers.calyx, "events")
    rows = Messages(2, sizes.senders, drafts=sizes.drafts)
    rounds: list[Mapping[str, Measured]] = []
    for _ in range(sizes.rounds):
        did = {CLOSED: measure_from_empty(calyx, store, folder, [load], sizes, say)[0]}
        url = store.new()
        did[INSERTS] = bare_inserts.insert(stores.file_of(url), rows, sizes.seconds)
        say(f"{load.title}, {INSERTS}: {did[INSERTS].per_second:,.0f} rows/s")
        store.drop(url)
        rounds.append(did)
    return Comparison(load, rounds, about="the machine")


def _backlog(
    store: stores.SqliteFiles, sizes: Sizes, folder: Path, say: Say, about: list[str]
) -> Comparison:
    """Let ten times as much be due as is carried: what is refused comes back at once."""
    load = writes.batches("SQLite", sizes, seed=2)
    url = store.new()
    with servers.calyx(folder, url) as server:
        usual = put_under_load(server, load, sizes, say)
        before = usage.peak_memory_mb(server.pid)
        did = put_under_load(server, _overload(load, usual), sizes, say)
        after = usage.peak_memory_mb(server.pid)
    store.drop(url)
    about.append(
        f"Memory of the process at most: {before:,.0f} MB under the usual load,"
        f" {after:,.0f} MB with {OVERLOAD} times as much due"
    )
    called = f"open loop, {OVERLOAD} times that due"
    return Comparison(load, [{CLOSED: usual, called: did}], about="a backlog")


def _overload(load: Load, usual: Measured) -> Load:
    a_second = OVERLOAD * usual.per_second / load.what.each
    return replace(load, a_second=a_second, connections=_OVERLOAD_CONNECTIONS)
