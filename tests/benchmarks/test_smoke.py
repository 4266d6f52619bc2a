"""The benchmark runs as a whole, and does not say more than it saw."""

from __future__ import annotations

import itertools
import os
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import messages, reads, report, servers, writes
from tests.benchmarks.comparison import Broken, Comparison, Load, Sizes, put_under_load
from tests.benchmarks.load import Measured, Messages, Requests
from tests.benchmarks.run import Results, measure

TINY = Sizes(
    rounds=1,
    seconds=0.2,
    warm_up_seconds=0.1,
    batch=5,
    senders=50,
    customers=60,
    accounts=6,
)
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="CPU times are read from /proc")


def silent(_line: str) -> None:
    """Take a line of progress that nobody waits for."""


@LINUX
def test_one_run_measures_every_load_on_calyx_and_on_its_peer(tmp_path: Path) -> None:
    # Reading stops the run unless Calyx and the peer give the same answers.
    results = measure("all", TINY, tmp_path, silent)
    printed = report.render(results)
    lines = [line for line in printed.splitlines() if line.startswith("| ")][2:]
    assert [line.split("|")[2].strip() for line in lines] == [
        *("Calyx", writes.PEER) * 2,
        *("Calyx", reads.PEER) * 2,
    ]
    assert "failed" not in printed
    assert results.rows_read["customers"] == TINY.customers
    for comparison in results.comparisons:
        for _, one in comparison.each():
            assert one.per_second > 0
            assert 0 < one.p50_ms <= one.p99_ms


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
    database = tmp_path / "lost.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE events (id)")

    @contextmanager
    def start(_folder: Path, _database: Path) -> Iterator[servers.Server]:
        with answering(lambda _: 200) as server:
            yield server

    loads = [a_load(Messages(seed=1, customers=10))]
    with pytest.raises(Broken, match=r"said 200 to \d+ events and has stored 0"):
        writes.measure_from_empty(start, "events", database, loads, TINY, silent)


@LINUX
def test_a_server_that_does_not_start_is_said_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(servers.NotServing, match="Could not import module"),
        servers.peer("gone", "no_such_module", "sqlite", tmp_path, tmp_path / "x.db"),
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


def test_a_record_stands_below_those_before_it_and_rounds_are_told_by_their_median(
    tmp_path: Path,
) -> None:
    path = tmp_path / "benchmarks.md"
    path.write_text("# Benchmarks\n\nWhat is measured.\n")
    slow, usual, fast = (measured_at(rate) for rate in (100, 300, 900))
    results = results_of(slow, usual, fast)
    report.record(results, date(2026, 3, 1), path)
    report.record(results, date(2026, 3, 2), path)
    first, second = path.read_text().split("\n### ")[1:]
    assert path.read_text().startswith("# Benchmarks\n\nWhat is measured.\n\n### 2026-03-01, ")
    assert second.startswith("2026-03-02, ")
    ours, theirs = [line.split("|") for line in first.splitlines() if line.startswith("| ")][2:]
    rate, ratio = 3, -2
    assert (ours[rate].strip(), ours[ratio].strip()) == ("300 events", "3.0")
    assert theirs[rate].strip() == "100 events"


def measured_at(rate: float) -> Measured:
    return Measured(rate, 1.0, 2.0, 3.0, failures=0, answered_in_all=10, load_busy=0.1)


def results_of(*ours: Measured) -> Results:
    """Return results in which the peer does as Calyx did in its first round."""
    rounds = [(one, ours[0]) for one in ours]
    comparison = Comparison(a_load(Requests([])), "peer", rounds)
    return Results(TINY, [comparison], {}, sync_ms=0.3)
