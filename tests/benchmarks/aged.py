"""Measure how writing slows down as a database grows: each size beside an empty one, in turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from tests.benchmarks import imports, servers, stores, usage, writes
from tests.benchmarks.comparison import Broken, Comparison, Load, Say, Sizes, put_under_load
from tests.benchmarks.load import Measured, Messages
from tests.benchmarks.messages import Whom
from tests.postgres import Missing

SIZES = (10_000, 100_000, 300_000, 1_000_000)
EVENTS_EACH = 3

EMPTY, AGED = "empty", "aged"
_SEED = 4
# As many different messages as a measurement sends, so that none of its customers is a second time at hand.
_DRAFTS_TIMES = 10


@dataclass(frozen=True)
class Wrote:
    """What a server and its database wrote and held while it was measured."""

    disk_bytes: float
    """Given to the disk for each event, checkpoints included."""
    log_bytes: float | None
    """Of PostgreSQL's log, for each event."""
    memory_mb: float
    """The most that a process of the server held."""


@dataclass(frozen=True)
class Aged:
    """What a database of one size took in, beside empty ones."""

    database: str
    customers: int
    events: int
    stored_bytes: float
    """On the disk, for each event, before it was measured."""
    comparison: Comparison
    wrote: list[Wrote]


@dataclass(frozen=True)
class Ages:
    """All that one run measured."""

    found: list[Aged] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    absent: str | None = None
    """Why PostgreSQL was not measured."""


def measure(customers: int, events: int, sizes: Sizes, folder: Path, say: Say) -> Ages:
    """Return what databases of up to so many customers and events take in; raise Broken."""
    steps = [size for size in SIZES if size < customers] + [customers]
    archives = []
    for size in steps:
        count = round(events * size / customers)
        file = folder / f"age-{size}.jsonl"
        say(f"writing an archive of {count:,} events about {size:,} customers")
        imports.write_archive(file, 0, count, size, Whom.IN_TURN)
        archives.append((size, count, file))
    ages = Ages()
    ages.found.extend(_on("SQLite", stores.SqliteFiles(folder), archives, sizes, folder, say))
    with ExitStack() as stack:
        try:
            server = stack.enter_context(stores.durable_postgres())
        except Missing as missing:
            return Ages(ages.found, ages.about, str(missing))
        ages.about.append(f"{server.about()}, held to no core")
        ages.found.extend(_on("PostgreSQL", server, archives, sizes, folder, say))
    return ages


def _on(
    name: str,
    store: stores.Store,
    archives: list[tuple[int, int, Path]],
    sizes: Sizes,
    folder: Path,
    say: Say,
) -> Iterator[Aged]:
    for size, count, file in archives:
        say(f"filling {name} with {size:,} customers")
        url = store.new()
        imports.import_one(name, AGED, url, file, store.pid)
        if (stored := store.count(url, "events")) != count:
            raise Broken(f"{name} holds {stored:,} events of {count:,}")
        store.analyze(url)
        store.flush()
        stored_bytes = store.size(url) / count
        load = _load(name, size, sizes)
        rounds: list[Mapping[str, Measured]] = []
        wrote: list[Wrote] = []
        for _ in range(sizes.rounds):
            empty = store.new()
            fresh, _ = _under_load(
                store, empty, _load(name, sizes.senders, sizes), sizes, folder, say
            )
            store.drop(empty)
            did, one = _under_load(store, url, load, sizes, folder, say)
            rounds.append({AGED: did, EMPTY: fresh})
            wrote.append(one)
        store.drop(url)
        yield Aged(name, size, count, stored_bytes, Comparison(load, rounds), wrote)


def _load(name: str, customers: int, sizes: Sizes) -> Load:
    load = writes.batches(name, sizes, seed=_SEED, told=f", {customers:,} customers evenly")
    drafts = _DRAFTS_TIMES * sizes.drafts
    return replace(load, what=Messages(_SEED, customers, sizes.batch, Whom.EVENLY, drafts))


def _under_load(
    store: stores.Store, url: str, load: Load, sizes: Sizes, folder: Path, say: Say
) -> tuple[Measured, Wrote]:
    with servers.calyx(folder, url) as server:
        pids = [server.pid, *([store.pid] if store.pid else [])]
        store.flush()
        before, log = sum(map(usage.written_bytes, pids)), store.log_bytes()
        did = put_under_load(server, load, sizes, say, store.pid)
        store.flush()
        written, logged = sum(map(usage.written_bytes, pids)) - before, store.log_bytes()
        memory = usage.peak_memory_mb(server.pid)
    events = did.answered_in_all
    of_log = None if log is None or logged is None else (logged - log) / events
    return did, Wrote(written / events, of_log, memory)


def ratio(one: Aged) -> float:
    """Return how much of an empty database's rate is left."""
    return one.comparison.ratio_to(EMPTY)


def rate(one: Aged) -> Measured:
    """Return what the aged database did, in the median of the rounds."""
    return dict(one.comparison.each())[AGED]


def middle(one: Aged) -> Wrote:
    """Return what was written and held, in the median of the rounds."""
    logs = [each.log_bytes for each in one.wrote if each.log_bytes is not None]
    return Wrote(
        median(each.disk_bytes for each in one.wrote),
        median(logs) if logs else None,
        max(each.memory_mb for each in one.wrote),
    )
