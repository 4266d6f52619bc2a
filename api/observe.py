"""What an operator sees: log lines and metrics, never bodies, traits or keys."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from math import nan
from time import perf_counter
from typing import Any

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from api.numbers import Board, added, counted
from ingest.accept import Committed
from models.connection import Readers
from models.values import Receipt

_COMMIT_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000)
_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
OPERATIONS_MAX = 100
"""Names of operations that are told apart: clients choose them, and a number is kept for each."""

_NAME_CHARACTERS_MAX = 64
# No name of an operation has parentheses.
_UNNAMED, _OTHER = "(unnamed)", "(other)"
# What these log quotes what callers sent.
_SILENCED = ("strawberry",)


class GraphNumbers:
    """The numbers of GraphQL: how long operations took, why others were refused, and what reads for them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "calyx_graphql_seconds",
            "Time GraphQL operations took that ran.",
            ["kind", "operation"],
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        self._errors = Counter(
            "calyx_graphql_errors",
            "GraphQL requests answered with errors, by the code of the first.",
            ["code"],
            registry=registry,
        )
        self._readers = Gauge(
            "calyx_readers", "Connections that may read.", ["database"], registry=registry
        )
        self._reading = Gauge(
            "calyx_readers_busy", "Connections that are reading.", ["database"], registry=registry
        )
        self._timed: dict[tuple[str, str], Histogram] = {}

    @contextmanager
    def timed(self, kind: str, name: str | None) -> Iterator[None]:
        """Take the time of an operation: a query or a mutation, by its own name if it has one."""
        started = perf_counter()
        try:
            yield
        finally:
            self._times(kind, name or _UNNAMED).observe(perf_counter() - started)

    def error(self, code: str) -> None:
        """Count a request that was answered with errors, by the code of the first."""
        self._errors.labels(code).inc()

    def watch_readers(self, database: str, readers: Callable[[], Readers]) -> None:
        """Ask `readers` of a `database`, primary or replica, whenever somebody looks."""
        self._readers.labels(database).set_function(lambda: readers().size)
        self._reading.labels(database).set_function(lambda: readers().busy)

    def _times(self, kind: str, name: str) -> Histogram:
        found = self._timed.get((kind, name))
        if found is None:
            if len(name) > _NAME_CHARACTERS_MAX or len(self._timed) >= OPERATIONS_MAX:
                return self._seconds.labels(kind, _OTHER)
            found = self._timed[kind, name] = self._seconds.labels(kind, name)
        return found


