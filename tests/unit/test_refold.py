"""What is folded again together fits into memory."""

from __future__ import annotations

import pytest

from ingest.fold import Account, Customer
from ingest.ready import Key
from ingest.refold import Marked, parts
from ingest.working import Company, Person


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
    marked = [
        Marked(Company(number, Account(), b"", ""), count, Key("account_id", frozenset({number})))
        for number, count in enumerate(counts)
    ]
    found = parts(marked, most=10)
    assert [[one.owner.id for one in part] for part in found] == expected


def test_accounts_and_customers_are_in_parts_of_their_own() -> None:
    account = Marked(Company(1, Account(), b"", ""), 1, Key("account_id", frozenset({1})))
    customer = Marked(Person(1, Customer(), b"", None, stored=True), 1, Key("whom", frozenset({1})))
    assert list(parts([account, customer], most=10)) == [[account], [customer]]
