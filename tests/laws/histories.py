"""Short, nasty histories: few names and few moments, so that everything meets everything.

One generator, two sources of choice: hypothesis (which shrinks) and a seeded `random.Random`
(for long runs). What the contract leaves open is not made here; see the comments.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.laws.histories_messages import KEYS, MAKERS, VALUES, Cast
from tests.laws.model_message import TYPES, Delivery, Event, Quarantined, read

SECOND_US = 1_000_000
BASE_US = 1_767_225_600 * SECOND_US  # 2026-01-01T00:00:00Z

# Seconds from BASE_US. Deliveries come before, between and after what they tell.
RECEIPTS = [50, 50, 60, 60, 15, 25, 5000]
UNREADABLE: list[Any] = [
    "yesterday",
    "",
    "0001-01-01",
    "2026-13-01T00:00:00Z",
    -5,
    True,
    {"at": 1},
    1e300,
    float("inf"),
]


@dataclass(frozen=True)
class RandomChoices:
    """Choices of a seeded generator."""

    rng: random.Random

    def pick(self, items: Sequence[Any]) -> Any:
        """Return one of `items`."""
        return self.rng.choice(items)

    def chance(self, percent: int) -> bool:
        """Return True in so many of a hundred cases."""
        return self.rng.randrange(100) < percent


@dataclass(frozen=True)
class DrawnChoices:
    """Choices of hypothesis."""

    draw: Callable[[st.SearchStrategy[Any]], Any]

    def pick(self, items: Sequence[Any]) -> Any:
        """Return one of `items`."""
        return items[self.draw(st.integers(0, len(items) - 1))]

    def chance(self, percent: int) -> bool:
        """Return True in so many of a hundred cases."""
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)


@st.composite
def histories(draw: Callable[[st.SearchStrategy[Any]], Any], size_max: int = 10) -> list[Delivery]:
    """Return a strategy of consistent histories (see `consistent`)."""
    size = draw(st.integers(0, size_max))
    return consistent(_deliveries(Cast(DrawnChoices(draw)), size))


def random_history(rng: random.Random, n: int) -> list[Delivery]:
    """Return a consistent history of `n` deliveries, decided by `rng` alone."""
    return consistent(_deliveries(Cast(RandomChoices(rng)), n))


def consistent(history: list[Delivery]) -> list[Delivery]:
    """Return the history with every later copy of a message replaced by its first.

    Which copy came first decides `at`, `receivedAt` and what was not said; with copies alike,
    any permutation of the history must leave the same state.
    """
    first: dict[Any, Delivery] = {}
    settled: list[Delivery] = []
    for delivery in history:
        stored = read(delivery)
        key = stored.body if isinstance(stored, Quarantined) else (stored.message_id, stored.digest)
        kept = first.setdefault(key, delivery)
        settled.append(delivery if _alike(read(kept), stored) else kept)
    return settled


def _alike(one: Event | Quarantined, other: Event | Quarantined) -> bool:
    if isinstance(one, Event) and isinstance(other, Event):
        return (one.at, one.received_at) == (other.at, other.received_at)
    return one.received_at == other.received_at


def _deliveries(cast: Cast, size: int) -> list[Delivery]:
    history: list[Delivery] = []
    for number in range(size):
        if history and cast.chance(15):
            history.append(_echo(cast, cast.pick(history)))
        else:
            history.append(_delivery(cast, cast.pick(cast.theme), number))
    return history


def _delivery(cast: Cast, kind: str, number: int) -> Delivery:
    body = MAKERS[kind](cast)
    received_at = BASE_US + cast.pick(RECEIPTS) * SECOND_US
    if not isinstance(body, dict):
        return Delivery(body, received_at, cast.pick(["segment", "sdk"]))
    message_id = (
        f"m{number}" if not cast.chance(25) else cast.pick(["dup1", "dup2", None, "", 7, False])
    )
    if message_id is not None:
        body["messageId"] = message_id
    _put_time(cast, body)
    _put_transport(cast, body)
    if cast.chance(10):
        return _spell_type(cast, body, received_at)
    return Delivery(body, received_at, cast.pick(["segment", "sdk"]))


def _echo(cast: Cast, earlier: Delivery) -> Delivery:
    """A retry, a re-delivery through the other door, or another message under the same id."""
    body = earlier.body
    if not isinstance(body, dict):
        return earlier
    changes: dict[str, dict[str, Any]] = {
        "same": {},
        "transport": {"integrations": {"All": False}, "version": 2, "channel": "server"},
        "stamped": {"sentAt": "2026-01-01T00:00:58Z", "_metadata": {"retryCount": 1}},
        "time": {"timestamp": _time_text(cast, cast.pick(cast.moments))},
        "user": {"userId": cast.pick(cast.users)},
        "trait": {"traits": {cast.pick(KEYS): cast.pick(VALUES)}},
    }
    how = cast.pick(["same", "transport", "time", "user", "trait", "stamped"])
    return replace(
        earlier, body={**body, **changes[how]}, door=cast.pick([earlier.door, "segment"])
    )


def _spell_type(cast: Cast, body: dict[str, Any], received_at: int) -> Delivery:
    kind = body.pop("type", None)
    how = cast.pick(["case", "action", "path"])
    if not isinstance(kind, str):
        return Delivery(body, received_at)
    if how == "path" and kind in TYPES - {"delete"}:
        return Delivery({**body, "type": cast.pick([kind, "page"])}, received_at, "sdk", kind)
    body["action" if how == "action" else "type"] = cast.pick(
        [kind.upper(), kind.capitalize(), kind]
    )
    return Delivery(body, received_at, cast.pick(["segment", "sdk"]))


# Times. Week dates, basic forms, white space and leap seconds are left out: the contract says
# "ISO 8601" and no more.


def _time_text(cast: Cast, second: int) -> Any:
    moment = datetime.fromtimestamp(BASE_US // SECOND_US + second, UTC)
    local = (moment + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dT%H:%M:%S")
    plain = moment.strftime("%Y-%m-%dT%H:%M:%S")
    epoch = int(moment.timestamp())
    forms: list[Any] = [
        f"{plain}Z", f"{plain}.000Z", plain, f"{plain}+00:00", f"{local}+0530", f"{local}.0000009+05:30",
        f"{plain}.5Z", epoch, epoch * 1000, epoch + 0.25, float(epoch),
    ]  # fmt: skip
    return cast.pick(forms)


def _put_time(cast: Cast, body: dict[str, Any]) -> None:
    how = cast.pick(
        ["said"] * 16 + ["original", "both", "future", "soon", "none", "unreadable", "date", "old"]
    )
    said = _time_text(cast, cast.pick(cast.moments))
    body |= {
        "said": {"timestamp": said},
        "original": {"timestamp": cast.pick([None, *UNREADABLE]), "originalTimestamp": said},
        "both": {"timestamp": said, "originalTimestamp": _time_text(cast, 1)},
        "future": {"timestamp": _time_text(cast, 90_000)},
        "soon": {"timestamp": _time_text(cast, cast.pick([200, 340, 350, 360, 361]))},
        "none": {},
        "unreadable": {"timestamp": cast.pick(UNREADABLE)},
        "date": {"timestamp": cast.pick(["2026-01-01", "2025-12-31"])},
        "old": {
            "timestamp": cast.pick(
                ["2015-02-02T00:00:00+23:00", 1_422_835_200, "1985-01-01", 31_557_600_000]
            )
        },
    }[how]


def _put_transport(cast: Cast, body: dict[str, Any]) -> None:
    if cast.chance(12):
        # Within 10 s of the receipt, ahead of it, behind it, unreadable.
        body["sentAt"] = cast.pick(
            ["2026-01-01T00:00:50Z", "2026-01-01T00:01:09Z", "2026-01-01T00:00:20Z", "soon"]
        )
    if cast.chance(4):
        body["receivedAt"] = "2026-01-01T00:00:20Z"
    if "context" not in body and cast.chance(3):
        body["context"] = cast.pick([None, "x", [1]])
    elif cast.chance(6):
        body["context"] = {**body.get("context", {}), "active": cast.pick([False, True, None, 0])}
