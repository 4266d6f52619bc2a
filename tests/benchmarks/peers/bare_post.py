"""The limit of singles: an ASGI application that takes a body, does nothing with it, and says 200."""

from __future__ import annotations

from typing import Any

_ANSWER = b'{"success":true}'
_HEADERS = [
    (b"content-type", b"application/json"),
    (b"content-length", str(len(_ANSWER)).encode()),
]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Serve one request, or the beginning and the end."""
    if scope["type"] == "lifespan":
        for step in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{step}.complete"})
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _ANSWER})