class LiveNumbers:
    """The numbers of what is live: who is connected, and what is held for them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connected = Gauge(
            "calyx_live_connections",
            "WebSockets and event streams that are open.",
            registry=registry,
        )
        self._handshakes = Gauge(
            "calyx_live_handshakes",
            "WebSockets that have not said yet whose they are.",
            registry=registry,
        )
        self._subscriptions = Gauge(
            "calyx_live_subscriptions", "Subscriptions under way.", registry=registry
        )
        self._remembered = Gauge(
            "calyx_live_remembered", "Customers remembered as matching.", registry=registry
        )
        self._told = Counter(
            "calyx_live_messages", "Answers sent to subscriptions.", registry=registry
        )

    def watch(
        self,
        connected: Callable[[], int],
        handshakes: Callable[[], int],
        subscriptions: Callable[[], int],
        remembered: Callable[[], int],
    ) -> None:
        """Ask these whenever somebody looks."""
        self._connected.set_function(connected)
        self._handshakes.set_function(handshakes)
        self._subscriptions.set_function(subscriptions)
        self._remembered.set_function(remembered)

    def told(self) -> None:
        """Count an answer that was sent to a subscription."""
        self._told.inc()


class Metrics:
    """The numbers of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._board: Board | None = None
        self._boards: Sequence[Board] = ()
        self._before = b""
        registry = self.registry
        self._requests = Counter(
            "calyx_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "calyx_request_seconds",
            "Time to the answer.",
            ["route"],
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        # Looking labels up takes longer than counting; there are few of them.
        self._routes: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.graphql = GraphNumbers(registry)
        self._receipts = Counter(
            "calyx_receipts", "Receipts given, by outcome.", ["outcome"], registry=registry
        )
        self._messages = Counter("calyx_messages", "Messages committed.", registry=registry)
        self._commit_messages = Histogram(
            "calyx_commit_messages",
            "Messages that shared a commit.",
            buckets=_COMMIT_BUCKETS,
            registry=registry,
        )
        self._commit_seconds = Histogram(
            "calyx_commit_seconds",
            "Time a commit took.",
            buckets=_SECONDS_BUCKETS,
            registry=registry,
        )
        self._queued = Gauge(
            "calyx_queued_messages", "Messages waiting for a commit.", registry=registry
        )
        self.live = LiveNumbers(registry)

    def share(self, board: Board, boards: Sequence[Board]) -> None:
        """Tell with ours the numbers of the others at `boards`, and let them tell ours from `board`."""
        # Whoever wrote here before is gone: what it counted is counted on.
        self._before, self._board, self._boards = counted(board.read()), board, boards

    def post(self) -> None:
        """Let the others know our numbers as they stand."""
        if self._board is not None:
            own = generate_latest(self.registry)
            self._board.write(added([self._before, own]) if self._before else own)

    def text(self) -> bytes:
        """Return the numbers, those of all who share them, in the form of Prometheus."""
        if self._board is None:
            return generate_latest(self.registry)
        self.post()
        return added(board.read() for board in self._boards)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request and its time. `route` must be one of few words, never a path as sent."""
        method = method if method in METHODS else "other"
        found = self._routes.get((route, method, status))
        if found is None:
            labelled = self._requests.labels(route, method, status), self._seconds.labels(route)
            found = self._routes[route, method, status] = labelled
        counter, histogram = found
        counter.inc()
        histogram.observe(seconds)

    def receipt(self, receipt: Receipt) -> None:
        """Count a receipt that was given."""
        self._receipts.labels(receipt.outcome.value).inc()

    def commit(self, committed: Committed) -> None:
        """Count a commit."""
        self._messages.inc(committed.messages)
        self._commit_messages.observe(committed.messages)
        self._commit_seconds.observe(committed.seconds)

    def watch_queue(self, messages_waiting: Callable[[], int]) -> None:
        """Ask `messages_waiting` whenever somebody looks."""
        self._queued.set_function(messages_waiting)

    def watch_replica(self, behind_s: Callable[[], float | None]) -> None:
        """Ask `behind_s` whenever somebody looks; what cannot be told is no number."""
        lag = Gauge(
            "calyx_replica_lag_seconds",
            "Seconds the replica is behind, NaN when that cannot be told.",
            registry=self.registry,
        )
        lag.set_function(lambda: nan if (found := behind_s()) is None else found)


def set_up_logs(form: str, level: str) -> None:
    """Send the log lines of this process to standard error, as `text` or `json`."""
    render = as_json if form == "json" else as_text
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            place_instead_of_text,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[Forward()], level=logging.WARNING, force=True)


def where(error: BaseException) -> dict[str, Any]:
    """Return what a log may say of an exception: its kind and place. Its text may quote a caller."""
    places = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        places.append(f"{code.co_filename.rpartition('/')[2]}:{step.tb_lineno} {code.co_qualname}")
        step = step.tb_next
    found: dict[str, Any] = {"error": type(error).__qualname__, "at": places[-8:]}
    cause = error.__cause__ or error.__context__
    if cause is not None:
        found["cause"] = type(cause).__qualname__
    if isinstance(error, OSError):
        found["text"] = str(error)
    return found


def place_instead_of_text(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Put kind and place of an exception for the exception itself, whose text may quote a caller."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(where(error))
    return event


class Forward(logging.Handler):
    """Hands what libraries log to our own log, without the texts of exceptions."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        if record.name.startswith(_SILENCED):
            return
        event: dict[str, Any] = {"logger": record.name}
        if record.exc_info and record.exc_info[1] is not None:
            event |= where(record.exc_info[1])
        structlog.get_logger().log(record.levelno, record.getMessage().strip(), **event)


def as_json(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    """Return a log line for machines."""
    try:
        return msgspec.json.encode(event, enc_hook=str)
    except UnicodeEncodeError:
        # Half a character; the standard library escapes it.
        return json.dumps(event, default=str).encode()


def as_text(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> bytes:
    """Return a log line for people."""
    head = f"{event.pop('timestamp')} {event.pop('level'):<7} {_line(event.pop('event'))}"
    return " ".join([head, *(f"{name}={_word(value)}" for name, value in event.items())]).encode(
        "utf-8", "replace"
    )


def _word(value: Any) -> str:
    text = str(value)
    # Quoted where it could be taken for something else, a line of its own above all.
    return text if text.isprintable() and " " not in text else repr(text)


def _line(value: Any) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)
