"""How many filters, orders and walks the tests make up: `TEST_EXAMPLES_TIMES=50` makes fifty times as many."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

TIMES = int(os.environ.get("TEST_EXAMPLES_TIMES", "1"))


def several(count: int) -> settings:
    """Return settings under which a test tries so many examples, or a multiple of that."""
    return settings(
        max_examples=count * TIMES,
        # Making a nested filter small takes minutes, and the failing one is shown as it is.
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
