"""Every way a request is refused, and what the caller is told.

Refusal
├── BAD_REQUEST         400  the body cannot be read; the message says where
├── UNAUTHENTICATED     401  no key, or one that does not work
├── FORBIDDEN           403  the key works, but not for this
├── NOT_FOUND           404  nothing is at this path
├── METHOD_NOT_ALLOWED  405  something is, for another method
├── TOO_SLOW            408  the body did not arrive in time
├── TOO_LARGE           413  the body is over a limit
├── UNSUPPORTED_TYPE    415  not JSON, or packed in a way we do not unpack
├── RATE_LIMITED        429  the key came too often; come again
├── INTERNAL            500  our fault
└── UNAVAILABLE         503  not now; come again
"""

from __future__ import annotations

from enum import Enum
from math import ceil
from typing import assert_never

import msgspec

Headers = list[tuple[bytes, bytes]]
"""Header fields as ASGI carries them: lower-case names, bytes."""


class Code(Enum):
    """The kind of a refusal: its name for programs, its value as HTTP says it."""

    BAD_REQUEST = 400
    UNAUTHENTICATED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    TOO_SLOW = 408
    TOO_LARGE = 413
    UNSUPPORTED_TYPE = 415
    RATE_LIMITED = 429
    INTERNAL = 500
    UNAVAILABLE = 503


class Refusal(Exception):
    """A request that is refused: its kind, and in the message what is wrong and what to do."""

    def __init__(
        self, code: Code, message: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers


def unavailable(message: str, *, retry_after_seconds: float) -> Refusal:
    """Return the refusal of what may succeed if sent again, and when."""
    # Whole seconds: one SDK reads nothing else. At least one, else some retry at once.
    seconds = max(1, round(retry_after_seconds))
    return Refusal(Code.UNAVAILABLE, message, headers=((b"retry-after", b"%d" % seconds),))


def rate_limited(message: str, *, retry_after_seconds: float) -> Refusal:
    """Return the refusal of a key that came too often, and when it may come again."""
    seconds = max(1, ceil(retry_after_seconds))
    return Refusal(Code.RATE_LIMITED, message, headers=((b"retry-after", b"%d" % seconds),))


def graphql_code(code: Code) -> str:
    """Return the `extensions.code` under which GraphQL tells of a refusal."""
    match code:
        case (
            Code.UNAUTHENTICATED
            | Code.FORBIDDEN
            | Code.RATE_LIMITED
            | Code.INTERNAL
            | Code.UNAVAILABLE
        ):
            return code.name
        case Code.TOO_SLOW:
            return "TIMEOUT"
        case (
            Code.BAD_REQUEST
            | Code.NOT_FOUND
            | Code.METHOD_NOT_ALLOWED
            | Code.TOO_LARGE
            | Code.UNSUPPORTED_TYPE
        ):
            return "BAD_USER_INPUT"
        case _:
            assert_never(code)


def body(refusal: Refusal) -> bytes:
    """Return the JSON a refused caller reads; Segment's SDKs need both members as strings."""
    return msgspec.json.encode({"code": refusal.code.name, "message": refusal.message})


def graphql_body(refusal: Refusal) -> bytes:
    """Return the same as the GraphQL answer it is on `/graphql`."""
    error = {"message": refusal.message, "extensions": {"code": graphql_code(refusal.code)}}
    return msgspec.json.encode({"errors": [error]})


def headers(refusal: Refusal) -> Headers:
    """Return the header fields that go with a refusal, but for type and length of the body."""
    found: Headers = list(refusal.headers)
    if refusal.code is Code.UNAUTHENTICATED:
        # Not `Basic`, though that is understood: browsers would open their own log-in window.
        found.append((b"www-authenticate", b'Bearer realm="calyx"'))
    if refusal.code is Code.TOO_SLOW:
        found.append((b"connection", b"close"))
    return found
