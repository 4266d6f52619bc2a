"""What belongs to another workspace does not exist."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import SQLModel

from api.graph.compile import compile_plan, renders
from api.graph.document import Documents
from api.graph.schema import schema
from api.limits import GraphLimits
from models import tables
from models.dialect_read_sqlite import SqliteReading
from models.values import Workspace
from tests.graph import strategies
from tests.graph.graphs import Asking, add_workspace
from tests.graph.test_answers import DOCUMENTS
from tests.graph.test_filters import ACCOUNTS, CUSTOMERS, EVENTS, modestly

OTHER = Workspace(2, "other")
_TABLES = set(SQLModel.metadata.tables)
_SOURCE = re.compile(r"\b([a-z_]+) AS ([a-z]+[0-9]+)\b")


def statement(query: str, variables: dict[str, Any]) -> str:
    """Return the statement of a query."""
    built, limits = schema(), GraphLimits(cost_max=10**9)
    documents = Documents(built, renders(built), SqliteReading(), limits)
    document = documents.get(query, None)
    ready = document.ready(document.variables(variables))
    return compile_plan(ready.plan, renders(built), SqliteReading()).sql


def check_every_access_is_held(sql: str) -> None:
    """Fail unless each table of a statement is held to the workspace, by its own predicate."""
    assert {str(tables.Customer.__tablename__), "workspaces"} <= _TABLES
    sources = [(table, alias) for table, alias in _SOURCE.findall(sql) if table in _TABLES]
    assert sources
    for table, alias in sources:
        column = "id" if table == "workspaces" else "workspace_id"
        assert f"{alias}.{column} = ?1" in sql, f"{table} AS {alias} is open: {sql}"
    bare = re.findall(r"(?:FROM|JOIN|,) (\w+)(?! AS \w+\d)\b", sql)
    assert not _TABLES.intersection(bare), bare


def test_every_access_to_a_table_is_held_to_the_workspace() -> None:
    for query, variables in DOCUMENTS.values():
        check_every_access_is_held(statement(query, variables))
    nodes = 'query($ids: [ID!]!) { nodes(ids: $ids) { id } node(id: "x") { id } }'
    check_every_access_is_held(statement(nodes, {"ids": ["x"]}))


@settings(modestly, max_examples=40)
@given(
    customers=strategies.customers(3),
    accounts=strategies.accounts(3),
    events=strategies.events(),
    order=strategies.orders(strategies.CUSTOMER_ORDERS),
    data=st.none(),
)
def test_filters_and_orders_are_held_too(
    customers: Any, accounts: Any, events: Any, order: Any, data: None
) -> None:
    del data
    check_every_access_is_held(statement(CUSTOMERS, {"where": customers, "order": order}))
    check_every_access_is_held(statement(ACCOUNTS, {"where": accounts}))
    check_every_access_is_held(statement(EVENTS, {"where": events}))


async def test_two_tenants_with_the_same_ids_see_their_own(empty: Asking) -> None:
    other = Asking(empty.graph, empty.database, empty.ingest, OTHER)
    await add_workspace(empty.database.inner, OTHER)
    for asking, plan in ((empty, "pro"), (other, "free")):
        await asking.deliver(
            [
                {
                    "type": "identify",
                    "userId": "u1",
                    "anonymousId": "d1",
                    "traits": {"plan": plan, "vip": True},
                },
                {"type": "group", "groupId": "a1", "userId": "u1", "traits": {"name": plan}},
            ]
        )
    query = """{ customers(where: {accounts: {some: {}}, audience: {in: ["vip"]}}) { totalCount nodes {
        id traits accounts(first: 2) { nodes { name members { totalCount } } } events(first: 3) { totalCount nodes {
        customer { traits } account { name } } } trait(key: "plan") { setBy { id } } } }
      accounts { totalCount nodes { id name } } events { totalCount nodes { id } }
      audiences { totalCount nodes { memberCount customers { nodes { traits } } } }
      customer(userId: "u1") { traits } account(groupId: "a1") { name }
      viewer { workspace { id name } key { name } } }"""
    mine, theirs = await empty.get(query), await other.get(query)
    assert mine["customers"]["totalCount"] == mine["accounts"]["totalCount"] == 1
    assert mine["events"]["totalCount"] == 2
    assert mine["viewer"]["workspace"]["name"] == "default"
    text = str(theirs)
    assert "free" in text
    assert "pro" not in text.replace("profile", "")
    ids = [mine["customers"]["nodes"][0]["id"], mine["accounts"]["nodes"][0]["id"]]
    ids += [event["id"] for event in mine["events"]["nodes"]]
    ids.append(mine["viewer"]["workspace"]["id"])
    found = await other.get("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})
    assert found["nodes"] == [None] * len(ids)
    one = await other.get("query($id: ID!) { customer(id: $id) { id } }", {"id": ids[0]})
    assert one == {"customer": None}
