"""Every way in which Calyx is hurt, in the order in which they run."""

from __future__ import annotations

from tests.chaos import (
    clocks,
    connections,
    disk,
    hostile,
    kills,
    nth,
    overload,
    permuted,
    stopping,
    wire,
)
from tests.chaos.plan import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *kills.SCENARIOS,
    *nth.SCENARIOS,
    *disk.SCENARIOS,
    *connections.SCENARIOS,
    *overload.SCENARIOS,
    *clocks.SCENARIOS,
    *stopping.SCENARIOS,
    *permuted.SCENARIOS,
    *hostile.SCENARIOS,
    *wire.SCENARIOS,
)
