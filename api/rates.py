"""How often a key may come: so many a minute, and as many at once after a minute of silence. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from models.values import Micros

MINUTE_MICROS = 60_000_000
KEYS_MAX = 10_000
"""Keys remembered at once; who was forgotten begins anew."""

# Of the sum, not of the caller.
_ERROR_MICROS = 0.5


class Rates:
    """When each key will have used up what it may, were it to come no more."""

    def __init__(self) -> None:
        self._spent_until: OrderedDict[Hashable, float] = OrderedDict()

    def wait_micros(self, key: Hashable, per_minute: int, now: Micros) -> float:
        """Return 0 and count the request, or for how long this key is refused."""
        each = MINUTE_MICROS / per_minute
        # Behind the present nothing is left to pay for; far ahead of it, a clock was set back.
        spent = min(max(self._spent_until.get(key, 0.0), now), now + MINUTE_MICROS)
        over = spent + each - now - MINUTE_MICROS
        if over > _ERROR_MICROS:
            return over
        self._spent_until[key] = spent + each
        self._spent_until.move_to_end(key)
        if len(self._spent_until) > KEYS_MAX:
            self._spent_until.popitem(last=False)
        return 0.0
