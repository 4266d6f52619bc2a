"""What goes into the log when something fails: kind and place, never the text, which may quote a caller."""

from __future__ import annotations

import logging
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from api import observe
from api.edge import Answering, Edge
from api.observe import Metrics

CANARY = "canary-91d2"


def a_failure() -> ValueError:
    error = ValueError(CANARY)
    error.__cause__ = KeyError(CANARY)
    return error


@pytest.mark.parametrize("form", ["instance", "tuple", "true"])
def test_of_an_exception_kind_place_and_cause_are_logged(form: str) -> None:
    error = a_failure()
    event: dict[str, Any] = {"event": "failed", "id": "1"}
    try:
        raise error
    except ValueError:
        given = {"instance": error, "tuple": (ValueError, error, None), "true": True}
        seen = observe.place_instead_of_text(None, "error", event | {"exc_info": given[form]})
    assert (seen["error"], seen["cause"], seen["id"]) == ("ValueError", "KeyError", "1")
    assert any("test_app_logs.py" in place for place in seen["at"])
    assert CANARY not in repr(seen)


def test_of_the_systems_errors_the_text_is_logged_too() -> None:
    assert observe.where(OSError(28, "No space left on device"))["text"].startswith("[Errno 28]")


def test_what_libraries_log_is_passed_on_without_what_they_quote() -> None:
    handler = observe.Forward()
    with capture_logs() as lines:
        for name in ("uvicorn.error", "strawberry.execution"):
            record = logging.LogRecord(
                name, logging.ERROR, "x.py", 1, "It failed\n", (), (ValueError, a_failure(), None)
            )
            handler.emit(record)
    (line,) = lines
    assert (line["event"], line["logger"], line["log_level"]) == (
        "It failed",
        "uvicorn.error",
        "error",
    )
    assert line["error"] == "ValueError"
    assert CANARY not in repr(lines)


async def test_half_an_answer_breaks_off_and_is_logged_once() -> None:
    async def half(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        raise ValueError(CANARY)

    app = Edge(Answering(half), Metrics(), lambda: "id-1")
    transport = httpx.ASGITransport(app)
    with capture_logs() as lines:
        async with httpx.AsyncClient(transport=transport, base_url="http://calyx.test") as client:
            # The server sees the exception and closes the connection.
            with pytest.raises(ValueError, match=CANARY):
                await client.get("/")
    assert [line["event"] for line in lines] == ["failed", "request"]
    assert CANARY not in repr(lines)
