"""An import leaves what the same messages leave when they are posted, however it is broken off and whatever a line is."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest import canonical, clock
from ingest.carried import LINE_BYTES_MAX, Reader, Said
from ingest.importing import Importer, Summary
from ingest.message import MESSAGE_BYTES_MAX, Bounds, Door, parse_one
from ingest.pace import Pace
from ingest.plain import Plain
from ingest.replay import State, dump
from models.database import Database
from models.values import Message, Outcome
from tests.databases import DEFAULT, Template, opened, save_batches, state_after
from tests.laws.histories import consistent, random_history
from tests.laws.model import Delivery
from tests.store.carrying import NOW_US, imported

ROOT = Path(__file__).parents[2]
AT_US = 1_767_225_600_000_000
HISTORIES = 6
KILLS = 3
IMPORT = (
    "import asyncio, sys; from pathlib import Path; from tests.store.carrying import imported;"
    " asyncio.run(imported(sys.argv[1], Path(sys.argv[2]), shared=True))"
)


def archived(history: Sequence[Delivery]) -> list[Delivery]:
    """Return a history as an archive of Segment has it: each message says when it was received."""
    told = []
    for one in history:
        if isinstance(one.body, dict) and "batch" not in one.body:
            kind = {} if one.kind is None else {"type": one.kind}
            body = {**one.body, **kind, "receivedAt": clock.text(one.received_at)}
            told.append(Delivery(body, one.received_at, "segment"))
    return consistent(told)


def text_of(history: Sequence[Delivery]) -> bytes:
    return b"".join(json.dumps(one.body).encode() + b"\n" for one in history)


def identify(number: int, user: str, **traits: object) -> Delivery:
    """Return a message of its own moment."""
    at = AT_US + number * 1_000_000
    body = {"type": "identify", "messageId": f"i{number}", "userId": user, "traits": traits}
    return Delivery(
        {**body, "timestamp": clock.text(at), "receivedAt": clock.text(at)}, at, "segment"
    )


async def after(url: str, *files: Path) -> State:
    for file in files:
        await imported(url, file)
    async with opened(url) as database:
        return await dump(database, DEFAULT)


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_an_import_leaves_what_posting_would(
    template: Template, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    history = archived(random_history(rng, 150))
    file = tmp_path / "history.jsonl"
    file.write_bytes(text_of(history))
    posted = await state_after(await asyncio.to_thread(template.copy), [history])
    assert await after(await asyncio.to_thread(template.copy), file) == posted


async def test_two_files_in_either_order_leave_the_same(template: Template, tmp_path: Path) -> None:
    history = archived(random_history(random.Random(11), 200))
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    one.write_bytes(text_of(history[::2]))
    other.write_bytes(text_of(history[1::2]))
    first = await after(await asyncio.to_thread(template.copy), one, other)
    assert await after(await asyncio.to_thread(template.copy), other, one) == first


def test_what_is_folded_many_at_once_is_read_as_ever() -> None:
    seen = 0
    for seed in range(40):
        for one in archived(random_history(random.Random(seed), 100)):
            line = json.dumps(one.body).encode()
            for found in Reader("default", NOW_US, Bounds()).read(1, line):
                if isinstance(found, Plain):
                    seen += 1
                    assert as_read(found, line) == found
    assert seen > 100


def as_read(plain: Plain, line: bytes) -> Plain:
    """Return a plain message made of what the reading of all others makes of its line."""
    parsed = parse_one(canonical.read(line), Door.SEGMENT, plain.received_at)
    assert isinstance(parsed, Message)
    reader = Reader("default", NOW_US, Bounds())
    said = reader._wrapped(parsed)  # noqa: SLF001 (what it would have become)
    assert isinstance(said, Said)
    means = said.meaning
    assert not any((means.marks, means.erases, means.deleted, means.signed_up, means.created))
    traits = means.account_traits if said.kind.name == "GROUP" else means.traits
    return Plain(
        *(said.key, said.message_id, said.digest, said.kind, said.at, said.received_at),
        *(said.user_id, said.anonymous_id, said.group_id, said.name, means.written),
        *(said.notes, said.body, means.active, dict(traits)),
        [key for key, text in traits.items() if text in ("true", "false")],
    )


async def test_events_of_years_ago_do_not_disturb_newer_facts(
    template: Template, tmp_path: Path
) -> None:
    url = await asyncio.to_thread(template.copy)
    new = [identify(n, f"u{n % 5}", plan="new", seen=True, n=n) for n in range(20)]
    old = []
    for one in new:
        at = one.received_at - 10 * 365 * 86_400_000_000
        said = {"messageId": f"old {one.body['messageId']}", "timestamp": clock.text(at)}
        traits = {"plan": "old", "seen": False, "long ago": 1}
        body = {**one.body, **said, "receivedAt": said["timestamp"], "traits": traits}
        old.append(Delivery(body, at, "segment"))
    async with opened(url) as database:
        await save_batches(database, [new])
        before = await dump(database, DEFAULT)
    file = tmp_path / "old.jsonl"
    file.write_bytes(text_of(old))
    summary = await imported(url, file)
    assert summary.counts.messages == len(old)
    assert Outcome.DUPLICATE not in summary.counts.outcomes
    async with opened(url) as database:
        later = await dump(database, DEFAULT)
    assert later["customers"].keys() == before["customers"].keys()
    for name, customer in later["customers"].items():
        newer = {"long ago": customer["traits"]["long ago"], **before["customers"][name]["traits"]}
        assert customer["traits"] == newer
        assert customer["firstSeenAt"] < before["customers"][name]["firstSeenAt"]
        assert customer["lastSeenAt"] == before["customers"][name]["lastSeenAt"]
    assert later == await state_after(await asyncio.to_thread(template.copy), [old, new])


async def summed_up(template: Template, file: Path) -> tuple[Summary, State]:
    url = await asyncio.to_thread(template.copy)
    summary = await imported(url, file)
    async with opened(url) as database:
        return summary, await dump(database, DEFAULT)


async def test_a_line_is_a_line_however_it_ends_and_a_batch_is_what_it_holds(
    template: Template, tmp_path: Path
) -> None:
    history = [identify(n, f"u{n}", n=n) for n in range(8)]
    a, b, c, d = (json.dumps(one.body).encode() for one in history[:4])
    batch = json.dumps({"batch": [one.body for one in history[4:6]]}).encode()
    array = json.dumps([one.body for one in history[6:]]).encode()
    told = b"\xef\xbb\xbf" + a + b"\r\n\r\n\n  \t\n" + b + b"\n" + c + b"\r\n" + batch + b"\n"
    told += array + b"\n" + d
    expected = await state_after(await asyncio.to_thread(template.copy), [history])
    for name, packed in (
        ("plain", told),
        ("packed", gzip.compress(told)),
        ("in members", gzip.compress(told[:333]) + gzip.compress(told[333:])),
    ):
        file = tmp_path / name
        file.write_bytes(packed)
        summary, state = await summed_up(template, file)
        assert (summary.cut, summary.counts.faults, summary.counts.messages) == (None, 0, 8), name
        assert state == expected, name


async def test_a_line_that_cannot_be_read_is_named_and_held_and_its_neighbours_pass(
    template: Template, tmp_path: Path
) -> None:
    good = [json.dumps(identify(n, "u1", n=n).body).encode() for n in range(3)]
    odd = [b'{"type": "identify", "userId": "\xff\xfe"}', b'{"type": "track", "userId":', b"17"]
    long = b'{"type": "track", "event": "' + b"x" * LINE_BYTES_MAX + b'"}'
    file = tmp_path / "odd.jsonl"
    file.write_bytes(b"\n".join([good[0], odd[0], good[1], odd[1], long, odd[2], good[2]]))
    summary, state = await summed_up(template, file)
    counts = summary.counts
    assert [line for line, _ in counts.told] in ([2, 4, 5, 6], [5, 2, 4, 6])
    assert (counts.lost, counts.outcomes[Outcome.QUARANTINED]) == (1, 3)
    assert counts.outcomes[Outcome.APPLIED] + counts.outcomes[Outcome.SUPERSEDED] == 3
    assert len(state["quarantine"]) == 3
    assert state["customers"]["user:u1"]["traits"]["n"]["value"] == 2


async def test_a_file_that_was_cut_off_goes_on_once_it_is_whole(
    template: Template, tmp_path: Path
) -> None:
    history = archived(random_history(random.Random(4), 300))
    packed = gzip.compress(text_of(history))
    url = await asyncio.to_thread(template.copy)
    file = tmp_path / "history.jsonl.gz"
    file.write_bytes(packed[: len(packed) * 2 // 3])
    summary = await imported(url, file)
    assert summary.cut is not None
    assert "cut off" in summary.cut
    file.write_bytes(packed)
    assert await after(url, file) == await state_after(
        await asyncio.to_thread(template.copy), [history]
    )


async def test_what_is_killed_at_any_moment_and_goes_on_ends_in_the_same_state(
    template: Template, tmp_path: Path
) -> None:
    rng = random.Random(8)
    nasty = archived(random_history(rng, 250))
    many = [identify(n, f"u{n % 300}", n=n, on=n % 3 == 0) for n in range(6_000)]
    history = consistent([*many[:1_500], *nasty, *many[1_500:]])
    file = tmp_path / "history.jsonl"
    file.write_bytes(text_of(history))
    url = await asyncio.to_thread(template.copy)
    stands = [0]
    async with opened(url) as database:
        for _ in range(KILLS):
            stands.append(await killed(database, url, file, stands[-1], rng.random() / 10))
    assert stands == sorted(stands)
    assert stands[-1] > 0
    summary = await imported(url, file)
    assert summary.resumed
    async with opened(url) as database:
        assert not await database.read("SELECT key FROM imports WHERE workspace_id = ?1", (1,))
        state = await dump(database, DEFAULT)
    untouched, whole = await summed_up(template, file)
    assert state == whole
    assert summary.counts.messages == untouched.counts.messages


async def test_an_import_makes_room_as_soon_as_somebody_else_turns_up(
    database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "history.jsonl"
    file.write_bytes(text_of([identify(n, f"u{n}") for n in range(50)]))
    pace = Pace(shared=False)
    async with opened(database_url) as database:
        importer = Importer(database, DEFAULT, pace, lambda *_: None)
        for _ in range(2):
            with file.open("rb") as source:
                await importer.run(source, NOW_US, MESSAGE_BYTES_MAX)
            assert not pace.shared
        async with opened(database_url) as other:
            await save_batches(other, [[identify(99, "u99")]])
            with file.open("rb") as source:
                await importer.run(source, NOW_US, MESSAGE_BYTES_MAX)
    assert pace.shared


async def killed(database: Database, url: str, file: Path, stand: int, seconds: float) -> int:
    """Import in a process that is killed once it has stored something, or soon after; return how far it came."""
    words = (sys.executable, "-c", IMPORT, url, str(file))
    with subprocess.Popen(words, cwd=ROOT) as process:  # noqa: ASYNC220 (it is killed, not waited for)
        sql = "SELECT lines FROM imports WHERE workspace_id = ?1"
        while process.poll() is None:
            rows = await database.read(sql, (1,))
            if rows and rows[0][0] > stand:
                break
            await asyncio.sleep(0.02)
        await asyncio.sleep(seconds)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
    lines: int = (await database.read(sql, (1,)))[0][0]
    return lines
