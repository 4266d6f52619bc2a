"""What a run must have left: all that was acknowledged, once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Request = tuple[str, ...]
"""The message ids of one request."""


@dataclass(frozen=True)
class Verdict:
    """What was found in the log, beside what clients were told."""

    acknowledged: int
    stored: int
    lost: int
    """Acknowledged, and not there."""
    duplicated: int
    """There more than once."""
    torn: int
    """Requests of which a part is there."""
    foreign: int
    """There, and sent by nobody."""

    @property
    def is_well(self) -> bool:
        """Return whether nothing is lost, double, torn or made up."""
        return not (self.lost or self.duplicated or self.torn or self.foreign)


def judge(sent: Sequence[Request], acknowledged: Collection[str], stored: Iterable[str]) -> Verdict:
    """Compare what was sent and acknowledged with the ids in the log, each as often as it is there."""
    found = Counter(stored)
    known = {one for request in sent for one in request}
    return Verdict(
        acknowledged=len(acknowledged),
        stored=len(found),
        lost=sum(one not in found for one in acknowledged),
        duplicated=sum(count > 1 for count in found.values()),
        torn=sum(0 < sum(one in found for one in request) < len(request) for request in sent),
        foreign=sum(one not in known for one in found),
    )


def longest_gap(moments: Sequence[float], began: float, ended: float) -> float:
    """Return the longest time in which nothing happened, from the beginning to the end."""
    within = [moment for moment in moments if began < moment < ended]
    return max(after - before for before, after in pairwise([began, *sorted(within), ended]))
