"""The limit: the statements that Calyx sends, in an ASGI application that does nothing else.

It has no keys, limits, ids, logs or metrics. A request it meets for the first time it has compiled by Calyx;
from then on it finds statement and values by the bytes of the body.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from api.auth import Caller, Scope
from api.graph.execute import Graph
from api.graph.request import GraphRequest
from api.limits import GraphLimits
from ingest.keeper import Keeper
from models.database import Database, open_database
from models.values import Workspace

_CALLER = Caller(Workspace(1, "default"), b"0123456789abcdef", frozenset({Scope.READ}))
# When the population of the benchmark was last seen.
_NOW = 1_782_777_600_000_000
_MESSAGE_BYTES_MAX = 128 * 1024

Sent = tuple[str, Sequence[Any]]


class _Recording:
    """A database that remembers what it was last asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.asked: list[Sent] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def read(self, sql: str, args: Sequence[Any] = (), timeout_s: float = 5.0) -> Any:
        self.asked.append((sql, args))
        return await self._database.read(sql, args, timeout_s)


class App:
    """The application: a body, its statement, its answer."""

    def __init__(self) -> None:
        self._known: dict[bytes, Sent] = {}
        self._database: Any = None
        self._graph: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request, or the beginning and the end."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["method"] == "GET":
            await _answer(send, b"{}")
            return
        message = await receive()
        body = message["body"]
        while message.get("more_body"):
            message = await receive()
            body += message["body"]
        sent = self._known.get(body) or await self._learn(body)
        rows = await self._database.read(*sent)
        await _answer(send, f'{{"data":{rows[0][0]}}}'.encode())

    async def _learn(self, body: bytes) -> Sent:
        recording = self._graph.database
        recording.asked.clear()
        await self._graph.answer(GraphRequest(_CALLER, _NOW, "limit", body=body))
        sent: Sent = recording.asked[-1]
        self._known[body] = sent
        return sent

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._database = await open_database(os.environ["PEER_DATABASE_URL"])
        unused: Any = None
        keeper = Keeper(self._database, lambda: _NOW)
        # It sends what Calyx sends once it has learned which traits and words are indexed.
        keeper.view(_CALLER.workspace)
        await keeper.turn()
        self._graph = Graph(
            _Recording(self._database),
            unused,
            GraphLimits(),
            message_bytes_max=_MESSAGE_BYTES_MAX,
            new_id=str,
            indexes=keeper,
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._database.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _answer(send: Any, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = App()
