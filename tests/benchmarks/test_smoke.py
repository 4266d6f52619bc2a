"""The benchmark runs as a whole, and does not say more than it saw."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests import postgres
from tests.benchmarks import (
    dashboards,
    imports,
    messages,
    node,
    reads,
    report,
    servers,
    stores,
    writes,
)
from tests.benchmarks.comparison import Broken, Comparison, Load, Sizes, put_under_load
from tests.benchmarks.contest import Contestant, measure_from_empty
from tests.benchmarks.load import Measured, Messages, Requests, cpu_seconds
from tests.benchmarks.run import Results, measure

TINY = Sizes(
    rounds=1,
    seconds=0.2,
    warm_up_seconds=0.1,
    batch=2,
    senders=50,
    drafts=50,
    customers=60,
    accounts=6,
)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="CPU times are read from /proc")


def silent(_line: str) -> None:
    """Take a line of progress that nobody waits for."""


@LINUX
def test_imports_are_measured_into_empty_and_filled_databases(tmp_path: Path) -> None:
    found = imports.measure(200, 20, tmp_path, silent)
    printed = report.render_imports(found, sync_ms=0.3)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table_of(printed)]
    kinds = [("SQLite", False)] + ([] if found.absent else [("PostgreSQL", True)])
    ways = ("empty", "filled", imports.LOG_ALONE)
    expected = [(name, into, own) for name, own in kinds for into in ways]
    assert [(row[0], row[1], row[5] != "") for row in rows] == expected
    assert all(one.events == 200 and one.seconds > 0 for one in found.imports)
    assert "holds in the end 400 events, " in printed


@LINUX
def test_one_run_measures_every_load_on_calyx_and_on_its_peer(tmp_path: Path) -> None:
    # Reading stops the run unless Calyx and the peer give the same answers.
    results = measure("all", TINY, tmp_path, silent)
    printed = report.render(results)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table_of(printed)]
    assert [row[1] for row in rows] == [
        *("Calyx", writes.SESSION, writes.BETTER_SQLITE) * 2,
        *("Calyx", writes.PG) * 3,
        *(writes.WORKERS, "Calyx") * 3,
        *("Calyx", reads.PEER) * 2,
    ]
    assert results.rows_read["customers"] == TINY.customers
    for comparison in results.comparisons:
        for name, one in comparison.each():
            assert one.per_second > 0
            assert 0 < one.p50_ms <= one.p99_ms
            # The peer on Node may lose to itself where customers are hot; nobody else fails.
            assert name == writes.PG or not one.failures
            on_postgres = comparison.load.title.startswith("PostgreSQL")
            assert (one.database_cpu_micros is not None) == on_postgres
    unmeasured = {name for one in results.comparisons for name in one.absent}
    if writes.CALYX in unmeasured:
        no_postgres(printed)
    # Their packages are not fetched in a test: where they are missing, the table says so.
    assert unmeasured <= writes.NODE_PEERS.keys()
    assert "fsync=on, synchronous_commit=on, full_page_writes=on" in printed


@LINUX
def test_every_page_of_a_dashboard_is_measured_beside_the_limit(tmp_path: Path) -> None:
    def missing() -> NoReturn:
        raise postgres.Missing("it takes a minute longer, by the same code")

    # Here too the peers must give the answers of Calyx, or the run stops.
    sizes = replace(TINY, many=120)
    done = dashboards.compare(sizes, tmp_path, silent, installs=False, on_postgres=missing)
    found = done.comparisons
    pages = [comparison.title for comparison in found]
    assert pages[:2] == ["SQLite, list page (Q1)", "SQLite, customer page (Q2)"]
    assert len(pages) == len(set(pages)) == 6 + 3
    for comparison in found:
        measured = dict(comparison.each())
        servers = {"Calyx", dashboards.LIMIT}
        if comparison.about:
            servers = {"Calyx, 60 customers", "Calyx, 120 customers"}
        assert servers <= measured.keys()
        assert all(one.per_second > 0 and not one.failures for one in measured.values())


def table_of(printed: str) -> list[str]:
    """Return the lines of the table below its head."""
    return [line for line in printed.splitlines() if line.startswith("| ")][2:]


def no_postgres(printed: str) -> NoReturn:
    """Say loudly that half of it was not tested."""
    if os.environ.get("CI"):
        pytest.fail(printed)
    pytest.skip(f"NOT TESTED ON POSTGRESQL: {printed}")


@contextmanager
def answering(status: Callable[[int], int], body: bytes = b"{}") -> Iterator[servers.Server]:
    """Run a server that answers its n-th request with `status(n)`."""

    # Many threads take the next number; none takes one that another has.
    numbers = itertools.count(1)

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body leave together, or each answer waits for the acknowledgement of its head.
        wbufsize = 64 * 1024

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status(next(numbers)))
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield servers.Server("fake", server.server_port, os.getpid())
        server.shutdown()


def a_load(what: Messages | Requests) -> Load:
    return Load("a load", "events", "/segment", servers.BASIC, 2, what)


@LINUX
def test_what_fails_is_counted_apart_and_adds_nothing_to_the_rate() -> None:
    statuses: list[int] = []

    def every_other(number: int) -> int:
        status = 503 if number % 2 else 200
        statuses.append(status)
        return status

    with answering(every_other) as server:
        load = a_load(Messages(seed=1, customers=10, batch=3))
        measured = put_under_load(server, load, TINY, silent)
    served = Counter(statuses)
    assert measured.answered_in_all == 3 * served[200]
    assert measured.failures == served[503]
    # Half of what came back in the measured time, which is less than all.
    assert 0 < measured.per_second * TINY.seconds <= 3 * served[200]
    warned = report.render(results_of(measured, measured))
    assert f"a load, Calyx: {2 * served[503]:,} requests failed and are not counted." in warned


@LINUX
@pytest.mark.parametrize(
    ("status", "body"), [(401, b"{}"), (200, b'{"data":null,"errors":[{"message":"no"}]}')]
)
def test_a_server_that_only_refuses_is_not_measured(status: int, body: bytes) -> None:
    with (
        answering(lambda _: status, body) as server,
        pytest.raises(Broken, match="no answer was a 200") as broken,
    ):
        put_under_load(server, a_load(Requests(["{}"])), TINY, silent)
    assert str(status) in str(broken.value)


@LINUX
def test_a_server_that_loses_what_it_acknowledged_is_found_out(tmp_path: Path) -> None:
    @contextmanager
    def start(_folder: Path, url: str) -> Iterator[servers.Server]:
        with closing(sqlite3.connect(stores.file_of(url))) as connection:
            connection.execute("CREATE TABLE event (id)")
        with answering(lambda _: 200) as server:
            yield server

    loads = [a_load(Messages(seed=1, customers=10))]
    store = stores.SqliteFiles(tmp_path)
    with pytest.raises(Broken, match=r"said 200 to \d+ events and has stored 0"):
        measure_from_empty(Contestant("fake", start), store, tmp_path, loads, TINY, silent)


@LINUX
def test_who_hardly_ever_answers_is_measured_until_it_has() -> None:
    warmed_up: list[float] = []

    def seldom(number: int) -> int:
        if number == 1:
            warmed_up.append(time.monotonic())
        # Nothing in the time that was asked for.
        late = time.monotonic() > warmed_up[0] + 3 * (TINY.warm_up_seconds + TINY.seconds)
        return 200 if number == 1 or late else 503

    with answering(seldom) as server:
        measured = put_under_load(server, a_load(Messages(seed=1, customers=10)), TINY, silent)
    assert 0 < measured.per_second < 2 / TINY.seconds
    assert measured.failures


@LINUX
def test_a_server_that_does_not_start_is_said_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(servers.NotServing, match="Could not import module"),
        servers.fastapi("gone", "no_such_module", tmp_path, "sqlite://"),
    ):
        pass


@pytest.mark.parametrize(
    ("ours", "theirs", "where"),
    [
        ({"a": [1, 2]}, {"a": [1, 3]}, "data.a[1]"),
        ({"a": [1]}, {"a": [1, 2]}, "data.a"),
        ({"a": 1}, {"b": 1}, "data"),
        ({"a": 1}, {"a": True}, "data.a"),
        ({"endCursor": "x"}, {"endCursor": None}, "data.endCursor"),
    ],
)
def test_answers_that_differ_are_told_with_their_place(ours: Any, theirs: Any, where: str) -> None:
    assert [found.partition(":")[0] for found in reads.differences(ours, theirs)] == [where]


def test_only_cursors_may_differ() -> None:
    assert list(reads.differences({"a": [{"endCursor": "x"}]}, {"a": [{"endCursor": "y"}]})) == []


def test_a_seed_gives_the_same_messages_each_time_in_their_usual_shares_and_size() -> None:
    stream = list(islice(messages.stream(3, customers=1_000), 4_000))
    assert stream == list(islice(messages.stream(3, customers=1_000), 4_000))
    shares = Counter(message["type"] for message in stream)
    for kind, share in (("identify", 0.6), ("track", 0.3), ("group", 0.1)):
        assert shares[kind] / len(stream) == pytest.approx(share, abs=0.03)
    sizes = [len(template) for template in messages.templates(3, 1_000, 1_000)]
    # Each of the marks makes room for an id of 41 bytes and four times of 24.
    room = 41 - len(messages.ID_MARK) + 4 * (24 - len(messages.TIME_MARK))
    assert sum(sizes) / len(sizes) + room == pytest.approx(890, abs=20)


def test_customers_in_turn_are_never_twice_in_one_round() -> None:
    turn = list(islice(messages.stream(3, customers=500, whom=messages.Whom.IN_TURN), 1_000))
    assert [message["userId"] for message in turn[:500]] == [f"u{each}" for each in range(500)]
    assert [message["userId"] for message in turn[500:]] == [f"u{each}" for each in range(500)]


def test_a_record_stands_below_those_before_it_and_rounds_are_told_by_their_median(
    tmp_path: Path,
) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\nWhat is measured.\n")
    slow, usual, fast = (measured_at(rate) for rate in (100, 300, 900))
    results = results_of(slow, usual, fast)
    report.record(report.render(results), date(2026, 3, 1), path)
    report.record(report.render(results), date(2026, 3, 2), path)
    first, second = path.read_text().split("\n### ")[1:]
    assert path.read_text().startswith("# Benchmarks\n\nWhat is measured.\n\n### 2026-03-01, ")
    assert second.startswith("2026-03-02, ")
    ours, theirs = [line.split("|") for line in table_of(first)]
    rate, ratio = 3, -2
    assert (ours[rate].strip(), theirs[rate].strip()) == ("300 events", "100 events")
    assert (ours[ratio].strip(), theirs[ratio].strip()) == ("", "3.00")


def test_who_cannot_be_measured_has_a_row_that_says_so_and_a_reason() -> None:
    some = Comparison(a_load(Requests([])), [{"Calyx": measured_at(1)}], {"peer": "no `node`"})
    none = Comparison(a_load(Requests([])), [], {"Calyx": "no server"}, "2 workers")
    printed = report.render(Results(TINY, [some, none], {}, sync_ms=0.3))
    rows = [[cell.strip() for cell in line.split("|")[1:4]] for line in table_of(printed)]
    assert rows == [
        ["a load", "Calyx", "1 events"],
        ["", "peer", "not measured"],
        ["a load: 2 workers", "Calyx", "not measured"],
    ]
    assert "- a load, peer: not measured: no `node`." in printed
    assert "- a load: 2 workers, Calyx: not measured: no server." in printed


def test_a_peer_without_its_packages_says_how_to_get_them(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text("{}")
    assert node.absence(tmp_path, silent, installs=False) in {
        "there is no `node` on this machine",
        "its packages are not installed; a run without --quick does that",
    }


NODE_PEERS = writes.NODE_PEERS | dashboards.NODE_PEERS


@pytest.mark.parametrize("peer", NODE_PEERS.values(), ids=NODE_PEERS)
def test_the_peers_on_node_are_pinned_to_what_their_lock_has_from_any_registry(peer: Path) -> None:
    wanted = json.loads((peer / "package.json").read_text())["dependencies"]
    packages = json.loads((peer / "package-lock.json").read_text())["packages"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    pinned = [package for name, package in packages.items() if name]
    assert all("integrity" in package and "resolved" not in package for package in pinned)


@LINUX
def test_a_server_is_held_to_its_cores_with_all_its_threads_and_children() -> None:
    before = os.sched_getaffinity(0)
    one = {max(before)}
    ended = threading.Event()
    other = threading.Thread(target=ended.wait)
    other.start()
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        servers.hold(os.getpid(), one)
        held = [os.sched_getaffinity(each) for each in (0, other.native_id or 0, child.pid)]
        servers.hold(os.getpid(), before)
        ended.set()
    assert held == [one] * 3


@LINUX
def test_the_cpu_time_of_a_server_is_that_of_all_its_children() -> None:
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    # One child has ended, the other has not.
    program = (
        "import subprocess, sys, time\n"
        f"subprocess.run([sys.executable, '-c', {busy!r}])\n"
        f"child = subprocess.Popen([sys.executable, '-c', {busy + chr(10) + 'input()'!r}],"
        " stdin=subprocess.PIPE)\n"
        "print(flush=True)\n"
        "child.communicate(sys.stdin.read().encode())"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdout.readline()
        spent = 0.0
        until = time.monotonic() + 20
        while (spent := cpu_seconds(parent.pid)) < 0.55 and time.monotonic() < until:
            time.sleep(0.05)
        assert parent.poll() is None
        parent.stdin.close()
    assert spent >= 0.55


def measured_at(rate: float) -> Measured:
    return Measured(rate, 1.0, 2.0, 3.0, failures=0, answered_in_all=10, load_busy=0.1)


def results_of(*ours: Measured) -> Results:
    """Return results in which the peer does as Calyx did in its first round."""
    rounds: list[Mapping[str, Measured]] = [{"Calyx": one, "peer": ours[0]} for one in ours]
    comparison = Comparison(a_load(Requests([])), rounds)
    return Results(TINY, [comparison], {}, sync_ms=0.3)
