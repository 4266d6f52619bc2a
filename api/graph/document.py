"""Documents made ready once per text: parsed, bounded, validated, planned, compiled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLNonNull,
    GraphQLSchema,
    GraphQLString,
    OperationDefinitionNode,
    OperationType,
    get_operation_ast,
    is_input_type,
    parse,
    type_from_ast,
    validate,
)
from graphql.execution.get_variable_signature import (
    GraphQLVariableSignature,
    get_variable_signature,
)
from graphql.execution.values import VariableValues, VariableValueSource, get_variable_values

from api.graph import cost, shape, spans
from api.graph.apart import is_apart
from api.graph.compile import Renders, compile_field, compile_plan
from api.graph.failures import Code, Failure, bad_input
from api.graph.lru import Lru
from api.graph.plan import Field, Plan, plan
from api.graph.request import JSON, GraphRequest, Malformed, Parameters
from api.graph.statement import Compiled
from api.graph.variants import Statement
from api.limits import GraphLimits
from models.dialect_choice import reading
from models.dialect_read import Reading

DOCUMENTS_MAX = 1_000
"""Documents kept ready. An application has some dozens; who puts values into the text has endless ones."""

SHAPES_MAX = 50
"""Statements kept for one document: one for each structure of its variables."""

REPEATED_MAX = 500
"""Requests kept ready as they came, for pages ask the same again and again."""

REPEATED_BYTES_MAX = 4_096
"""Bytes of the body of such a request: with all of them, some megabytes."""

ERRORS_MAX = 20
"""Errors told of one request; the rest would be more of the same."""


class Invalid(Exception):
    """A document or its variables that cannot be used, with all that is wrong."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.errors = errors


@dataclass(slots=True)
class Ready:
    """One structure of an operation's variables: its plan, its cost and its statements."""

    plan: Plan
    cost: int
    # Those root fields that one statement answers together, and the others.
    together: Plan
    apart: tuple[Field, ...] = ()
    whole: Statement | None = None
    # Statements of single fields, for operations that an executor runs.
    fields: dict[str, Statement] | None = None
    past: dict[str, Compiled] = field(default_factory=dict)


