"""Every table access of every statement that queries compile to names the workspace, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from graphql import OperationDefinitionNode, OperationType, parse, print_ast
from hypothesis import given

from api import demo
from api.graph.compile import renders
from api.graph.document import Documents
from api.graph.schema import schema
from api.limits import GraphLimits
from models.dialect_read import Reading
from models.dialect_read_postgres import PostgresReading
from models.dialect_read_sqlite import SqliteReading
from tests.graph import strategies
from tests.graph.examples import several
from tests.graph.test_answers import DOCUMENTS
from tests.graph.test_contract import PAGES, VARIABLES
from tests.graph.test_filters import ACCOUNTS, CUSTOMERS, EVENTS, INNER
from tests.graph.test_mutations import SAME, document
from tests.statements import unbound_accesses

READINGS: dict[str, Reading] = {"sqlite": SqliteReading(), "postgres": PostgresReading()}
NODES = 'query($ids: [ID!]!) { nodes(ids: $ids) { id } node(id: "x") { __typename } }'
STATED = "receipt { outcome event { id customer { id } account { id } } } userErrors { code }"
# What the documents ask for beside inputs.
ANY = {
    "entity": "CUSTOMER",
    "groupId": "a0",
    "id": "x",
    "indexed": True,
    "key": "plan",
    "userId": "u1",
}
Case = tuple[str, str | None, dict[str, Any]]

on_each_database = pytest.mark.parametrize("words", READINGS)


def cases() -> Iterator[Case]:
    """Yield each document of the tests, the contract and the demo, with variables."""
    yield demo.EXAMPLE_QUERY, None, {}
    yield NODES, None, {"ids": ["x"]}
    yield from ((query, None, variables) for query, variables in DOCUMENTS.values())
    for page in sorted(PAGES.glob("*.graphql")):
        text = page.read_text()
        for definition in parse(text).definitions:
            if isinstance(definition, OperationDefinitionNode) and definition.name:
                more = {**ANY, **VARIABLES.get(page.stem, {})}
                yield text, definition.name.value, more | dict(inputs(definition))
    for name, (said, _) in SAME.items():
        yield document(name, STATED), None, {"input": said}


def inputs(operation: OperationDefinitionNode) -> Iterator[tuple[str, Any]]:
    """Yield what the mutations of an operation may be given."""
    known = {f"{name}Input".lower(): said for name, (said, _) in SAME.items()}
    known["createapikeyinput"] = {"name": "n", "scopes": ["READ"]}
    for each in operation.variable_definitions or ():
        kind = print_ast(each.type).rstrip("!").lower()
        if kind in known:
            yield each.variable.name.value, known[kind]


def statements(words: str, query: str, name: str | None, variables: Any) -> Iterator[str]:
    """Yield what a document is compiled to, as a whole and, as an executor reads it, by field."""
    built = schema()
    documents = Documents(built, renders(built), READINGS[words], GraphLimits(cost_max=10**9))
    found = documents.get(query, name)
    ready = found.ready(found.variables(variables))
    if found.kind is OperationType.QUERY:
        yield documents.statement(ready).sql
    for field in ready.plan.fields:
        if not field.name.startswith("__"):
            yield documents.field_statement(ready, field.key).sql


@on_each_database
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case[1] or case[0][:30])
def test_what_a_document_compiles_to_names_the_workspace(words: str, case: Case) -> None:
    for sql in statements(words, *case):
        assert list(unbound_accesses(sql, words)) == [], sql


@on_each_database
@several(15)
@given(
    customers=strategies.customers(2),
    accounts=strategies.accounts(2),
    events=strategies.events(),
    order=strategies.orders(strategies.CUSTOMER_ORDERS),
)
def test_whatever_is_filtered_and_sorted_names_the_workspace(
    words: str, customers: Any, accounts: Any, events: Any, order: Any
) -> None:
    for query, variables in (
        (CUSTOMERS, {"where": customers, "order": order}),
        (ACCOUNTS, {"where": accounts}),
        (EVENTS, {"where": events}),
        (INNER, {"where": customers, "accounts": accounts}),
    ):
        for sql in statements(words, query, None, variables):
            assert list(unbound_accesses(sql, words)) == [], sql
