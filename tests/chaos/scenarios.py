"""Every way in which Calyx is hurt, in the order in which they run."""

from __future__ import annotations

from tests.chaos import hostile, kills, nth, permuted
from tests.chaos.plan import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *kills.SCENARIOS,
    *nth.SCENARIOS,
    *permuted.SCENARIOS,
    *hostile.SCENARIOS,
)
