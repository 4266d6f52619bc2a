"""A walk repeats and skips nobody whom nothing happened to, whatever arrives meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from itertools import count, cycle, islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.databases import DEFAULT, Template
from tests.graph import strategies
from tests.graph.examples import several
from tests.graph.graphs import Asking, a_graph, add_workspace
from tests.graph.test_pages import ALL, WALK
from tests.graph.world import KEYS, NAMES, NOW, USERS, VALUES, messages

# Of these things happen; joined ones take others with them, so whom that is is asked of the database.
MOVED = [*USERS[::2], *(f"new{number}" for number in range(8))]
TOUCHED = """query($ids: [String!]!) { customers(where: {userId: {in: $ids}}, first: 100) { nodes { id } } }"""
_SECOND = 1_000_000
# Upwards by the last sight, a walk would follow for ever whoever keeps moving.
_MESSAGES = 90
_PAGES_MAX = 400

# Each arrival is later than all before it, in whatever example.
_moments = count(NOW + _SECOND, _SECOND)


@pytest.fixture(scope="module")
def moving_url(template: Template) -> str:
    """Give a database that holds the world, in which things go on happening."""
    url = template.copy()

    async def fill() -> None:
        async with a_graph(url) as asking:
            await add_workspace(asking.database.inner, DEFAULT)
            await asking.deliver([*messages(), *({"type": "identify", "userId": u} for u in MOVED)])

    asyncio.run(fill())
    return url


@several(15)
@given(
    order=strategies.orders(strategies.CUSTOMER_ORDERS),
    size=st.integers(1, 9),
    backward=st.booleans(),
    users=st.lists(st.sampled_from(MOVED), min_size=1, max_size=6),
    values=st.lists(st.sampled_from(VALUES), min_size=1, max_size=6),
)
def test_a_walk_meets_each_once_to_whom_nothing_happens(
    moving_url: str, order: Any, size: int, users: list[str], values: list[Any], *, backward: bool
) -> None:
    async def ask() -> None:
        async with a_graph(moving_url) as asking:
            moved = await asking.get(TOUCHED, {"ids": MOVED})
            touched = {node["id"] for node in moved["customers"]["nodes"]}
            whole = await asking.get(ALL, {"order": order})
            still = [
                each["id"] for each in whole["customers"]["nodes"] if each["id"] not in touched
            ]
            arriving = _Arriving(asking, islice(_said(users, values), _MESSAGES))
            met = await _walk(asking, arriving, order, size, backward=backward)
            assert [each for each in met if each not in touched] == still

    asyncio.run(ask())


class _Arriving:
    """Messages that arrive one after another, beside whatever else is done."""

    def __init__(self, asking: Asking, said: Iterator[dict[str, Any]]) -> None:
        self._asking = asking
        self._said = said
        self._task = asyncio.ensure_future(self._arrive())
        self._arrived = asyncio.Event()

    async def _arrive(self) -> None:
        while said := list(islice(self._said, 3)):
            await self._asking.deliver(said, next(_moments))
            self._arrived.set()

    async def another(self) -> None:
        """Return once something has arrived since this was last asked, or all has."""
        self._arrived.clear()
        waiting = asyncio.ensure_future(self._arrived.wait())
        await asyncio.wait([self._task, waiting], return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()

    async def end(self) -> None:
        """Let nothing more arrive."""
        self._task.cancel()
        await asyncio.wait([self._task])


def _said(users: Sequence[str], values: Sequence[Any]) -> Iterator[dict[str, Any]]:
    names, keys = cycle(NAMES), cycle(KEYS)
    for user, value in zip(cycle(users), cycle(values), strict=False):
        name = next(names)
        traits = {next(keys): value, "plan": value, "name": name, "email": f"{name}@example.com"}
        yield {"type": "identify", "userId": user, "traits": traits}


async def _walk(
    asking: Asking, arriving: _Arriving, order: Any, size: int, *, backward: bool
) -> list[str]:
    """Return the ids of a whole list, between whose pages something arrives."""
    found: list[str] = []
    cursor = None
    try:
        for _ in range(_PAGES_MAX):
            page = (
                {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
            )
            connection = (await asking.get(WALK, {"order": order, **page}))["customers"]
            ids = [node["id"] for node in connection["nodes"]]
            found = ids + found if backward else found + ids
            info = connection["pageInfo"]
            cursor = info["startCursor" if backward else "endCursor"]
            if not info["hasPreviousPage" if backward else "hasNextPage"]:
                return found
            await arriving.another()
    finally:
        await arriving.end()
    raise AssertionError("the walk does not end")
