"""Passes TCP connections on: the balancer where no other is installed, and a link that can fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

_PIECE_BYTES = 64 * 1024


class Relay:
    """Takes connections and passes each on to the next of its targets, all on this machine."""

    def __init__(self, targets: Sequence[int]) -> None:
        self._targets = list(targets)
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        """Take connections at `port`."""
        server = await asyncio.start_server(self._take, "127.0.0.1", port)
        try:
            yield
        finally:
            server.close()
            self.cut()
            if self._passing:
                await asyncio.wait(self._passing)

    def stall(self) -> None:
        """Pass nothing on from now on, and tell nobody, as a network does that has lost a cable."""
        self._flowing.clear()

    def cut(self) -> None:
        """Drop every connection with all that is on its way, and take no more."""
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()
        self._flowing.set()

    def hear(self, reader: asyncio.StreamReader, piece: bytes) -> None:
        """Look at what one side says; here nobody does."""

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing = asyncio.create_task(self._pass_on(reader, writer))
        self._passing.add(passing)
        passing.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = None if self._is_cut else await self._connected()
        if found is None:
            writer.transport.abort()
            return
        there, back = found[1], writer
        self._open |= {there, back}
        await asyncio.gather(self._pump(reader, there), self._pump(found[0], back))
        self._open -= {there, back}

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        for _ in self._targets:
            target = self._targets.pop(0)
            self._targets.append(target)
            with suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", target)
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE_BYTES):
                self.hear(reader, piece)
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
        # Whoever is gone on one side is gone on the other.
        writer.close()
