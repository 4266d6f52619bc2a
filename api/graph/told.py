"""One change of a customer, as it will be told. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from api.graph.ids import KEY_BYTES

NOTHING = bytes(KEY_BYTES)
"""Stands for the key of an event that there is not."""


@dataclass(frozen=True, slots=True)
class Change:
    """How a customer changed, by which event, and whether it is shown as it now stands."""

    kind: str
    key: bytes
    event: bytes = NOTHING
    shown: bool = True
