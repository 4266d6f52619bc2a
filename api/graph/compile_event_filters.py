"""Which events, and how many of them: filters by what happened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from api.graph.compile_logic import Condition, any_of, combined, text, time
from api.graph.compile_values import (
    ALWAYS,
    Operand,
    every,
    number_condition,
    operators,
    text_condition,
    text_of,
    value_of,
    within,
)
from api.graph.enums import EventType
from api.graph.plan import Group, Leaf, Value
from api.graph.statement import Binder, Draft, Sql
from ingest import canonical
from models import values
from models.values import Identifier, Kind


def event_condition(draft: Draft, alias: str, given: Value) -> Sql:
    """Return what an EventFilter says of the event at `alias`."""
    return combined(draft, alias, given, _EVENT, event_condition)


def of_customer(draft: Draft, alias: str, customer: Sql) -> Sql:
    """Return that the event at `alias` is shown and about the customer with this number."""
    i = draft.alias("i")
    ids = draft.stored({i: "identities"}, [f"{i}.customer_id = {customer}"])
    return f"{alias}.whom IN (SELECT {i}.id {ids}) AND {alias}.veil = 0"


def of_account(alias: str, account: Sql) -> Sql:
    """Return that the event at `alias` is shown and about the account with this number."""
    return f"{alias}.account_id = {account} AND {alias}.veil = 0"


def counted(owned: Callable[[Draft, str, Sql], Sql]) -> Condition:
    """Return the condition of an EventCountFilter over the events that somebody owns."""

    def condition(draft: Draft, alias: str, given: Group) -> Sql:
        e = draft.alias("e")
        where = [owned(draft, e, f"{alias}.id")]
        count: Value = None
        for name, value in given.fields.items():
            if name == "count":
                count = value
            elif name == "name":
                where.append(_EVENT["name"](draft, e, value) if value is not None else ALWAYS)
            else:
                [(_, leaf)] = operators(Group({name: value}), "EventCountFilter")
                where.append(_event_moment(draft, e, name, leaf))
        if count is None:
            return draft.exists({e: "events"}, where)
        asked = number_condition(draft, "count(*)", count)
        if asked == ALWAYS:
            # Without a word of count(*) in it, the sub-select would have a row for each event.
            return ALWAYS
        return f"(SELECT {asked} {draft.stored({e: 'events'}, where)})"

    return condition


def _event_moment(draft: Draft, alias: str, name: str, leaf: Leaf) -> Sql:
    if name == "type":
        return _event_type(draft, alias, leaf)
    if name == "within":
        return within(draft, f"{alias}.at", leaf)
    operator = ">=" if name == "since" else "<"
    return f"{alias}.at {operator} {draft.bind_number(value_of(leaf))}"


def _event_type(draft: Draft, alias: str, leaf: Leaf) -> Sql:
    def numbers(asked: Any) -> str:
        kinds: list[EventType] = leaf.read(asked.variables)
        return msgspec.json.encode([values.EventType[kind.name].value for kind in kinds]).decode()

    return f"{alias}.type IN {draft.dialect.listed_numbers(draft.bind(numbers))}"


def _event_ids(kind: Kind | None) -> Condition:
    """By an id as sent, found by its key where exactly one is asked for."""

    def condition(draft: Draft, alias: str, given: Value) -> Sql:
        conditions = []
        for name, leaf in operators(given, "StringFilter"):
            if name in {"eq", "ne"}:
                found = _event_id_equals(draft, alias, kind, leaf)
                conditions.append(found if name == "eq" else f"NOT ({found})")
            else:
                sent = _sent_id(
                    draft, alias, kind, "identifier" if kind is not None else "group_id"
                )
                folded = _sent_id(
                    draft, alias, kind, "folded" if kind is not None else "group_id_folded"
                )
                operand = Operand(sent, folded)
                conditions.append(text_condition(draft, operand, Group({name: leaf})))
        return every(conditions)

    return condition


def _event_id_equals(draft: Draft, alias: str, kind: Kind | None, leaf: Leaf) -> Sql:
    t, bound = draft.alias("t"), draft.bind_key(key_of(leaf, kind))
    table, columns = ("accounts", ["account_id"]) if kind is None else ("identities", ["whom"])
    if kind is Kind.DEVICE:
        columns = ["device", "whom"]
    found = f"(SELECT {t}.id {draft.stored({t: table}, [f'{t}.key = {bound}'])})"
    return any_of(
        [f"{alias}.{column} IS NOT NULL AND {alias}.{column} IN {found}" for column in columns]
    )


def _sent_id(draft: Draft, alias: str, kind: Kind | None, column: str) -> Sql:
    t = draft.alias("t")
    if kind is None:
        return draft.one(f"{t}.{column}", {t: "accounts"}, [f"{t}.id = {alias}.account_id"])
    place = f"coalesce({alias}.device, {alias}.whom)" if kind is Kind.DEVICE else f"{alias}.whom"
    return draft.one(
        f"{t}.{column}", {t: "identities"}, [f"{t}.id = {place}", f"{t}.kind = {kind.value}"]
    )


def key_of(leaf: Leaf, kind: Kind | None) -> Binder:
    """Bind the key of an identifier of a kind, or of a groupId."""

    def bind(asked: Any) -> bytes:
        text = canonical.clean(leaf.read(asked.variables))
        if kind is None:
            return values.account_key(asked.workspace.name, text)
        return values.identity_key(asked.workspace.name, Identifier(kind, text))

    return bind


def _event_message_id(draft: Draft, alias: str, given: Value) -> Sql:
    conditions = []
    for name, leaf in operators(given, "StringFilter"):
        fits = text("message_id", nullable=False)(draft, alias, Group({name: leaf}))
        if name == "eq":
            # The key begins with a hash of the messageId, and its index finds it.
            low, high = (draft.bind_key(_message_bound(leaf, end)) for end in (b"\x00", b"\xff"))
            fits = every([f"{alias}.key >= {low}", f"{alias}.key <= {high}", fits])
        conditions.append(fits)
    return every(conditions)


def _message_bound(leaf: Leaf, end: bytes) -> Binder:
    text = text_of(leaf)
    return lambda asked: values.message_key(asked.workspace.name, text(asked)) + end * 8


_EVENT: dict[str, Condition] = {
    "type": _event_type,
    "name": text("name"),
    "timestamp": time("at"),
    "userId": _event_ids(Kind.USER),
    "anonymousId": _event_ids(Kind.DEVICE),
    "groupId": _event_ids(None),
    "messageId": _event_message_id,
}
