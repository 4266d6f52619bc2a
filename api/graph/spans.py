"""Strawberry's own spans of an operation, made as its executor would: we parse, validate and execute ourselves."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.trace import StatusCode
from strawberry.extensions import LifecycleStep
from strawberry.extensions.tracing.opentelemetry import OpenTelemetryExtension
from strawberry.types import ExecutionContext

from api.graph.schema import strawberry_schema
from api.traces import Traces

Hook = Callable[[], Generator[None, None, None]]


class Spans(OpenTelemetryExtension):
    """The spans of one operation. They never have its text, whose literals may be traits."""

    def __init__(self, traces: Traces) -> None:
        super().__init__(execution_context=_context(None), tracer_provider=traces.provider)

    def call(self, name: str | None) -> None:
        """Name the operation, as its document does; what a request says is not known to be a name."""
        self.execution_context = _context(name)

    def fail(self, code: str) -> None:
        """Say by its code why the operation was answered with errors."""
        span = self._span_holder[LifecycleStep.OPERATION]
        span.set_attribute("error.type", code)
        span.set_status(StatusCode.ERROR)

    def on_execute(self) -> Generator[None, None, None]:
        """Make a span of what the database is asked, and of a mutation's commit."""
        operation = trace.set_span_in_context(self._span_holder[LifecycleStep.OPERATION])
        with self._tracer.start_as_current_span("GraphQL Execution", context=operation):
            yield


# Which operation it is stands beside the work, as everywhere in OpenTelemetry: documents are made
# ready far below, and know of no request.
_current: ContextVar[Spans | None] = ContextVar("calyx.spans", default=None)


def operation(traces: Traces | None) -> AbstractContextManager[None]:
    """Make the spans of one operation; none without `traces`."""
    return nullcontext() if traces is None else _operation(traces)


@contextmanager
def _operation(traces: Traces) -> Iterator[None]:
    spans = Spans(traces)
    before = _current.set(spans)
    try:
        with _during(spans.on_operation):
            yield
    finally:
        _current.reset(before)


def parsing() -> AbstractContextManager[None]:
    """Make a span of the parsing of a document, which happens once for each text."""
    spans = _current.get()
    return nullcontext() if spans is None else _during(spans.on_parse)


def validating() -> AbstractContextManager[None]:
    """Make a span of the validation of a document, which happens once for each text."""
    spans = _current.get()
    return nullcontext() if spans is None else _during(spans.on_validate)


def executing(name: str | None) -> AbstractContextManager[None]:
    """Make a span of what an operation of this name does."""
    spans = _current.get()
    if spans is None:
        return nullcontext()
    spans.call(name)
    return _during(spans.on_execute)


def failed(code: str) -> None:
    """Say that the operation was answered with errors."""
    spans = _current.get()
    if spans is not None:
        spans.fail(code)


@contextmanager
def _during(hook: Hook) -> Iterator[None]:
    steps = hook()
    next(steps)
    try:
        yield
    finally:
        # Not thrown in, or the span would neither end nor keep to itself what the exception says.
        next(steps, None)


def _context(name: str | None) -> ExecutionContext:
    return ExecutionContext(
        query=None,
        schema=strawberry_schema(),
        allowed_operations=(),
        provided_operation_name=name,
    )