class Document:
    """One operation of one text."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode
    ) -> None:
        self.node = document
        self.operation = operation
        self.schema = schema
        self._shapers = {
            each.variable.name.value: shape.shaper(kind)
            for each in operation.variable_definitions or ()
            if is_input_type(kind := type_from_ast(schema, each.type))
        }
        self._texts = _texts(schema, operation)
        self._ready: Lru[Any, Ready] = Lru(SHAPES_MAX)

    @property
    def kind(self) -> OperationType:
        """Return whether it asks or states."""
        return self.operation.operation

    @property
    def name(self) -> str | None:
        """Return the name of the operation, None where it has none."""
        return None if self.operation.name is None else self.operation.name.value

    def check_allowed(self, request: GraphRequest) -> None:
        """Raise Failure or Malformed for what is not answered to a request of this kind."""
        if self.kind is OperationType.SUBSCRIPTION:
            told = "subscriptions need a WebSocket or server-sent events"
            raise Failure(Code.BAD_USER_INPUT, told)
        if self.kind is OperationType.MUTATION and request.method == "GET":
            raise Malformed(405, "mutations are sent by POST", ((b"allow", b"POST"),))

    def variables(self, given: Mapping[str, Any]) -> VariableValues:
        """Return the variables as their types read them; raise Invalid where they cannot."""
        texts = self._texts
        if texts is not None and all(type(given.get(name)) is str for name in texts):
            # Most pages have no other variables than a key or a cursor.
            sources = {name: VariableValueSource(texts[name], given[name]) for name in texts}
            return VariableValues(sources, {name: given[name] for name in texts})
        read = partial(
            get_variable_values,
            self.schema,
            self.operation.variable_definitions or (),
            dict(given),
            max_errors=ERRORS_MAX,
        )
        try:
            found = read()
        except IndexError:
            # graphql-core cannot measure how near a name is that grows in lower case, as `\u0130` does.
            found = read(hide_suggestions=True)
        if isinstance(found, list):
            raise Invalid(found)
        return found

    def ready(self, variables: VariableValues) -> Ready:
        """Return the plan for these variables; raise Failure where there can be none."""
        shapes = {name: self._shapers[name](value) for name, value in variables.coerced.items()}
        return self._ready.get(shape.key(shapes), lambda: self._plan(shapes))

    def _plan(self, shapes: Mapping[str, shape.Shape]) -> Ready:
        made = plan(self.schema, self.node, self.operation, shapes)
        apart = tuple(field for field in made.fields if is_apart(made, field))
        rest = tuple(field for field in made.fields if field not in apart)
        return Ready(made, cost.cost(made), replace(made, fields=rest), apart)


def _texts(
    schema: GraphQLSchema, operation: OperationDefinitionNode
) -> dict[str, GraphQLVariableSignature] | None:
    """Return the variables of an operation that has none but texts; None where it has others."""
    found: dict[str, GraphQLVariableSignature] = {}
    for each in operation.variable_definitions or ():
        signature = get_variable_signature(schema, each)
        if isinstance(signature, GraphQLError):
            return None
        kind = signature.type
        if (kind.of_type if isinstance(kind, GraphQLNonNull) else kind) is not GraphQLString:
            return None
        found[signature.name] = signature
    return found


class Understood(NamedTuple):
    """What a request asks for, made ready."""

    asked: Parameters
    document: Document
    variables: VariableValues
    ready: Ready


class Repeated:
    """Queries understood earlier, by the bytes of their bodies: whose they were does not matter."""

    def __init__(self) -> None:
        self._known: Lru[bytes, Understood] = Lru(REPEATED_MAX)

    def find(self, request: GraphRequest) -> Understood | None:
        """Return what a request asks for, if the same was asked before."""
        if request.method != "POST" or request.content_type != JSON:
            return None
        return self._known.find(request.body)

    def keep(self, request: GraphRequest, understood: Understood) -> None:
        """Keep what a request asks for, unless that could be another time something else."""
        # What a hash stands for is each workspace's own; a mutation may do with its input as it likes.
        if understood.asked.document.id is None and (
            understood.document.kind is OperationType.QUERY
            and request.method == "POST"
            and len(request.body) <= REPEATED_BYTES_MAX
        ):
            self._known.keep(request.body, understood)


class Documents:
    """All documents that are kept ready."""

    def __init__(
        self, schema: GraphQLSchema, renders: Renders, dialect: Reading, limits: GraphLimits
    ) -> None:
        self._schema = schema
        self._renders = renders
        self._dialect = dialect
        self._limits = limits
        self._documents: Lru[tuple[str, str | None], Document] = Lru(DOCUMENTS_MAX)

    def get(self, text: str, name: str | None) -> Document:
        """Return a document made ready; raise Failure or Invalid where it cannot be."""
        return self._documents.get((text, name), lambda: self._read(text, name))

    def statement(self, ready: Ready) -> Statement:
        """Return the statement of a whole operation."""
        if ready.whole is None:
            ready.whole = Statement(
                lambda granted: compile_plan(ready.together, self._renders, self._dialect, granted)
            )
        return ready.whole

    def field_statement(self, ready: Ready, key: str) -> Statement:
        """Return the statement of the root field that answers under a response key."""
        if ready.fields is None:
            ready.fields = {}
        if key not in ready.fields:
            [field] = (each for each in ready.plan.fields if each.key == key)
            ready.fields[key] = Statement(
                lambda granted: compile_field(
                    field, ready.plan.root, self._renders, self._dialect, granted
                )
            )
        return ready.fields[key]

    def alone_statement(self, ready: Ready, asked: Field) -> Compiled:
        """Return the statement that answers one root field by itself."""
        if asked.key not in ready.past:
            alone = replace(ready.plan, fields=(asked,))
            ready.past[asked.key] = compile_plan(alone, self._renders, self._dialect)
        return ready.past[asked.key]

    def past_statement(self, ready: Ready, asked: Field) -> Compiled:
        """Return the statement that answers one root field from a database in memory."""
        if asked.key not in ready.past:
            alone = replace(ready.plan, fields=(asked,))
            ready.past[asked.key] = compile_plan(alone, self._renders, reading(None))
        return ready.past[asked.key]

    def _read(self, text: str, name: str | None) -> Document:
        document = valid(text, self._schema, self._limits)
        operation = get_operation_ast(document, name)
        if operation is None:
            if name is not None:
                raise bad_input(
                    f"the document has no operation {name!r}: send the name of one it has"
                )
            raise bad_input("the document has several operations or none: send `operationName`")
        return Document(self._schema, document, operation)


def valid(text: str, schema: GraphQLSchema, limits: GraphLimits) -> DocumentNode:
    """Return a document that can be planned; raise Failure or Invalid where it cannot be."""
    try:
        with spans.parsing():
            document = parse(text, max_tokens=limits.tokens_max)
    except GraphQLError as error:
        raise _syntax(error, limits.tokens_max) from None
    cost.check(document, limits)
    with spans.validating():
        errors = validate(schema, document, max_errors=ERRORS_MAX)
    if errors:
        raise Invalid(errors)
    return document


def _syntax(error: GraphQLError, tokens_max: int) -> GraphQLError:
    if "more than" in error.message and "tokens" in error.message:
        return Failure(
            Code.COST_LIMIT, f"the document has over {tokens_max} tokens: ask in several requests"
        )
    return error
