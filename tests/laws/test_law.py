"""State is a pure function of the set of events: no order, repetition or batching shows in it."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.replay import State, digest
from tests.databases import Template, state_after
from tests.laws import model
from tests.laws.histories import histories, random_history
from tests.laws.model import Delivery

RANDOM_HISTORIES = 40
RANDOM_LENGTH = 40

law = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def plain(state: State) -> Any:
    """Return a state as JSON has it, lists of entries in one order."""
    told = json.loads(json.dumps(state))
    for kind in ("receipts", "quarantine", "erasures"):
        entries = [{**entry, "outcome": str(entry.get("outcome")).lower()} for entry in told[kind]]
        told[kind] = sorted(entries, key=lambda entry: json.dumps(entry, sort_keys=True))
    return told


def cut(rng: random.Random, history: Sequence[Delivery]) -> list[list[Delivery]]:
    """Return a history cut into batches anywhere."""
    rest, batches = list(history), []
    while rest:
        size = rng.choice([1, 1, 2, 3, 5, 10, 40])
        batches.append(rest[:size])
        del rest[:size]
    return batches


def rearranged(rng: random.Random, history: Sequence[Delivery]) -> list[list[Delivery]]:
    """Return a history permuted, partly heard twice, and cut into batches anywhere."""
    heard = [*history, *rng.sample(history, len(history) // 2)]
    rng.shuffle(heard)
    return cut(rng, heard)


def stored(template: Template, batches: Sequence[Sequence[Delivery]]) -> State:
    """Return the state of a new database after these batches."""
    return asyncio.run(state_after(template.copy(), batches))


@law
@given(history=histories(), rng=st.randoms(use_true_random=False))
def test_any_order_any_repetition_and_any_batching_leave_the_state_of_the_model(
    template: Template, history: list[Delivery], rng: random.Random
) -> None:
    as_sent = stored(template, cut(rng, history))
    otherwise = stored(template, rearranged(rng, history))
    assert plain(as_sent) == plain(model.state(history))
    assert digest(otherwise) == digest(as_sent)


@pytest.mark.parametrize("seed", range(RANDOM_HISTORIES))
def test_long_histories_leave_the_state_of_the_model(template: Template, seed: int) -> None:
    rng = random.Random(seed)
    history = random_history(rng, RANDOM_LENGTH)
    expected = plain(model.state(history))
    assert plain(stored(template, rearranged(rng, history))) == expected
