"""HTTP in: /graphql. Keys, bytes and time are checked here; what is asked is read by the graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.types import Receive, Scope, Send

from api import auth, errors
from api.answers import answer
from api.errors import Code, Refusal, unavailable
from api.graph.execute import Graph
from api.graph.request import Answer, GraphRequest, content_type
from api.intake import Intake
from api.service import Opened
from models.values import Micros

PATH = "/graphql"


class GraphDoor:
    """The ASGI application behind `/graphql`."""

    def __init__(
        self,
        service: Callable[[], Opened],
        make: Callable[[Opened], Graph],
        intake: Intake,
        clock: Callable[[], Micros],
    ) -> None:
        self._service = service
        self._make = make
        self._intake = intake
        self._clock = clock
        self._graph: Graph | None = None

    def open(self, opened: Opened) -> None:
        """Prepare to answer from what is open now."""
        self._graph = self._make(opened)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = dict(scope["headers"])
        try:
            given = await self._answer(scope, headers, receive)
        except Refusal as refusal:
            given = _refused(refusal, headers)
        await answer(
            send, given.status, given.body, kind=given.content_type, headers=list(given.headers)
        )

    async def _answer(
        self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> Answer:
        method = scope["method"]
        if method not in {"GET", "POST"}:
            raise Refusal(
                Code.METHOD_NOT_ALLOWED,
                f"{method[:20]} is not for {PATH}: send POST, or GET for a query",
                headers=((b"allow", b"GET, POST"),),
            )
        key = auth.key_in_header(headers.get(b"authorization"))
        caller = await self._service().gate.admit(key)
        if self._graph is None:
            raise unavailable("GraphQL is starting: send it again", retry_after_seconds=1)
        request = GraphRequest(
            caller=caller,
            received_at=self._clock(),
            request_id=scope["state"]["request_id"],
            method=method,
            body=await self._intake.read(headers, receive) if method == "POST" else b"",
            query_string=scope["query_string"],
            content_type=headers.get(b"content-type", b""),
            accept=headers.get(b"accept", b"*/*"),
        )
        return await self._graph.answer(request)


def _refused(refusal: Refusal, headers: Mapping[bytes, bytes]) -> Answer:
    return Answer(
        refusal.code.value,
        content_type(headers.get(b"accept", b"*/*")),
        errors.graphql_body(refusal),
        tuple(errors.headers(refusal)),
    )
