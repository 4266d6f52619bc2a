"""Answer a request: one statement whose text goes out as it is, or the executor for the rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from secrets import token_bytes
from typing import Any, Protocol

import msgspec
import structlog
from graphql import GraphQLError, OperationType, execute
from graphql.execution.values import VariableValues

from api.auth import Scope
from api.graph import cost, rehearsing, spans, stating
from api.graph.acting import Act, Desk, Done, States
from api.graph.apart import in_order, introspect, is_explain, is_introspection
from api.graph.compile import renders
from api.graph.document import Document, Documents, Invalid, Ready, Repeated, Understood
from api.graph.failures import Code, Failure, bad_input, code_of
from api.graph.ids import KEY_BYTES
from api.graph.past import Past
from api.graph.payloads import refused_payload, stated, with_secret
from api.graph.persisted import Kept, Registered
from api.graph.request import (
    Answer,
    GraphRequest,
    Malformed,
    Parameters,
    content_type,
    malformed,
    read,
    refused,
    shown,
)
from api.graph.schema import schema
from api.graph.scopes import needed
from api.graph.statement import Asked, Stated
from api.graph.variants import Statement
from api.limits import GraphLimits
from api.observe import Metrics
from api.traces import Traces
from ingest.accept import Busy
from ingest.audit import Entry, Notes
from ingest.keeper import NO_INDEXES, Keeper
from models.database import Database, TimedOut, Unavailable
from models.dialect_choice import reading
from models.values import Outcome, Receipt

log = structlog.get_logger()


class Reads(Protocol):
    """What answering needs of the database."""

    @property
    def collation(self) -> str | None:
        """Return by which collation PostgreSQL folds case; None where Calyx does it."""
        ...

    async def read(self, sql: str, args: Any = (), timeout_s: float = ...) -> list[tuple[Any, ...]]:
        """Return the rows of one statement."""


class Graph:
    """What answers GraphQL, one for each process."""

    def __init__(
        self,
        database: Database,
        ingest: States,
        limits: GraphLimits,
        *,
        message_bytes_max: int,
        new_id: Callable[[], str],
        queries: Reads | None = None,
        notes: Notes | None = None,
        requests_per_minute: int | None = None,
        registered: Registered | None = None,
        indexes: Keeper | None = None,
        metrics: Metrics | None = None,
        traces: Traces | None = None,
    ) -> None:
        self.database = database
        self.queries: Reads = queries or database
        self.notes = notes or Notes()
        self.requests_per_minute = requests_per_minute
        self.ingest = ingest
        self.limits = limits
        self.message_bytes_max = message_bytes_max
        self.new_id = new_id
        self.registered = registered
        self.indexes = indexes
        self.metrics = metrics or Metrics()
        self.traces = traces
        self.kept = Kept()
        self._repeated = Repeated()
        self.past = Past()
        built = schema()
        self.documents = Documents(built, renders(built), reading(database.collation), limits)

    async def answer(self, request: GraphRequest) -> Answer:
        """Return the answer to a request; whatever goes wrong, there is one."""
        with spans.operation(self.traces):
            return await self._answer_or_refuse(request, content_type(request.accept))

    async def _answer_or_refuse(self, request: GraphRequest, kind: bytes) -> Answer:
        try:
            return await self._answer(request, kind)
        except Malformed as error:
            self._count([bad_input(str(error))])
            return malformed(error, kind)
        except Invalid as error:
            return self._refused(error.errors, kind)
        except GraphQLError as error:
            return self._refused([error], kind)
        except Exception as error:  # noqa: BLE001 (the outermost edge of GraphQL)
            return self._refused([told(error, request.request_id)], kind)

    async def _answer(self, request: GraphRequest, kind: bytes) -> Answer:
        asked, document, variables, ready = self._understand(request)
        self.check_scopes(ready, request)
        if asked.document.id is not None:
            self.kept.keep(request.caller.workspace.id, asked.document)
        run = _Run(self, request, variables, ready, document.kind is OperationType.MUTATION)
        try:
            cost.check_cost(ready.cost, self.limits)
            timed = self.metrics.graphql.timed(document.kind.value, document.name)
            with timed, spans.executing(document.name):
                if run.mutates:
                    run.check()
                    return await self._execute(document, asked, run, kind)
                text = await run.answer(document, asked.variables)
        except Exception as error:  # noqa: BLE001 (told with what the operation costs)
            return self._refused(
                [told(error, request.request_id)], kind, {"cost": self._cost(ready)}
            )
        return Answer(200, kind, f'{{"data":{text},{self._extensions(ready)}}}'.encode())

    def _understand(self, request: GraphRequest) -> Understood:
        """Return what a request asks for; raise Malformed, Failure or Invalid where that may not be."""
        # Which documents are registered depends on who asks, so there each request is read.
        found = self._repeated.find(request) if self.registered is None else None
        if found is None:
            asked = read(request, self.limits.body_bytes_max)
            document = self.document(asked, request)
            document.check_allowed(request)
            variables = document.variables(asked.variables)
            found = Understood(asked, document, variables, document.ready(variables))
            self._repeated.keep(request, found)
        return found

    def document(self, asked: Parameters, request: GraphRequest) -> Document:
        """Return the document that is asked for; raise Failure or Invalid where it may not run."""
        return self.documents.get(self._text(asked, request), asked.operation_name)

    def check_scopes(self, ready: Ready, request: GraphRequest) -> None:
        """Raise a FORBIDDEN failure where a field needs a scope that the key has not."""
        caller, plan = request.caller, ready.plan
        refused = [each for each in plan.fields if not caller.may(needed(plan.root, each.name))]
        if not refused:
            return
        if plan.operation is OperationType.MUTATION:
            for field in plan.fields:
                self.notes.note(caller.workspace, self.entry(request, field.name).refused())
        has = ", ".join(sorted(caller.scopes))
        scope = needed(plan.root, refused[0].name)
        told = f"this key has scope {has}, and {refused[0].name} needs scope {scope}"
        raise Failure(Code.FORBIDDEN, told, refused[0].node)

    async def read(self, source: Reads, statement: Statement, asked: Asked) -> str:
        """Return the JSON text that a statement gives."""
        for compiled in (statement.fitting(asked, self.indexes), statement.plain):
            arguments = compiled.arguments(asked)
            rows = await source.read(compiled.sql, arguments, self.limits.seconds_max)
            if rows:
                return str(rows[0][0])
        raise AssertionError("a statement that stands on no index has a row")

    def asked(
        self, request: GraphRequest, variables: VariableValues, stated: Stated | None = None
    ) -> Asked:
        """Return what the values of a request's statements are made of."""
        caller, kept = request.caller, self.indexes
        return Asked(
            variables=variables,
            workspace=caller.workspace,
            api_key=caller.key,
            scopes=frozenset(caller.scopes),
            now=request.received_at,
            limits=self.limits,
            message_bytes_max=self.message_bytes_max,
            stated=stated,
            indexes=NO_INDEXES if kept is None else kept.view(caller.workspace),
            requests_per_minute=caller.requests_per_minute or self.requests_per_minute,
        )

    def entry(self, request: GraphRequest, action: str) -> Entry:
        """Return what the audit will say of a mutation, as long as nothing came of it."""
        return Entry(token_bytes(KEY_BYTES), request.received_at, request.caller.key, action)

    def _text(self, asked: Parameters, request: GraphRequest) -> str:
        """Return the text of the document that is wanted; raise Failure where it may not run."""
        wanted, registered = asked.document, self.registered
        if registered is not None:
            if not request.caller.may(Scope.ADMIN):
                return registered.text(wanted)
            if wanted.text is None and (found := registered.find(wanted.id or "")) is not None:
                return found
        return self.kept.text(request.caller.workspace.id, wanted)

    async def _execute(
        self, document: Document, asked: Parameters, run: _Run, kind: bytes
    ) -> Answer:
        found = execute(
            document.schema,
            document.node,
            context_value=run,
            variable_values=dict(asked.variables),
            operation_name=asked.operation_name,
        )
        if isawaitable(found):
            # A statement of fact is not given up half-way: it may be durable already.
            found = await found
        errors = [run.masked(error) for error in found.errors or ()]
        if found.data is None and errors:
            return self._refused(errors, kind, {"cost": self._cost(run.ready)})
        body: dict[str, Any] = {"data": found.data}
        if errors:
            self._count(errors)
            body["errors"] = [shown(error) for error in errors]
        body["extensions"] = {"cost": self._cost(run.ready)}
        return Answer(200, kind, msgspec.json.encode(body))

    def _refused(
        self, errors: Sequence[GraphQLError], kind: bytes, more: Mapping[str, Any] | None = None
    ) -> Answer:
        self._count(errors)
        return refused(errors, kind, more)

    def _count(self, errors: Sequence[GraphQLError]) -> None:
        # What is wrong with a document is told in many words, and is one mistake.
        code = code_of(errors[0]) or Code.BAD_USER_INPUT
        self.metrics.graphql.error(code)
        spans.failed(code)

    def _cost(self, ready: Ready) -> dict[str, int]:
        return {"requested": ready.cost, "limit": self.limits.cost_max}

    def _extensions(self, ready: Ready) -> str:
        return (
            f'"extensions":{{"cost":{{"requested":{ready.cost},"limit":{self.limits.cost_max}}}}}'
        )


