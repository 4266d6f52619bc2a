"""Read the events of customers or accounts in the order of their times, page by page, and fold them.

However many there are, little is at hand. It goes in a transaction as well as outside of one: what
asks, and what else is done between pages, is given. Events of one time come in any order, for which
every join is exact.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heapreplace
from itertools import islice
from typing import Any

from ingest import log
from ingest.meaning import Place, meaning
from ingest.ready import NOTHING, PAGE, Deletions, Folded, Heard, Inexact, Key, Mark, Wanted, marked
from models.database import Row
from models.values import Message, Micros, Workspace

AT_HAND_MAX = 20_000
"""Events that are at hand at once, where they are of many identities."""

PAGE_OF_ONE_TIME_MAX = 5_000
"""Events that are read at once where more than a page happened at one time: each page looks at all of these."""

_KEYS_MAX = 2_000
_NUMBERS = 5_000
AFTER_ALL = 2**62
"""A number beyond that of any event."""

_COLUMNS = "id, key, message_id, at, received_at, veil, body, whom"
# Of what says nothing of a place nothing more is read than that it is there.
_PLACES = _COLUMNS.replace("body", "CASE WHEN written & 2 <> 0 AND veil = 0 THEN body END")
AT = 3
"""The place of the time in a row that was read; the last is whose event it is, before it is the body."""

_UNTIL = '"until"'


@dataclass(frozen=True, slots=True)
class Source:
    """Where events are read: in a transaction, or outside of any."""

    workspace: Workspace
    ask: Callable[[str, Sequence[Any]], Awaitable[list[Row]]]
    # When accounts were last deleted.
    deletions: Callable[[Collection[str]], Awaitable[Deletions]]
    # What is done now and then, so that others have their turn.
    pause: Callable[[], Awaitable[None]]
    # How many events are read at once.
    page: int = PAGE


@dataclass(slots=True)
class _Stream:
    """The events of one identity or account: those that were read, and where to go on."""

    page: int
    rows: deque[Row] = field(default_factory=deque)
    after: tuple[Micros, int] = (-1, 0)
    ended: bool = False


class Walk:
    """A way through the events of a key."""

    def __init__(
        self, source: Source, key: Key, until: int = AFTER_ALL, *, places: bool = False
    ) -> None:
        """Begin before the first; events with numbers beyond `until` are left out.

        With `places` only those have bodies that say something of a place.
        """
        self._columns = _PLACES if places else _COLUMNS
        self._source = source
        self._key = key
        self._until = until
        self._heap: list[tuple[Micros, int]] = []
        self._streams: dict[int, _Stream] = {}
        self._page = source.page

    async def begin(self) -> None:
        """Find out where the first events are; until then nothing of an identity is at hand."""
        by, workspace = self._key.by, self._source.workspace.id
        for part in _parts(self._key.numbers):
            sql = (
                f"SELECT {by}, min(at) FROM events WHERE workspace_id = ?1"
                f" AND {by} IN ({_places(part)}) GROUP BY {by}"
            )
            rows = await self._source.ask(sql, (workspace, *part))
            self._heap += [(at, number) for number, at in rows]
        heapify(self._heap)
        self._page = max(1, min(self._page, AT_HAND_MAX // max(1, len(self._heap))))

    async def page(self) -> list[Row]:
        """Return the next events, some hundreds of them; none at the end."""
        page: list[Row] = []
        heap, streams = self._heap, self._streams
        while heap and len(page) < self._source.page:
            number = heap[0][1]
            stream = streams.setdefault(number, _Stream(page=self._page))
            if not stream.rows and not stream.ended:
                await self._read(number, stream)
                if stream.rows:
                    heapreplace(heap, (stream.rows[0][AT], number))
                    continue
            if not stream.rows:
                heappop(heap)
                del streams[number]
                continue
            row = stream.rows.popleft()
            page.append(row)
            heapreplace(heap, (stream.rows[0][AT] if stream.rows else row[AT], number))
        return page

    async def _read(self, number: int, stream: _Stream) -> None:
        by = self._key.by
        at, last = stream.after
        sql = page_statement(self._columns, by, stream.page)
        args = (self._source.workspace.id, number, at, last, self._until)
        rows = await self._source.ask(sql, args)
        stream.ended = len(rows) < stream.page
        if rows:
            stream.after = (rows[-1][AT], rows[-1][0])
            one_time = rows[0][AT] == rows[-1][AT] and not stream.ended
            stream.page = min(4 * stream.page, PAGE_OF_ONE_TIME_MAX) if one_time else self._page
        stream.rows.extend(rows)


def page_statement(columns: str, by: str, most: int) -> str:
    """Return the statement for the next events of `?2` behind the time `?3` and the number `?4`, up to `?5`.

    A range and an order that only one index has: a plan that goes by time alone reads what all others said.
    """
    return (
        f"SELECT {columns} FROM events WHERE workspace_id = ?1 AND ({by}, at) >= (?2, ?3)"
        f" AND {by} <= ?2 AND (at > ?3 OR id > ?4) AND id <= ?5 ORDER BY {by}, at, id LIMIT {most}"
    )


async def fold(
    source: Source, wanted: Wanted, floor: int = AFTER_ALL, until: int = AFTER_ALL
) -> Folded:
    """Return what is wanted, folded from the log up to a number, and from what it does not have yet.

    Of events beyond `floor` it is told one by one which were taken.
    """
    folded = wanted.empty()
    folded.floor = floor
    folded.deletions.update(wanted.deletions)
    folded.own = wanted.stamps
    own = deque(sorted(wanted.own, key=_at))
    walk = Walk(source, wanted.key, until)
    await walk.begin()
    while rows := await walk.page():
        messages: list[Message] = []
        for row in rows:
            while own and own[0].at <= row[AT]:
                messages.append(own.popleft())
            messages.append(message_of(row))
            folded.note(row[0], row[AT])
        await _take(source, folded, messages)
    while own:
        await _take(source, folded, [own.popleft() for _ in range(min(len(own), source.page))])
    return folded


def message_of(row: Row) -> Message:
    """Return the message of a row that was read."""
    return log.restore(row[1:7])


async def _take(source: Source, folded: Folded, messages: Collection[Message]) -> None:
    if not await hear(source, folded, messages):
        raise Inexact("a fold in the order of times asked for the log")


async def hear(source: Source, folded: Folded, messages: Collection[Message]) -> bool:
    """Let a fold take messages; answer whether that was exact."""
    said = [(message, meaning(message)) for message in messages]
    placed = {states.group_id for _, states in said if states.place is not Place.NONE}
    missing = {group for group in placed if group is not None} - folded.deletions.keys()
    if missing:
        folded.deletions.update(await source.deletions(missing))
    exact = True
    for message, states in said:
        exact = folded.take(message, states) and exact
    await source.pause()
    return exact


async def since(source: Source, key: Key, floor: int) -> dict[int, Micros]:
    """Return the events of a key that have later numbers, with their times."""
    found: dict[int, Micros] = {}
    wanted = key.numbers
    sql = (
        f"SELECT id, {key.by}, at FROM events WHERE workspace_id = ?1 AND id > ?2"
        f" ORDER BY id LIMIT {_NUMBERS}"
    )
    while True:
        rows = await source.ask(sql, (source.workspace.id, floor))
        found.update((number, at) for number, whom, at in rows if whom in wanted)
        if len(rows) < _NUMBERS:
            return found
        floor = rows[-1][0]
        await source.pause()


async def read(source: Source, numbers: Iterable[int]) -> list[Row]:
    """Return the events of these numbers, by time."""
    found: list[Row] = []
    for part in _parts(numbers):
        sql = f"SELECT {_COLUMNS} FROM events WHERE workspace_id = ?1 AND id IN ({_places(part)})"
        found += await source.ask(sql, (source.workspace.id, *part))
    return sorted(found, key=lambda row: row[AT])


async def messages_of(source: Source, numbers: Iterable[int]) -> list[Message]:
    """Return the messages of these numbers, by time."""
    return [message_of(row) for row in await read(source, numbers)]


async def is_all(source: Source, key: Key, heard: Heard, later: Mapping[int, Micros]) -> bool:
    """Return whether what was heard is what there is, but for events among `later`, which follow its floor."""
    whole = await mark(source, key)
    return whole.less(Mark.of(later.values())) == heard.mark and heard.recent.keys() <= later.keys()


async def customers_of(source: Source, identities: Iterable[int]) -> dict[int, int]:
    """Return whose these identities are."""
    found: dict[int, int] = {}
    for part in _parts(set(identities)):
        sql = (
            "SELECT id, customer_id FROM identities WHERE workspace_id = ?1"
            f" AND id IN ({_places(part)})"
        )
        found.update(await source.ask(sql, (source.workspace.id, *part)))
    return found


async def last(source: Source) -> int:
    """Return the number of the last event."""
    sql = "SELECT coalesce(max(id), 0) FROM events WHERE workspace_id = ?1"
    number: int = (await source.ask(sql, (source.workspace.id,)))[0][0]
    return number


async def mark(source: Source, key: Key) -> Mark:
    """Return the mark of all events of a key, which an index has."""
    whole = NOTHING
    for part in _parts(key.numbers):
        sql = (
            f"SELECT {marked('at')} FROM events WHERE workspace_id = ?1"
            f" AND {key.by} IN ({_places(part)})"
        )
        events, total = (await source.ask(sql, (source.workspace.id, *part)))[0]
        whole = Mark(whole.events + events, whole.total + total)
    return whole


async def erased(source: Source, key: Key) -> Mark:
    """Return the mark of all that was ever erased: what stays of it is ordered anew in its account."""
    if key.by == "whom":
        return NOTHING
    sql = f"SELECT {marked(_UNTIL)} FROM erasures WHERE workspace_id = ?1"
    return Mark(*(await source.ask(sql, (source.workspace.id,)))[0])


def _parts(numbers: Iterable[int]) -> Iterator[list[int]]:
    rest = iter(sorted(numbers))
    while part := list(islice(rest, _KEYS_MAX)):
        yield part


def _places(part: Sequence[int]) -> str:
    """Return as many places of a statement as there are numbers, from the second on."""
    return ", ".join(f"?{place}" for place in range(2, 2 + len(part)))


def _at(message: Message) -> Micros:
    return message.at
