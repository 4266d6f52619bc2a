"""Histories so rare that chance does not find them, each once the loss of something."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.databases import SqliteTemplate, state_after
from tests.laws import model
from tests.laws.model import Delivery
from tests.laws.test_law import plain

RECEIVED = 1_768_000_000_000_000


def said(second: int, name: str, **body: Any) -> Delivery:
    """Return a message that happened at a second of New Year's morning."""
    at = f"2026-01-01T00:00:{second:02d}Z"
    return Delivery({"messageId": name, "timestamp": at, **body}, RECEIVED)


def track(second: int, name: str, event: str, **body: Any) -> Delivery:
    """Return a track in account g."""
    return said(second, name, type="track", event=event, groupId="g", **body)


def agrees(template: SqliteTemplate, *batches: list[Delivery]) -> None:
    """Hold what these batches leave to the model."""
    told = asyncio.run(state_after(template.copy(), batches))
    assert plain(told) == plain(model.state([one for batch in batches for one in batch]))


def test_a_join_in_the_batch_of_a_late_deletion_keeps_the_later_place(
    sqlite_template: SqliteTemplate,
) -> None:
    joined = [
        track(10, "a", "Account Added User", userId="u1"),
        track(30, "b", "Account Added User", userId="u1"),
        track(25, "c", "Account Created"),
        said(5, "d", type="page", userId="u2"),
    ]
    late = [
        said(40, "e", type="alias", userId="u2", previousId="u1"),
        track(20, "f", "Account Deleted"),
    ]
    agrees(sqlite_template, joined, late)


def test_a_device_that_only_erased_events_carried_is_listed_no_more(
    sqlite_template: SqliteTemplate,
) -> None:
    agrees(
        sqlite_template,
        [said(50, "a", type="alias", userId="u3", previousId="a1")],
        [said(30, "b", type="delete", userId="u2")],
        [said(10, "c", type="page", userId="u2", anonymousId="a1")],
        [said(11, "d", type="page", userId="u1", anonymousId="a1")],
        [said(12, "e", type="alias", userId="u2", previousId="u1")],
    )


def test_what_engage_marked_of_an_account_stays_marked_without_its_user(
    sqlite_template: SqliteTemplate,
) -> None:
    trial = {"audience_key": "trial_plan_name", "trial_plan_name": "true"}
    created = {"audience_key": "account_name", "account_name": "Acme", "size": 3}
    agrees(
        sqlite_template,
        [
            track(10, "a", "Trial Started", userId="u1", properties=trial),
            track(11, "b", "Account Created", userId="u1", properties=created),
            track(12, "c", "Page Seen", userId="u1", properties={"trait_key": "x", "x": 1}),
        ],
        [said(30, "d", type="delete", userId="u1")],
    )
