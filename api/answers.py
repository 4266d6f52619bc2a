"""Whole answers, sent as they are."""

from __future__ import annotations

from starlette.types import Send

from api import errors
from api.errors import Headers, Refusal

JSON = b"application/json"


async def answer(
    send: Send, status: int, body: bytes, *, kind: bytes = JSON, headers: Headers | None = None
) -> None:
    """Send an answer of one piece."""
    fields = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *(headers or ())]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refusal: Refusal, *, graphql: bool = False) -> None:
    """Tell the caller what was wrong, as JSON."""
    body = errors.graphql_body(refusal) if graphql else errors.body(refusal)
    await answer(send, refusal.code.value, body, headers=errors.headers(refusal))
