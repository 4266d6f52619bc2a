"""The limit of imports: the log alone. Messages are read, hashed and stored durably; nothing is known of anybody.

One process reads, as a message has to be read: parsed, written in canonical form, its content
hashed, its times understood. Another stores what it is sent, in Calyx's own table of events with its
indexes. There are no checks, no customers, no receipts, and an event that came before is not noticed.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
from zlib import crc32

import asyncpg
import msgspec

from tests.benchmarks.servers import environment
from tests.benchmarks.stores import file_of

ROWS_EACH = 50_000
"""In one transaction; they are sent from process to process by the thousand."""

_SENT = 1_000
_COLUMNS = (
    *("workspace_id", "id", "key", "message_id", "type", "name", "at", "received_at"),
    *("whom", "device", "veil", "written", "body"),
)
_COVERED = ("anonymousId", "event", "groupId", "properties", "timestamp", "traits", "userId")
_SETTINGS = ("journal_mode = WAL", "synchronous = FULL", "cache_size = -16384")
_SIZE_BYTES = 4

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode
_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list[tuple[Any, ...]]).decode


def store(file: Path, url: str) -> float:
    """Store an archive in a database that has its tables; return how many seconds that takes."""
    words = (sys.executable, "-m", "tests.benchmarks.bare_import", str(file))
    begun = time.perf_counter()
    with subprocess.Popen(words, env=environment({}), stdout=subprocess.PIPE) as reading:
        if reading.stdout is None:
            raise RuntimeError("a process without its pipe")
        if url.startswith("sqlite"):
            _store_in_sqlite(_heaps(reading.stdout), file_of(url))
        else:
            asyncio.run(_store_in_postgres(_heaps(reading.stdout), url.replace("+asyncpg", "")))
    return time.perf_counter() - begun


def _store_in_sqlite(heaps: Iterator[list[tuple[Any, ...]]], file: Path) -> None:
    sql = f"INSERT INTO events ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for setting in _SETTINGS:
            connection.execute(f"PRAGMA {setting}")
        for heap in heaps:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(sql, heap)
            connection.execute("COMMIT")


async def _store_in_postgres(heaps: Iterator[list[tuple[Any, ...]]], url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for heap in heaps:
            await connection.copy_records_to_table("events", records=heap, columns=_COLUMNS)
    finally:
        await connection.close()


def _heaps(pipe: IO[bytes]) -> Iterator[list[tuple[Any, ...]]]:
    heap: list[tuple[Any, ...]] = []
    while size := int.from_bytes(pipe.read(_SIZE_BYTES), "big"):
        heap += _unpack(pipe.read(size))
        if len(heap) >= ROWS_EACH:
            yield heap
            heap = []
    if heap:
        yield heap


def _read(file: Path, pipe: IO[bytes]) -> None:
    rows: list[tuple[Any, ...]] = []
    with file.open("rb") as archive:
        for number, line in enumerate(archive, 1):
            rows.append(_row(number, _decode(line)))
            if len(rows) == _SENT:
                _send(rows, pipe)
                rows = []
    _send(rows, pipe)


def _send(rows: list[tuple[Any, ...]], pipe: IO[bytes]) -> None:
    packed = _pack(rows)
    pipe.write(len(packed).to_bytes(_SIZE_BYTES, "big"))
    pipe.write(packed)


def _row(number: int, message: dict[str, Any]) -> tuple[Any, ...]:
    message_id = message["messageId"]
    content = {key: message.get(key) for key in _COVERED}
    key = sha256(message_id.encode()).digest()[:8] + sha256(_encode(content)).digest()[:8]
    times = (_micros(message["timestamp"]), _micros(message["receivedAt"]))
    whom = crc32(message["userId"].encode()), crc32(message["anonymousId"].encode())
    body = _encode(message).decode()
    return (1, number, key, message_id, 0, message.get("event"), *times, *whom, 0, 0, body)


def _micros(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


if __name__ == "__main__":
    with open(1, "wb") as out:
        _read(Path(sys.argv[1]), out)
