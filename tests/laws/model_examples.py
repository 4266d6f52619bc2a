"""Builders and readers for the examples of the model."""

from typing import Any

from tests.laws import model
from tests.laws.histories import BASE_US, SECOND_US
from tests.laws.model_message import Delivery, Event, read


def t(second: int) -> int:
    """Return microseconds of a second of the tests' day."""
    return BASE_US + second * SECOND_US


def a(
    kind: str, second: int | None = 10, *, received: int = 100, door: str = "segment", **fields: Any
) -> Delivery:
    """Return a delivery of one message that happened at `second`."""
    when = {} if second is None else {"timestamp": second + BASE_US // SECOND_US}
    return Delivery({"type": kind, **when, **fields}, t(received), door)


def track(event: str, second: int = 10, *, group: Any = None, **fields: Any) -> Delivery:
    """Return a delivery of a track; `group` stands in its context, as Segment's B2B events have it."""
    if group is not None:
        fields["context"] = {"groupId": group, **fields.get("context", {})}
    return a("track", second, event=event, **fields)


def engage(key: str, **more: Any) -> dict[str, Any]:
    """Return the context of a message that Engage marks."""
    return {"personas": {"computation_key": key, **more}}


def customer(rep: str, *deliveries: Delivery) -> dict[str, Any]:
    """Return the customer that answers to `rep`."""
    found: dict[str, Any] = model.state(deliveries)["customers"][rep]
    return found


def account(group: str, *deliveries: Delivery) -> dict[str, Any]:
    """Return the account of `group`."""
    found: dict[str, Any] = model.state(deliveries)["accounts"][group]
    return found


def traits(known: dict[str, Any]) -> dict[str, Any]:
    """Return the plain traits of a customer or account."""
    return {key: trait["value"] for key, trait in known["traits"].items()}


def outcomes(*deliveries: Delivery) -> dict[str, list[str]]:
    """Return the outcomes by messageId."""
    found: dict[str, list[str]] = {}
    for receipt in model.state(deliveries)["receipts"]:
        found.setdefault(receipt["messageId"], []).append(receipt["outcome"])
    return found


def an_event(delivery: Delivery) -> Event:
    """Return the event a delivery is stored as."""
    stored = read(delivery)
    assert isinstance(stored, Event)
    return stored
