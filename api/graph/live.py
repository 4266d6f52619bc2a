"""Subscriptions: follow the log, and read again what its events are about, by the one compiler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, TypeVar

import msgspec
from graphql import GraphQLError, OperationType

from api.graph import compile_live, cost
from api.graph.compile_live import PAGE_EVENTS, Looking, looking
from api.graph.document import Invalid, Ready
from api.graph.execute import Graph, told
from api.graph.failures import Code, Failure, bad_input
from api.graph.known import Known, change
from api.graph.plan import Field
from api.graph.request import Answer, GraphRequest, Malformed, Parameters, read, shown
from api.graph.statement import Asked, Compiled
from api.graph.told import Change
from api.limits import LiveLimits
from ingest import tail
from ingest.tail import Window
from ingest.tails import Closed, Tail, Tails
from models.database import Unavailable
from models.dialect_choice import reading
from models.values import Micros

T = TypeVar("T")

LOOK_KEYS_MAX = 500
"""Keys that one statement looks at."""

TELL_MAX = 50
"""Changes that one statement reads to be told."""

TRIES_MAX = 30
"""How often a read is tried again while the database is away, once a second."""

AGAIN_SECONDS = 60.0
"""How often filters by age are asked anew: time goes by without an event."""

_looked = msgspec.json.Decoder(list[tuple[str, int] | None]).decode
_events = msgspec.json.Decoder(dict[str, list[tuple[int, msgspec.Raw]]]).decode
_changes = msgspec.json.Decoder(dict[str, list[msgspec.Raw]]).decode

Payload = bytes
"""The JSON text of one answer of an operation."""


class Live:
    """What answers subscriptions, one for each process."""

    def __init__(
        self, graph: Graph, tails: Tails, clock: Callable[[], Micros], limits: LiveLimits
    ) -> None:
        self.graph = graph
        self.tails = tails
        self.clock = clock
        self.limits = limits
        self.remembered = 0
        self.dialect = reading(graph.database.collation)

    def is_subscription(self, request: GraphRequest) -> bool:
        """Return whether a request subscribes; one that cannot be read does not."""
        try:
            asked = read(request, self.graph.limits.body_bytes_max)
            document = self.graph.document(asked, request)
        except (Malformed, Invalid, GraphQLError):
            return False
        return document.kind is OperationType.SUBSCRIPTION

    async def answer(self, request: GraphRequest) -> Answer:
        """Return the answer to what is no subscription."""
        return await self.graph.answer(request)

    def remember(self, more: int, customers: int) -> None:
        """Count customers whom a subscription remembers, `more` than before; raise Failure where they are too many."""
        limits, self.remembered = self.limits, self.remembered + more
        if customers > limits.customers_max:
            raise Failure(
                Code.COST_LIMIT,
                f"over {limits.customers_max} customers match, and so many are not remembered:"
                " narrow `where`, or follow `events`",
            )
        if more > 0 and self.remembered > limits.remembered_max:
            raise Failure(
                Code.RATE_LIMITED,
                f"over {limits.remembered_max} customers are remembered for all who follow some:"
                " narrow `where`, or try again later",
            )

    async def payloads(self, request: GraphRequest) -> AsyncGenerator[Payload, None]:
        """Yield what a subscription answers, one by one.

        Raise Refused where it cannot be, or no longer, and Closed where it will go on elsewhere.
        """
        try:
            async with aclosing(self._follow(request)) as found:
                async for payload in found:
                    yield payload
        except Closed:
            raise
        except Malformed as error:
            raise Refused([bad_input(str(error))]) from None
        except Invalid as error:
            raise Refused(error.errors) from None
        except Exception as error:  # noqa: BLE001 (the outermost edge of a subscription)
            raise Refused([told(error, request.request_id)]) from None

    async def _follow(self, request: GraphRequest) -> AsyncGenerator[Payload, None]:
        graph = self.graph
        asked = read(request, graph.limits.body_bytes_max)
        document = graph.document(asked, request)
        variables = document.variables(asked.variables)
        ready = document.ready(variables)
        graph.check_scopes(ready, request)
        cost.check_cost(ready.cost, graph.limits)
        if len(ready.plan.fields) != 1:
            raise bad_input("a subscription has one field, which no directive may leave out")
        self._keep(asked, request)
        following = _Following(self, request, ready, graph.asked(request, variables))
        async with (
            self.tails.follow(request.caller.workspace) as found,
            aclosing(following.texts(found)) as texts,
        ):
            async for text in texts:
                yield following.payload(text)

    def _keep(self, asked: Parameters, request: GraphRequest) -> None:
        if asked.document.id is not None:
            self.graph.kept.keep(request.caller.workspace.id, asked.document)


class Refused(Exception):
    """A subscription that cannot be, or that ends: with what its caller is told."""

    def __init__(self, errors: Iterable[GraphQLError]) -> None:
        self.errors = [shown(error) for error in errors]
        super().__init__(self.errors[0]["message"])


class _Following:
    """One subscription under way."""

    def __init__(self, live: Live, request: GraphRequest, ready: Ready, asked: Asked) -> None:
        self._live = live
        self._request = request
        self._ready = ready
        self._asked = asked
        self._field: Field = ready.plan.fields[0]

    def texts(self, followed: Tail) -> AsyncGenerator[bytes, None]:
        """Return the JSON texts of the root field, as they come."""
        match self._field.name:
            case "events":
                return self._events(followed)
            case "customerChanged":
                return self._one(followed)
            case _:
                return self._many(followed)

    def payload(self, text: bytes) -> Payload:
        """Return the answer that has this text under its field."""
        key = msgspec.json.encode(self._field.key)
        said = {"requested": self._ready.cost, "limit": self._live.graph.limits.cost_max}
        more = msgspec.json.encode({"cost": said})
        return b'{"data":{%b:%b},"extensions":%b}' % (key, text, more)

    # ------------------------------------------------------------ events

    async def _events(self, followed: Tail) -> AsyncGenerator[bytes, None]:
        position = compile_live.position(self._field, self._asked)
        if position is None:
            position = await followed.end()
        async for after, upto in _pieces(followed, position):
            start = after
            while start < upto:
                found = _events(await self._text(after=start, upto=upto))[self._field.key]
                for _, text in found:
                    yield bytes(text)
                start = found[-1][0] if len(found) == PAGE_EVENTS else upto

    # ------------------------------------------------------------ one customer

    async def _one(self, followed: Tail) -> AsyncGenerator[bytes, None]:
        own = compile_live.key_of(self._field)(self._asked)
        look = compile_live.look(self._field, self._live.dialect)
        position = await followed.end()
        before = await self._standing(look, own)
        async for after, upto in _pieces(followed, position):
            window = await self._window(followed, after, upto)
            cause = window.touched.get(own) or window.touched.get(before or own)
            if cause is None and not window.erases:
                continue
            now = await self._standing(look, own)
            changed = change(before, now, cause)
            before = now
            if changed is not None:
                for text in await self._told([changed]):
                    yield text

    async def _standing(self, look: Compiled, own: bytes) -> bytes | None:
        found = (await self._look(look, [own]))[own]
        return None if found is None else found[0]

    # ------------------------------------------------------------ those who match

    async def _many(self, followed: Tail) -> AsyncGenerator[bytes, None]:
        matching = compile_live.matching(
            self._field, self._live.dialect, self._live.limits.customers_max
        )
        position = await followed.end()
        known = Known(await self._matching(matching))
        counted = 0
        try:
            self._live.remember(counted := len(known), len(known))
            async for changes in self._changes(followed, position, known, matching):
                more, counted = len(known) - counted, len(known)
                self._live.remember(more, counted)
                for part in _parts(changes, TELL_MAX):
                    for text in await self._told(part):
                        yield text
        finally:
            self._live.remembered -= counted

    async def _changes(
        self, followed: Tail, position: int, known: Known, matching: Compiled
    ) -> AsyncGenerator[list[Change], None]:
        """Yield what each piece of the log changes, known by then."""
        where = self._field.given("where")
        look = compile_live.look(self._field, self._live.dialect)
        by_account = compile_live.mentions(where, "accounts")
        again = AGAIN_SECONDS if compile_live.mentions(where, "within") else None
        async for after, upto in _pieces(followed, position, again):
            window = await self._window(followed, after, upto)
            beside = await self._members(window) if by_account else {}
            found: dict[bytes, tuple[bytes, bool] | None] = {}
            for keys in _parts(sorted(window.touched | (beside or {})), LOOK_KEYS_MAX):
                found |= await self._look(look, keys)
            changes = list(known.take(found, window.touched, beside or {}))
            if window.erases or beside is None or after == upto:
                changes += known.replace(await self._matching(matching))
            yield changes

    async def _members(self, window: Window) -> dict[bytes, bytes] | None:
        database, workspace = self._live.graph.database, self._request.caller.workspace
        return await _patiently(lambda: tail.members(database, workspace, window.accounts))

    async def _matching(self, statement: Compiled) -> list[bytes]:
        text = (await self._run(statement, self._now())).decode()
        return [bytes.fromhex(key) for key in text.split(",")] if text else []

    # ------------------------------------------------------------ reading

    async def _window(self, followed: Tail, after: int, upto: int) -> Window:
        if after == upto:
            return Window()
        return await _patiently(lambda: followed.window(after, upto))

    async def _look(
        self, statement: Compiled, keys: list[bytes]
    ) -> dict[bytes, tuple[bytes, bool] | None]:
        """Return whom each key finds, and whether that customer matches."""
        rows = _looked(await self._run(statement, self._now(keys=tuple(keys))))
        found = [row and (bytes.fromhex(row[0]), row[1] == 1) for row in rows]
        return dict(zip(keys, found, strict=True))

    async def _told(self, changes: list[Change]) -> list[bytes]:
        text = await self._text(changes=tuple(changes))
        return [bytes(each) for each in _changes(text)[self._field.key]]

    async def _text(self, **more: Any) -> bytes:
        asked = self._now(**more)
        graph = self._live.graph
        statement = graph.documents.statement(self._ready)
        return (await _patiently(lambda: graph.read(graph.database, statement, asked))).encode()

    async def _run(self, statement: Compiled, asked: Looking) -> bytes:
        graph, arguments = self._live.graph, statement.arguments(asked)
        seconds = graph.limits.seconds_max
        rows = await _patiently(lambda: graph.database.read(statement.sql, arguments, seconds))
        text: str = rows[0][0]
        return text.encode()

    def _now(self, **more: Any) -> Looking:
        return looking(replace(self._asked, now=self._live.clock()), **more)


async def _pieces(
    followed: Tail, position: int, again: float | None = None
) -> AsyncGenerator[tuple[int, int], None]:
    """Yield the pieces of the log behind a position, as they come; an empty one each `again` seconds."""
    due = None if again is None else time.monotonic() + again
    while True:
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - time.monotonic())):
                end = await followed.beyond(position)
        except TimeoutError:
            due = time.monotonic() + (again or 0.0)
            yield position, position
            continue
        while position < end:
            after, last = position, end
            position = await _patiently(lambda: followed.step(after, last))  # noqa: B023 (called at once)
            yield after, position


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Return what a read gives, tried again while the database is away."""
    for _ in range(TRIES_MAX):
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(1.0)
    return await call()


def _parts(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for at in range(0, len(items), size):
        yield list(items[at : at + size])
