"""The documents that are shipped for dashboards run on both databases, one statement for each query."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, OperationType, parse, validate

from api.auth import Scope
from api.graph.registry import load
from api.graph.schema import schema
from api.limits import GraphLimits
from tests.graph.graphs import Asking
from tests.graph.test_contract import PAGES
from tests.graph.test_contract import VARIABLES as OF_THE_CONTRACT

FOLDER = Path(__file__).parents[2] / "docs" / "documents"
NAMES = sorted(path.stem for path in FOLDER.glob("*.graphql"))
VARIABLES: dict[str, dict[str, Any]] = {
    **OF_THE_CONTRACT,
    "AccountHealth": {"plan": "trial", "quietSince": "2026-06-01T00:00:00Z"},
    "AudienceCurves": {"since": "2026-05-01T00:00:00Z"},
    "Engagement": {"event": "Report Viewed", "within": "P200D", "times": 2},
}
# What cannot be SQL is answered from the log.
FROM_THE_LOG = {"CustomerAsOf", "TraitHistory"}


def queries(name: str) -> list[str]:
    """Return the names of the queries of a document."""
    return [
        each.name.value
        for each in parse((FOLDER / f"{name}.graphql").read_text()).definitions
        if isinstance(each, OperationDefinitionNode)
        and each.operation is OperationType.QUERY
        and each.name is not None
    ]


@pytest.mark.parametrize("name", NAMES)
async def test_each_query_is_answered_by_one_statement(world: Asking, name: str) -> None:
    text = (FOLDER / f"{name}.graphql").read_text()
    assert validate(schema(), parse(text)) == []
    for query in queries(name):
        world.database.asked.clear()
        asking = replace(world, scopes=frozenset({Scope.ADMIN}))
        found = await asking.get(text, VARIABLES.get(name), operationName=query)
        assert found.keys()
        assert name in FROM_THE_LOG or len(world.database.asked) == 1


def test_every_page_of_the_contract_that_is_served_is_shipped() -> None:
    served = {path.stem for path in PAGES.glob("*.graphql")}
    assert served <= set(NAMES), "copy it to docs/documents, and name it in docs/dashboards.md"


def test_each_document_is_told_and_can_be_registered() -> None:
    told = (FOLDER.parent / "dashboards.md").read_text()
    for name in NAMES:
        assert f"documents/{name}.graphql" in told, name
    assert len(load(FOLDER, GraphLimits())) == len(NAMES)


async def test_the_curves_of_all_audiences_cost_a_hundred_each(world: Asking) -> None:
    text = (FOLDER / "AudienceCurves.graphql").read_text()
    found = await world.ask(text, VARIABLES["AudienceCurves"])
    assert found["extensions"]["cost"]["requested"] == 20 * (1 + 100)
    curves = {each["key"]: each["activity"] for each in found["data"]["audiences"]["nodes"]}
    assert len(curves["vip"]) == 13
