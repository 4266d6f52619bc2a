"""A wire to PostgreSQL that remembers the statements which pass."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import Iterator

from tests.cluster.relay import Relay

# A client begins with the length of a message that has no kind, which no server ever does.
_ENCRYPT = 80_877_103
_ABOUT_ROWS = re.compile(r"[\s(]*(SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_PREPARE, _AT_ONCE = b"P", b"Q"


class Tap(Relay):
    """Remembers what passes, each side of each connection for itself."""

    def __init__(self, port: int) -> None:
        super().__init__([port])
        self._said: dict[asyncio.StreamReader, bytearray] = {}

    def hear(self, reader: asyncio.StreamReader, piece: bytes) -> None:
        self._said.setdefault(reader, bytearray()).extend(piece)

    def statements(self) -> set[str]:
        """Return each statement about rows that was sent, prepared or not."""
        clients = [bytes(said) for said in self._said.values() if said[:1] == b"\0"]
        # The driver asks for types on its own account.
        sent = {sql for said in clients for sql in _statements(said) if "pg_catalog" not in sql}
        return {sql for sql in sent if _ABOUT_ROWS.match(sql)}


def _statements(said: bytes) -> Iterator[str]:
    length, code = struct.unpack_from("!ii", said)
    at: int = length
    if code == _ENCRYPT:
        at += struct.unpack_from("!i", said, at)[0]
    while at + 5 <= len(said):
        kind, (length,) = said[at : at + 1], struct.unpack_from("!i", said, at + 1)
        body = said[at + 5 : at + 1 + length]
        if kind == _PREPARE:
            yield body.split(b"\0", 2)[1].decode()
        elif kind == _AT_ONCE:
            yield body.rstrip(b"\0").decode()
        at += 1 + length
