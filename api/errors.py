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
├── INTERNAL            500  our fault
└── UNAVAILABLE         503  not now; come again
"""

from __future__ import annotations

from enum import StrEnum
from typing import assert_never

import msgspec

Headers = list[tuple[bytes, bytes]]
"""Header fields as ASGI carries them: lower-case names, bytes."""


class Code(StrEnum):
    """The kind of a refusal, for programs."""

    BAD_REQUEST = "BAD_REQUEST"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    TOO_SLOW = "TOO_SLOW"
    TOO_LARGE = "TOO_LARGE"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"


class Refusal(Exception):
    """A request that is refused: its kind, and in the message what is wrong and what to do."""

    def __init__(self, code: Code, message: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.headers = headers


def unavailable(message: str, *, retry_after_seconds: float) -> Refusal:
    """Return the refusal of what may succeed if sent again, and when."""
    # Whole seconds: one SDK reads nothing else. At least one, else some retry at once.
    seconds = max(1, round(retry_after_seconds))
    return Refusal(Code.UNAVAILABLE, message, headers=((b"retry-after", b"%d" % seconds),))


def status(code: Code) -> int:
    """Return the HTTP status of a kind of refusal."""
    match code:
        case Code.BAD_REQUEST:
            return 400
        case Code.UNAUTHENTICATED:
            return 401
        case Code.FORBIDDEN:
            return 403
        case Code.NOT_FOUND:
            return 404
        case Code.METHOD_NOT_ALLOWED:
            return 405
        case Code.TOO_SLOW:
            return 408
        case Code.TOO_LARGE:
            return 413
        case Code.UNSUPPORTED_TYPE:
            return 415
        case Code.INTERNAL:
            return 500
        case Code.UNAVAILABLE:
            return 503
        case _:
            assert_never(code)


def graphql_code(code: Code) -> str:
    """Return the `extensions.code` under which GraphQL tells of a refusal."""
    match code:
        case Code.UNAUTHENTICATED | Code.FORBIDDEN | Code.INTERNAL | Code.UNAVAILABLE:
            return code.value
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
    return msgspec.json.encode({"code": refusal.code.value, "message": refusal.message})


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
