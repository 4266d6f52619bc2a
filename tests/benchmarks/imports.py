"""Measure `calyx import`: an archive into an empty database, then another into the filled one, on both databases."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import msgspec

from tests.benchmarks import bare_import, stores
from tests.benchmarks.comparison import Broken, Say
from tests.benchmarks.load import cpu_seconds
from tests.benchmarks.messages import Whom, stamp, stream
from tests.benchmarks.servers import environment
from tests.postgres import Missing

EVENTS, CUSTOMERS = 1_000_000, 10_000
LOG_ALONE = "empty, the log alone"

_FIRST = datetime(2025, 1, 1, tzinfo=UTC)
# Tens of millions of events are over before today.
_BETWEEN = timedelta(seconds=1)
_COUNTED = ("events", "customers", "accounts", "memberships", "flags")


@dataclass(frozen=True)
class Imported:
    """What one import did."""

    database: str
    into: str
    events: int
    seconds: float
    cpu_micros: float
    """Of the two processes of the import, for each event."""
    database_cpu_micros: float | None
    """Of PostgreSQL's own, for each event."""


@dataclass(frozen=True)
class Imports:
    """All that one run measured."""

    imports: list[Imported] = field(default_factory=list)
    about: list[str] = field(default_factory=list)
    absent: str | None = None
    """Why PostgreSQL was not measured."""


def measure(events: int, customers: int, folder: Path, say: Say) -> Imports:
    """Return how fast archives of so many events are imported, with files in `folder`."""
    files = [folder / f"archive-{number}.jsonl" for number in range(2)]
    for number, file in enumerate(files):
        say(f"writing an archive of {events:,} events")
        write_archive(file, number, events, customers)
    found = Imports()
    size = files[0].stat().st_size / 1_000_000
    found.about.append(
        f"Archives of {events:,} events, {size:,.0f} MB, about {customers:,} customers by Zipf's law"
    )
    found.imports.extend(_into("SQLite", stores.SqliteFiles(folder), files, events, say, found))
    with ExitStack() as stack:
        try:
            server = stack.enter_context(stores.durable_postgres())
        except Missing as missing:
            return Imports(found.imports, found.about, str(missing))
        found.about.append(server.about())
        found.imports.extend(_into("PostgreSQL", server, files, events, say, found))
    return found


def write_archive(
    file: Path, number: int, events: int, customers: int, whom: Whom = Whom.ZIPF
) -> None:
    """Write an archive whose events come after those of the one before it."""
    first = _FIRST + number * events * _BETWEEN
    with file.open("wb") as archive:
        for place, message in enumerate(islice(stream(number, customers, whom), events)):
            at = (first + place * _BETWEEN).strftime("%Y-%m-%dT%H:%M:%S.000Z").encode()
            message_id = b"archive-%d-%08d" % (number, place)
            archive.write(stamp(msgspec.json.encode(message), message_id, at) + b"\n")


def _into(
    name: str, store: stores.Store, files: list[Path], events: int, say: Say, run: Imports
) -> Iterator[Imported]:
    """Yield what each archive takes, all into one database that is empty at first."""
    url = store.new()
    for into, file in zip(("empty", "filled"), files, strict=True):
        say(f"importing into {name}, {into}")
        yield _told(import_one(name, into, url, file, store.pid), say)
    counted = {table: store.count(url, table) for table in _COUNTED}
    if counted["events"] != len(files) * events:
        raise Broken(f"{name} holds {counted['events']:,} events of {len(files) * events:,}")
    rows = ", ".join(f"{count:,} {table}" for table, count in counted.items())
    run.about.append(f"{name} holds in the end {rows}")
    store.drop(url)
    say(f"storing the log alone in {name}")
    yield _told(_log_alone(name, store, files[0], events), say)


def _told(done: Imported, say: Say) -> Imported:
    say(f"{done.database}, {done.into}: {done.events / done.seconds:,.0f} events/s")
    return done


def import_one(name: str, into: str, url: str, file: Path, database: int | None) -> Imported:
    """Import an archive into the database at `url`; raise Broken if that fails."""
    cpu, own = _cpu_of_children(), 0.0 if database is None else cpu_seconds(database)
    ended = subprocess.run(
        [sys.executable, "-m", "api.cli", "import", str(file), "--json"],
        cwd=file.parent,
        env=environment({"CALYX_DATABASE_URL": url}),
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise Broken(f"the import into {name} failed: {ended.stderr.strip()}")
    said = json.loads(ended.stdout)
    each = 1_000_000 / said["messages"]
    spent = None if database is None else (cpu_seconds(database) - own) * each
    cpu = (_cpu_of_children() - cpu) * each
    return Imported(name, into, said["messages"], said["seconds"], cpu, spent)


def _log_alone(name: str, store: stores.Store, file: Path, events: int) -> Imported:
    """Store an archive with the least that a log takes: nothing that knows more can be faster."""
    url = store.new()
    subprocess.run(
        [sys.executable, "-m", "api.cli", "migrate"],
        cwd=file.parent,
        env=environment({"CALYX_DATABASE_URL": url}),
        capture_output=True,
        check=True,
    )
    cpu, own = _cpu(), 0.0 if store.pid is None else cpu_seconds(store.pid)
    seconds = bare_import.store(file, url)
    each = 1_000_000 / events
    spent = None if store.pid is None else (cpu_seconds(store.pid) - own) * each
    cpu = (_cpu() - cpu) * each
    if store.count(url, "events") != events:
        raise Broken(f"{name} holds {store.count(url, 'events'):,} events of {events:,}")
    store.drop(url)
    return Imported(name, LOG_ALONE, events, seconds, cpu, spent)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return _cpu_of_children() + used.ru_utime + used.ru_stime


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
