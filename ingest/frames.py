"""What the process that reads an import tells the one that stores it, as frames on a pipe."""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import IO, Self

import msgspec

from ingest.carried import Carried
from models.values import Micros


class Known(msgspec.Struct, array_like=True):
    """An import that was broken off: what it began with, and how far it is."""

    key: bytes
    received_at: Micros
    lines: int
    bytes_read: int
    digest: bytes


class Task(msgspec.Struct, array_like=True):
    """What to read, and for whom."""

    workspace: str
    received_at: Micros
    message_bytes_max: int
    # Of the source in one frame: no transaction has less than a frame.
    block_bytes: int
    # Whether the source can be read again from its beginning.
    seekable: bool
    known: list[Known]


class Begun(msgspec.Struct, array_like=True, tag=0):
    """The source is open: which it is, and whether it goes on where an import was broken off."""

    key: bytes
    resumed: bool
    received_at: Micros
    lines: int


class Frame(msgspec.Struct, array_like=True, tag=1):
    """What some lines carry, and where the source stands once all of it is stored."""

    items: list[Carried]
    # False where the last of the lines goes on in the next frame.
    whole: bool
    lines: int
    bytes_read: int
    raw_read: int
    digest: bytes


class Ended(msgspec.Struct, array_like=True, tag=2):
    """The source is at its end, or why it is not."""

    cut: str | None


Told = Begun | Frame | Ended

_SIZE_BYTES = 4
FRAMES_AHEAD_MAX = 48
"""Frames in memory beside those at work; each is of about a megabyte of the source."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Told).decode


def send(pipe: IO[bytes], told: Told) -> None:
    """Write one frame."""
    packed = _encode(told)
    pipe.write(len(packed).to_bytes(_SIZE_BYTES, "big"))
    pipe.write(packed)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Told | None:
    """Return the next frame, None where whoever writes is gone."""
    size = int.from_bytes(pipe.read(_SIZE_BYTES), "big")
    packed = pipe.read(size) if size else b""
    return _decode(packed) if size and len(packed) == size else None


class Ahead:
    """Reads frames in a thread while others are worked on, so that neither process waits for the other."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._frames: queue.Queue[Told | None] = queue.Queue(FRAMES_AHEAD_MAX)
        self._closed = False
        self._thread = threading.Thread(target=self._read, name="calyx-frames", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Read no more."""
        self._closed = True
        while not self._frames.empty():
            self._frames.get_nowait()
        # Somebody may still wait for the next.
        self._frames.put(None)

    async def next(self) -> Told | None:
        """Return the next frame, None where whoever writes is gone."""
        try:
            return self._frames.get_nowait()
        except queue.Empty:
            return await asyncio.to_thread(self._frames.get)

    def _read(self) -> None:
        told: Told | None = None
        try:
            while not self._closed and not isinstance(told, Ended):
                told = receive(self._pipe)
                self._frames.put(told)
                if told is None:
                    return
        except msgspec.DecodeError:
            # What writes them is out of its mind, and as good as gone.
            self._frames.put(None)
