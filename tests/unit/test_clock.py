"""When a message happened (docs/semantics.md, section 2)."""

from __future__ import annotations

from typing import Any

import pytest

from ingest import clock
from ingest.clock import SECOND, text, when

NOW = 1_767_225_600 * SECOND
"""2026-01-01T00:00:00Z."""


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2026-01-01", "2026-01-01T00:00:00.000000Z"),
        ("2026-01-01T10:00:00", "2026-01-01T10:00:00.000000Z"),
        ("2026-01-01T10:00:00.123456789Z", "2026-01-01T10:00:00.123456Z"),
        ("2026-01-01T10:00:00+0530", "2026-01-01T04:30:00.000000Z"),
        ("2026-01-01t10:00:00z", "2026-01-01T10:00:00.000000Z"),
        ("1970-01-01", "1970-01-01T00:00:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        (1_767_225_600, "2026-01-01T00:00:00.000000Z"),
        (1_767_225_600.25, "2026-01-01T00:00:00.250000Z"),
        (1_767_225_600_123, "2026-01-01T00:00:00.123000Z"),
        (31_557_599_999, "2970-01-07T23:59:59.000000Z"),
        (31_557_600_000, "1971-01-01T06:00:00.000000Z"),
    ],
)
def test_a_time_is_iso_text_or_epoch_seconds_or_milliseconds(said: Any, read: str) -> None:
    at = clock.read(said)
    assert at is not None
    assert text(at) == read


@pytest.mark.parametrize(
    "said",
    ["yesterday", "", "0001-01-01", "1969-12-31T23:59:59Z", -1, 1e300, True, None, [], {}, "2026"],
)
def test_what_is_no_time_between_1970_and_9999_is_none(said: Any) -> None:
    assert clock.read(said) is None


def test_an_unreadable_timestamp_gives_way_to_the_original_one_and_is_noted() -> None:
    told = {"timestamp": "soon", "originalTimestamp": "2025-12-31"}
    at, said, notes = when(told, NOW, corrected=True)
    assert (text(at), said) == ("2025-12-31T00:00:00.000000Z", True)
    assert notes == ("timestamp could not be read as a time between 1970 and 9999",)


def test_without_any_time_it_happened_when_it_was_received() -> None:
    assert when({}, NOW, corrected=True) == (NOW, False, ())


def test_a_sender_whose_clock_is_off_is_corrected_at_the_sdk_door_alone() -> None:
    told = {"timestamp": "2026-01-01T01:00:00Z", "sentAt": "2026-01-01T01:00:05Z"}
    assert when(told, NOW, corrected=False).at == NOW - 5 * SECOND
    assert when({**told, "timestamp": "2025-12-31T23:59:00Z"}, NOW, corrected=True).at == (
        NOW - 60 * SECOND
    )


def test_ten_seconds_of_skew_are_left_and_so_is_what_segment_has_corrected() -> None:
    told = {"timestamp": "2025-12-31T23:59:00Z", "sentAt": "2025-12-31T23:59:50Z"}
    assert when(told, NOW, corrected=False).at == NOW - 60 * SECOND
    later = {**told, "sentAt": "2025-12-31T23:59:49Z"}
    assert when(later, NOW, corrected=False).at == NOW - 49 * SECOND
    assert when({**later, "receivedAt": "x"}, NOW, corrected=False).at == NOW - 60 * SECOND


def test_the_future_is_taken_as_now_and_noted() -> None:
    at, _, notes = when({"timestamp": "2026-01-01T00:05:01Z"}, NOW, corrected=True)
    assert at == NOW
    assert "2026-01-01T00:05:01.000000Z" in notes[0]
    assert when({"timestamp": "2026-01-01T00:05:00Z"}, NOW, corrected=True).at == NOW + 300 * SECOND
