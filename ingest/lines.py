"""Cut a stream of bytes into lines: plain or gzip, told by what it holds; never more in memory than a line may have."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from io import BufferedReader
from typing import Any

BLOCK_BYTES = 1024 * 1024
HEAD_BYTES = 64 * 1024
"""So much of the beginning tells one source from another."""

_GZIP = b"\x1f\x8b"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_WINDOW_OF_GZIP = 31


class Cut(Exception):
    """The source ends, or goes on as something else; what came before was whole."""


@dataclass(slots=True)
class Lines:
    """Some lines, with where the source stands after them."""

    first: int
    lines: list[bytes]
    # Numbers of lines that are longer than they may be; they are not among the lines.
    too_long: list[int] = field(default_factory=list)
    # How many lines, and bytes once unpacked, were read with these.
    lines_read: int = 0
    bytes_read: int = 0
    # Of the source as it lies there, for whoever shows how far it is.
    raw_read: int = 0


class Source:
    """A file or a pipe, read once from its beginning."""

    def __init__(
        self, file: BufferedReader, line_bytes_max: int, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._file = file
        self._line_bytes_max = line_bytes_max
        self._block_bytes = block_bytes
        self._unread: list[bytes] = []
        self._seen = sha256()
        self.raw_read = 0
        self.bytes_read = 0
        self.lines_read = 0
        self._blocks = self._unpacked()

    @property
    def digest(self) -> bytes:
        """Return what all that was given out so far comes to."""
        return self._seen.digest()

    def head(self) -> bytes:
        """Return what tells this source from others; nothing counts as read by that."""
        found = b""
        while len(found) < HEAD_BYTES:
            try:
                block = next(self._blocks, b"")
            except Cut as cut:
                self._blocks = _raise(cut)
                break
            if not block:
                break
            self._unread.append(block)
            found += block
        if found[:2] in _UTF16_BOMS:
            raise Cut("it is UTF-16, and JSON lines are UTF-8: convert it first")
        return sha256(found[:HEAD_BYTES]).digest()[:16]

    def skip(self, count: int, lines: int) -> bytes:
        """Pass over so many bytes; return what they come to, whether or not there were so many."""
        left = count
        while left and (block := self._next()):
            self._unread_rest(block[left:])
            self._seen.update(block[:left])
            left -= len(block[:left])
        self.bytes_read, self.lines_read = count - left, lines
        return self.digest

    def read(self) -> Iterator[Lines]:
        """Yield all lines, about a block at a time; raise Cut where the source is not whole."""
        rest = b""
        skipping = False
        cut: Cut | None = None
        while True:
            try:
                block = self._next()
            except Cut as found:
                # What came before it ends in the middle of a line.
                cut, block = found, b""
            if not block:
                break
            end = block.rfind(b"\n") + 1
            if end:
                yield self._cut_up(rest + block[:end], skipping=skipping)
                rest, skipping = block[end:], False
            elif not skipping:
                rest += block
            if len(rest) > self._line_bytes_max:
                # Its end is still looked for, what it says is let go.
                self._forget(rest)
                rest, skipping = b"", True
            elif skipping and not end:
                self._forget(block)
        if cut is not None:
            raise cut
        if rest or skipping:
            yield self._cut_up(rest, skipping=skipping)

    def _cut_up(self, text: bytes, *, skipping: bool) -> Lines:
        """Return the lines of a text that begins with one, or with the rest of one that is skipped."""
        self._forget(text)
        lines = text.split(b"\n")
        if text.endswith(b"\n"):
            lines.pop()
        found = Lines(self.lines_read + 1, lines)
        if self.lines_read == 0 and lines and not skipping:
            lines[0] = lines[0].removeprefix(_UTF8_BOM)
        long = [n for n, line in enumerate(lines) if len(line) > self._line_bytes_max]
        for place in [0, *long] if skipping else long:
            lines[place] = b""
            found.too_long.append(found.first + place)
        self.lines_read += len(lines)
        found.lines_read, found.bytes_read = self.lines_read, self.bytes_read
        found.raw_read = self.raw_read
        return found

    def _forget(self, text: bytes) -> None:
        self._seen.update(text)
        self.bytes_read += len(text)

    def _next(self) -> bytes:
        return self._unread.pop(0) if self._unread else next(self._blocks, b"")

    def _unread_rest(self, rest: bytes) -> None:
        if rest:
            self._unread.insert(0, rest)

    def _raw(self) -> Iterator[bytes]:
        while block := self._file.read1(self._block_bytes):
            self.raw_read += len(block)
            yield block

    def _unpacked(self) -> Iterator[bytes]:
        blocks = self._raw()
        first = next(blocks, b"")
        while len(first) < len(_GZIP) and (more := next(blocks, b"")):
            first += more
        if not first.startswith(_GZIP):
            if first:
                yield first
            yield from blocks
            return
        yield from self._gunzipped(first, blocks)

    def _gunzipped(self, first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield what a gzip of one or more members holds, in blocks however well it is packed."""
        unpacking: Any = zlib.decompressobj(_WINDOW_OF_GZIP)
        packed = first
        while packed:
            try:
                block = unpacking.decompress(packed, self._block_bytes)
            except zlib.error as error:
                raise Cut(f"the gzip is damaged: {error}") from None
            if block:
                yield block
            if unpacking.eof:
                packed = unpacking.unused_data or next(blocks, b"")
                if packed.strip(b"\0"):
                    unpacking = zlib.decompressobj(_WINDOW_OF_GZIP)
                else:
                    # Tapes and some tools fill up with zeros.
                    return
            else:
                packed = unpacking.unconsumed_tail or next(blocks, b"")
        if not unpacking.eof:
            raise Cut("the gzip ends in the middle: the file was cut off")


def _raise(cut: Cut) -> Iterator[bytes]:
    yield from ()
    raise cut
