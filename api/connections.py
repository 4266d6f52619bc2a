"""Connections over which HTTP comes, with the bounds that their server leaves out: of heads, and of trailers."""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

BYTES_MAX = 64 * 1024
"""Of a head, and of all that comes in a row and is no body. Browsers and balancers stop at 8 to 32 KiB."""

SECONDS_MAX = 10.0
"""For a head, from its first byte on, or from the connection on where none comes. Bodies have a limit of their own."""


class Bounded(HttpToolsProtocol):
    """Uvicorn's, but what is no body may neither be endless nor take for ever."""

    seconds_max = SECONDS_MAX

    _deadline: asyncio.TimerHandle | None = None
    _idle_bytes = 0
    _is_in_head = False
    _has_moved = False
    _has_asked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a head."""
        super().connection_made(cast(asyncio.Transport, transport))
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._await_nothing()
        super().connection_lost(exc)

    def data_received(self, received: bytes) -> None:
        """Read on, unless too much came to nothing."""
        self._has_moved = False
        super().data_received(received)
        self._idle_bytes = 0 if self._has_moved else self._idle_bytes + len(received)
        if self.transport.is_closing():
            return
        if self._idle_bytes > BYTES_MAX:
            self.send_400_response(f"What is no body may have {BYTES_MAX} bytes.")
        elif self._has_moved and not self._is_in_head:
            self._await_nothing()
        else:
            self._await_head()

    def on_message_begin(self) -> None:
        """Have the first byte of a head."""
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Have a head."""
        self._is_in_head = False
        self._has_moved = True
        super().on_headers_complete()
        self._has_asked = True

    def on_body(self, body: bytes) -> None:
        """Have a part of a body."""
        self._has_moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Have all of a request."""
        self._has_moved = True
        super().on_message_complete()

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.seconds_max, self._give_up)

    def _await_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if self._has_asked and not self.cycle.response_complete:
            # What was asked before over this connection is answered first.
            self._await_head()
        else:
            self.transport.close()