@dataclass(slots=True)
class _Run:
    """One operation under way: what the resolvers of root fields are given."""

    graph: Graph
    request: GraphRequest
    variables: VariableValues
    ready: Ready
    mutates: bool

    def check(self) -> None:
        """Raise Failure for input that cannot be used, before anything is read or stated."""
        for field in self.ready.plan.fields:
            if not field.name.startswith("__"):
                statement = self.graph.documents.field_statement(self.ready, field.key)
                statement.arguments(self._asked(_NOTHING_YET))

    async def read(self, statement: Statement, stated: Stated | None = None) -> str:
        """Return the JSON text that a statement gives."""
        # What a mutation answers is read where it was written: a replica may not have it yet.
        source = self.graph.database if self.mutates else self.graph.queries
        return await self.graph.read(source, statement, self._asked(stated))

    async def answer(self, document: Document, variables: Mapping[str, Any]) -> str:
        """Return the JSON text that answers a query: one statement, and what none can answer apart."""
        graph, ready = self.graph, self.ready
        until = time.monotonic() + graph.limits.seconds_max
        statement = graph.documents.statement(ready)
        if not ready.apart:
            return await self.read(statement)
        asked, answers = self._asked(None), []
        statement.arguments(asked)
        if ready.together.fields:
            answers.append(await self.read(statement))
        schema = [field for field in ready.apart if is_introspection(field)]
        if schema:
            node, operation = document.node, document.operation
            answers.append(introspect(document.schema, node, operation, schema, variables))
        for field in ready.apart:
            if is_explain(field):
                compiled = graph.documents.alone_statement(ready, field)
                given = (graph.database, graph.ingest, field, compiled, asked, until)
                answers.append(await rehearsing.answer(*given))
            elif not is_introspection(field):
                compiled = graph.documents.past_statement(ready, field)
                answers.append(
                    await graph.past.answer(graph.queries, field, compiled, asked, until)
                )
        return in_order(ready.plan.fields, answers)

    async def query(self, key: str) -> Any:
        """Return what the root field that answers under `key` reads."""
        statement = self.graph.documents.field_statement(self.ready, key)
        return msgspec.json.decode(await self.read(statement))

    async def mutate(self, key: str, mutation: stating.Mutation, given: stating.Input) -> Any:
        """State what a mutation says, then read what it answers."""
        graph = self.graph

        async def state(desk: Desk, given: stating.Input) -> Done | stating.Refused:
            said = stating.state(
                mutation, given, new_id=graph.new_id, message_bytes_max=graph.message_bytes_max
            )
            if isinstance(said, list):
                return said
            receipt = await graph.ingest.state(
                desk.workspace, said.message, received_at=desk.now, by=desk.entry
            )
            return Done(stated(desk.workspace, said, receipt))

        return await self.act(key, state, given)

    async def act(self, key: str, act: Act, given: stating.Input) -> Any:
        """Do what a mutation asks for, then read what it answers; the audit hears of it in any case."""
        graph, request = self.graph, self.request
        workspace = request.caller.workspace
        [field] = (each for each in self.ready.plan.fields if each.key == key)
        entry = graph.entry(request, field.name)
        desk = Desk(
            *(graph.database, graph.ingest, request.caller, request.received_at, entry),
            *(graph.new_id, graph.message_bytes_max),
        )
        try:
            done = await act(desk, given)
        except Exception:
            graph.notes.note(workspace, entry.refused(given.get("messageId")))
            raise
        if isinstance(done, list):
            graph.notes.note(workspace, entry.refused(given.get("messageId")))
            return refused_payload(field, done)
        if done.noted is not None:
            graph.notes.note(workspace, done.noted)
        receipt = done.stated.receipt
        graph.metrics.receipt(receipt)
        if receipt.outcome is Outcome.QUARANTINED and not done.waits:
            why = f"the message cannot be applied: {receipt.reason}"
            return refused_payload(field, [stating.UserError(None, "INVALID", why)])
        statement = graph.documents.field_statement(self.ready, key)
        payload = msgspec.json.decode(await self.read(statement, done.stated))
        return with_secret(field, payload, done.secret)

    def masked(self, error: GraphQLError) -> GraphQLError:
        """Return an error that says nothing of our insides."""
        original = error.original_error
        if original is None or isinstance(original, Failure):
            return error if original is None else original.at(error)
        if isinstance(original, GraphQLError):
            return error
        return told(original, self.request.request_id).at(error)

    def _asked(self, stated: Stated | None) -> Asked:
        return self.graph.asked(self.request, self.variables, stated)


# Stands for what a mutation will have stated, to try its other values beforehand.
_NOTHING_YET = Stated(Receipt("", Outcome.APPLIED, 0))


def told(error: Exception, request_id: str) -> Failure:
    """Return what the caller is told of an exception that is not theirs."""
    match error:
        case Failure():
            return error
        case GraphQLError():
            return Failure(Code.BAD_USER_INPUT, error.message, error.nodes, error.path)
        case TimedOut() | TimeoutError():
            return Failure(Code.TIMEOUT, "the operation took too long: ask for less at once")
        case Busy():
            return Failure(Code.UNAVAILABLE, str(error), retryAfter=error.retry_after_s)
        case Unavailable():
            # What the database says of itself is for whoever runs it.
            log.warning("graphql_unavailable", request_id=request_id, why=str(error))
            advice = "the database cannot serve at the moment: send it again"
            return Failure(Code.UNAVAILABLE, advice, retryAfter=1)
        case _:
            log.error("graphql_failed", request_id=request_id, exc_info=error)
            advice = f"the fault is ours; it is in the log under request {request_id}"
            return Failure(Code.INTERNAL, advice, requestId=request_id)
