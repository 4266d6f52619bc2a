"""Fields that ask how things stood: which they are, how far they reach, and how they are answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace

from api.graph import compile_event_filters as event_filters
from api.graph import ids
from api.graph.compile_reads import key_in_id, one_of
from api.graph.failures import Code, Failure
from api.graph.plan import Field, Group, Leaf, Value
from api.graph.statement import Asked, Compiled
from ingest import past
from ingest.past import Bounds, Hop, Reach, Sought, Source, TooLong
from models.connection import TimedOut
from models.values import Entity, Kind

_ENTITIES = {"customer": Entity.CUSTOMER, "account": Entity.ACCOUNT}
# What a flag knows of its audience without looking at anybody else.
_OF_A_KEY = {"id", "key", "entity", "__typename"}
# Folding is work for the processor, of which there is one for all that is asked.
_AT_ONCE = 2


def asks_for_past(root: str, field: Field) -> bool:
    """Return whether a root field says as of when."""
    asked = root == "Query" and field.name in _ENTITIES
    return asked and isinstance(field.given("asOf"), Leaf)


def reach_of(field: Field) -> Reach:
    """Return what of the past a field looks at."""
    reach = Reach()
    _walk(reach, _ENTITIES[field.name], "Query", [field])
    return reach


def _walk(reach: Reach, entity: Entity, parent: str, fields: Iterable[Field]) -> None:
    for field in fields:
        reached, kind = _step(reach, entity, parent, field)
        if field.name != "events":
            _look(reached, kind, field.given("where"))
        for name, selected in (field.selection or {}).items():
            _walk(reached, kind, name, selected)


def _step(reach: Reach, entity: Entity, parent: str, field: Field) -> tuple[Reach, Entity]:
    match parent, field.name:
        case "Customer", "accounts":
            return reach.to(Hop.ACCOUNTS), Entity.ACCOUNT
        case "Account", "members":
            return reach.to(Hop.MEMBERS), Entity.CUSTOMER
        case "Event", "account" if entity is Entity.CUSTOMER:
            return reach.to(Hop.EVENT_ACCOUNTS), Entity.ACCOUNT
        case "Event", "customer" if entity is Entity.ACCOUNT:
            return reach.to(Hop.EVENT_CUSTOMERS), Entity.CUSTOMER
        case _:
            pass
    if field.type == "Audience" and _asks_of_others(field):
        return reach.to(Hop.PEERS), entity
    return reach, entity


def _asks_of_others(field: Field) -> bool:
    return any(each.name not in _OF_A_KEY for each in (field.selection or {})["Audience"])


def _look(reach: Reach, entity: Entity, given: Value) -> None:
    """Take the steps that a filter takes."""
    if isinstance(given, list):
        for each in given:
            _look(reach, entity, each)
    if not isinstance(given, Group):
        return
    for name, value in given.fields.items():
        match name:
            case "and" | "or" | "not" | "some" | "none" | "every":
                _look(reach, entity, value)
            case "accounts":
                _look(reach.to(Hop.ACCOUNTS), Entity.ACCOUNT, value)
            case "members":
                _look(reach.to(Hop.MEMBERS), Entity.CUSTOMER, value)
            case _:
                pass


class Past:
    """What answers for the past, a few at once."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def answer(
        self, source: Source, field: Field, compiled: Compiled, asked: Asked, until: float
    ) -> str:
        """Return the JSON text of a field; raise TimedOut when the clock that never steps passes `until`."""
        sought = _sought(field, asked)
        # To those who look from then, that was now.
        then = replace(asked, now=min(asked.now, sought.until))
        arguments = compiled.arguments(then)
        limits, workspace = asked.limits, asked.workspace
        bounds = Bounds(limits.history_events_max, limits.history_characters_max)
        try:
            async with asyncio.timeout(_left(until)), self._turns:
                events = await past.read(source, workspace, sought, bounds, _left(until))
                given = (workspace, events, compiled.sql, arguments, _left(until))
                text: str = await asyncio.to_thread(past.answer, *given)
                return text
        except TooLong as error:
            raise Failure(Code.COST_LIMIT, str(error), field.node, [field.key]) from None


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimedOut("there is no time left")
    return left


def _sought(field: Field, asked: Asked) -> Sought:
    entity, moment = _ENTITIES[field.name], field.given("asOf")
    if not isinstance(moment, Leaf):
        raise TypeError("only a field with `asOf` asks for the past")
    if entity is Entity.CUSTOMER:
        name, leaf = one_of(field, ("id", "userId", "anonymousId"))
        kind = Kind.USER if name == "userId" else Kind.DEVICE
        prefix = ids.CUSTOMER
    else:
        name, leaf = one_of(field, ("id", "groupId"))
        kind, prefix = None, ids.ACCOUNT
    binder = key_in_id(leaf, prefix) if name == "id" else event_filters.key_of(leaf, kind)
    return Sought(entity, binder(asked), moment.read(asked.variables), reach_of(field))
