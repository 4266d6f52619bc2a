"""From a request to the bytes of its JSON: encoding, size, time and type are checked, content is not."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Mapping

from starlette.types import Receive

from api.errors import Code, Refusal, unavailable
from api.limits import BodyLimits

_JSON_TYPE = re.compile(rb"application/json|text/plain|text/json|application/[a-z0-9.-]+\+json")
_CHARSET = re.compile(rb"""charset\s*=\s*["']?([^"';\s]+)""")
_CHARSETS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
_GZIP = 31
# Below this, unpacking takes less time than the way to a thread and back.
_INFLATED_HERE_BYTES_MAX = 64 * 1024


class Gone(Exception):
    """The client closed the connection before its request was whole."""


class Intake:
    """Reads bodies, each within its limits, and all together within theirs."""

    def __init__(self, limits: BodyLimits) -> None:
        self._limits = limits
        self._held_bytes = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Return the unpacked body; raise the refusal of one that cannot be taken."""
        packed = _is_packed(headers.get(b"content-encoding", b""))
        self._check_declared(headers.get(b"content-length"))
        body = await self._receive(receive)
        if not packed:
            return body
        most = self._limits.body_bytes_max
        if len(body) <= _INFLATED_HERE_BYTES_MAX:
            return inflate(body, most)
        return await asyncio.to_thread(inflate, body, most)

    async def _receive(self, receive: Receive) -> bytes:
        held = 0
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._limits.body_seconds_max):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    chunk: bytes = message.get("body", b"")
                    more = message.get("more_body", False)
                    chunks.append(chunk)
                    held += len(chunk)
                    self._held_bytes += len(chunk)
                    self._check_received(held)
        except TimeoutError:
            seconds = f"{self._limits.body_seconds_max:g}"
            raise Refusal(
                Code.TOO_SLOW, f"the body did not arrive within {seconds} s: send it again"
            ) from None
        finally:
            self._held_bytes -= held
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _check_declared(self, length: bytes | None) -> None:
        if (
            length is not None
            and length.isdigit()
            and int(length[:20]) > self._limits.body_bytes_max
        ):
            raise _too_large(self._limits.body_bytes_max)

    def _check_received(self, held: int) -> None:
        if held > self._limits.body_bytes_max:
            raise _too_large(self._limits.body_bytes_max)
        if self._held_bytes > self._limits.bodies_bytes_max:
            raise unavailable("too many large bodies at once: send it again", retry_after_seconds=1)


def check_type(value: bytes) -> None:
    """Raise a refusal unless a body of this Content-Type may be read as JSON."""
    kind, _, parameters = value.lower().partition(b";")
    kind = kind.strip()
    if kind and not _JSON_TYPE.fullmatch(kind):
        shown = kind[:80].decode("ascii", "replace")
        raise Refusal(
            Code.UNSUPPORTED_TYPE,
            f"the Content-Type is {shown!r}: send JSON as application/json or text/plain",
        )
    charset = _CHARSET.search(parameters)
    if charset and charset[1] not in _CHARSETS:
        shown = charset[1][:40].decode("ascii", "replace")
        raise Refusal(Code.UNSUPPORTED_TYPE, f"the charset is {shown!r}: send JSON in UTF-8")


def inflate(body: bytes, bytes_max: int) -> bytes:
    """Return what gzip packed into `body`, never making more than `bytes_max` of it."""
    unpacker = zlib.decompressobj(_GZIP)
    try:
        whole = unpacker.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise Refusal(
            Code.BAD_REQUEST, f"the body is not gzip, though Content-Encoding says so: {error}"
        ) from None
    if len(whole) > bytes_max:
        raise _too_large(bytes_max)
    if not unpacker.eof:
        raise Refusal(Code.BAD_REQUEST, "the gzip body ends too early: send all of it")
    if unpacker.unused_data:
        # Several members in a row are legal gzip, and a way to make us start over half a million times.
        raise Refusal(Code.BAD_REQUEST, "something follows the gzip body: send one gzip member")
    return whole


def _is_packed(encoding: bytes) -> bool:
    match encoding.strip().lower():
        case b"" | b"identity":
            return False
        case b"gzip" | b"x-gzip":
            return True
        case other:
            shown = other[:40].decode("ascii", "replace")
            raise Refusal(
                Code.UNSUPPORTED_TYPE,
                f"the Content-Encoding is {shown!r}: send gzip or none",
                headers=((b"accept-encoding", b"gzip, identity"),),
            )


def _too_large(bytes_max: int) -> Refusal:
    return Refusal(
        Code.TOO_LARGE,
        f"the body is over {bytes_max} bytes, unpacked: send its messages in several requests",
    )
