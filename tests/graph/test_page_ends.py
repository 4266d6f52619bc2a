"""What is told of a page is the same, whatever else is asked of it, rows or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from api.auth import Scope
from tests.graph.graphs import Asking

FIELDS = ("hasNextPage", "hasPreviousPage", "startCursor", "endCursor", "__typename")
LISTS = (
    "customers",
    "accounts",
    "events",
    "audiences",
    "traitKeys(entity: CUSTOMER)",
    "quarantine",
    "apiKeys",
    "auditLog",
)
NESTED = "{ customers(first: 5) { nodes { events(%s) { %s } } } accounts(%s) { %s } }"
INFO = f"pageInfo {{ {' '.join(FIELDS)} }}"


@pytest.mark.parametrize("asked", LISTS)
async def test_each_field_alone_is_told_as_all_together(
    world: Asking, empty: Asking, asked: str
) -> None:
    for asking in (world, empty):
        admin = replace(asking, scopes=frozenset(Scope))
        (whole,) = (await admin.get(f"{{ {asked} {{ {INFO} nodes {{ __typename }} }} }}")).values()
        for field in FIELDS:
            (alone,) = (await admin.get(f"{{ {asked} {{ pageInfo {{ {field} }} }} }}")).values()
            assert alone["pageInfo"] == {field: whole["pageInfo"][field]}
        (with_count,) = (
            await admin.get(f"{{ {asked} {{ pageInfo {{ hasPreviousPage }} __typename }} }}")
        ).values()
        assert with_count["pageInfo"] == {"hasPreviousPage": False}


@pytest.mark.parametrize("page", ["first: 1", "last: 1", "first: 0", "last: 0", "first: 100"])
async def test_each_field_alone_is_told_of_pages_within_rows(world: Asking, page: str) -> None:
    whole = await world.get(NESTED % (page, INFO, page, INFO))
    for field in FIELDS:
        only = f"pageInfo {{ {field} }}"
        alone = await world.get(NESTED % (page, only, page, only))
        assert alone["accounts"]["pageInfo"] == {field: whole["accounts"]["pageInfo"][field]}
        pairs = zip(alone["customers"]["nodes"], whole["customers"]["nodes"], strict=True)
        for one, other in pairs:
            told = other["events"]["pageInfo"]
            assert one["events"]["pageInfo"] == {field: told[field]}
