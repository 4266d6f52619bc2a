"""Read an import from standard input and write frames to standard output: the other half of a pair of processes."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator
from io import BufferedReader
from typing import BinaryIO

import msgspec

from ingest.carried import LINE_BYTES_MAX, Carried, Fault, Reader, Said
from ingest.frames import Begun, Ended, Frame, Task, send
from ingest.lines import BLOCK_BYTES, Cut, Lines, Source
from ingest.message import Bounds
from ingest.plain import Plain

# Of bodies in one frame: a batch in one line may unfold into far more than it has itself.
_FRAME_BYTES_MAX = 8 * BLOCK_BYTES


def read(task: Task, file: BufferedReader, pipe: BinaryIO) -> None:
    """Write what `file` holds to `pipe`, from where it was broken off if it ever was."""
    source = Source(file, LINE_BYTES_MAX, task.block_bytes)
    try:
        key = source.head()
        known = next((one for one in task.known if one.key == key), None)
        if known is not None and source.skip(known.bytes_read, known.lines) != known.digest:
            source, known = _anew(task, file), None
        received_at = task.received_at if known is None else known.received_at
        send(pipe, Begun(key, known is not None, received_at, source.lines_read))
        reader = Reader(task.workspace, received_at, Bounds(task.message_bytes_max))
        for lines in source.read():
            for frame in _frames(reader, lines, source):
                send(pipe, frame)
    except Cut as cut:
        send(pipe, Ended(str(cut)))
    else:
        send(pipe, Ended(None))


def _anew(task: Task, file: BufferedReader) -> Source:
    if not task.seekable:
        raise Cut(
            "it begins like an import that was broken off, but goes on as another;"
            " write it to a file, and import that"
        )
    file.seek(0)
    return Source(file, LINE_BYTES_MAX, task.block_bytes)


def _frames(reader: Reader, lines: Lines, source: Source) -> Iterator[Frame]:
    """Yield what lines carry; only the last frame says that they are done."""
    items: list[Carried] = [
        Fault(number, f"it is longer than {LINE_BYTES_MAX:,} bytes", held=False)
        for number in lines.too_long
    ]
    size = 0
    for number, line in enumerate(lines.lines, lines.first):
        for item in reader.read(number, line):
            items.append(item)
            size += len(item.body) if isinstance(item, Said | Plain) else 0
            if size > _FRAME_BYTES_MAX:
                yield Frame(items, False, 0, 0, lines.raw_read, b"")  # noqa: FBT003 (as on the wire)
                items, size = [], 0
    stand = (lines.lines_read, lines.bytes_read, lines.raw_read, source.digest)
    yield Frame(items, True, *stand)  # noqa: FBT003 (as on the wire)


def main() -> None:
    """Do the task of the first argument."""
    # Whoever started it is interrupted with it, and decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Millions of objects are made here, and none in cycles.
    gc.disable()
    task = msgspec.json.decode(sys.argv[1], type=Task)
    try:
        with open(0, "rb") as file, open(1, "wb") as pipe:
            read(task, file, pipe)
    except BrokenPipeError:
        # Nobody stores it any more.
        os._exit(1)


if __name__ == "__main__":
    main()
