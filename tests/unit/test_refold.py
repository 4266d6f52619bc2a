"""What is folded again together fits into memory."""

from __future__ import annotations

import pytest

from ingest.fold import Account
from ingest.refold import parts
from ingest.working import Company


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], []),
        ([3, 3, 4], [[0, 1, 2]]),
        ([3, 3, 5], [[0, 1], [2]]),
        ([11, 0, 11], [[0], [1], [2]]),
        ([1, 20, 1, 9, 1], [[0], [1], [2, 3], [4]]),
    ],
)
def test_each_part_has_at_most_so_many_events_unless_one_alone_has_more(
    counts: list[int], expected: list[list[int]]
) -> None:
    owners = [Company(number, Account(), b"", "") for number in range(len(counts))]
    found = parts(owners, dict(enumerate(counts)), most=10)
    assert [[one.id for one in part] for part in found] == expected
