"""What is heard in the order of times is exact, whatever the order within one time."""

from __future__ import annotations

import random

import pytest

from ingest.fold import Account, Customer, Membership
from ingest.meaning import Meaning, Place
from models.values import Identifier, Kind, Stamp

VALUES = ["true", "false", "null", '"x"', '"true"', "1"]
WRITES, TIMES = 12, 5
SOMEBODY = Identifier(Kind.USER, "u")


def writes(rng: random.Random) -> list[tuple[Stamp, Meaning]]:
    """Return writes of one key, a few to each time, and words about one place and one account."""
    made = []
    for number in range(WRITES):
        said = Meaning(SOMEBODY, "g", active=rng.random() < 0.5)
        said.traits = said.account_traits = {"k": rng.choice(VALUES)}
        said.marks = frozenset({"k"} if rng.random() < 0.3 else ())
        said.computation = rng.choice([None, "c1", "c2"])
        said.place = rng.choice([Place.ADD, Place.REMOVE])
        said.role = rng.choice([None, "null", '"owner"', '"guest"'])
        said.alive, said.deleted = rng.random() < 0.5, rng.random() < 0.3
        made.append((Stamp(rng.randrange(TIMES), f"m{number:02}", "0"), said))
    return made


def heard(said: list[tuple[Stamp, Meaning]], deletion: int | None) -> list[object]:
    """Return what is known after all of it, each of which must have been exact."""
    customer, account, place = Customer(), Account(), Membership()
    for stamp, states in said:
        assert customer.take(states, stamp)
        assert account.take(states, stamp)
        assert place.take(states, stamp, deletion)
    return [customer, account, place]


@pytest.mark.parametrize("seed", range(300))
def test_events_of_one_time_may_be_heard_in_any_order(seed: int) -> None:
    rng = random.Random(seed)
    said = sorted(writes(rng), key=lambda each: each[0])
    deletion = rng.choice([None, *range(TIMES)])
    otherwise = rng.sample(said, len(said))
    otherwise.sort(key=lambda each: each[0].at)
    assert heard(otherwise, deletion) == heard(said, deletion)


def test_a_first_boolean_before_the_newest_value_is_not_exact() -> None:
    plain, flag = Meaning(SOMEBODY, None), Meaning(SOMEBODY, None)
    plain.traits, flag.traits = {"k": "1"}, {"k": "true"}
    for second, exact in ((1, False), (2, True), (3, True)):
        customer = Customer()
        customer.take(plain, Stamp(2, "b", "0"))
        assert customer.take(flag, Stamp(second, "a", "0")) is exact
