"""What the process that reads an import tells the one that stores it, as frames on a pipe."""

from __future__ import annotations

from typing import IO

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
