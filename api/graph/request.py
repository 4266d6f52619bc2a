"""GraphQL over HTTP: a request read, an answer given its status and type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec
from graphql import GraphQLError

from api.auth import Caller
from api.graph.failures import Code, bad_input, code_of
from api.graph.persisted import Wanted, wanted
from models.values import Micros

JSON = b"application/json"
RESPONSE = b"application/graphql-response+json"
_CHARSET = b"; charset=utf-8"
_JSON_ANSWER = JSON + _CHARSET


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """A request for `/graphql`: who sends it, when it came, and its parts as they came."""

    caller: Caller
    received_at: Micros
    request_id: str
    method: str = "POST"
    body: bytes = b""
    query_string: bytes = b""
    content_type: bytes = JSON
    accept: bytes = b"*/*"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent back."""

    status: int
    content_type: bytes
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a request asks for."""

    document: Wanted
    operation_name: str | None
    variables: Mapping[str, Any]
    extensions: Mapping[str, Any] = field(default_factory=dict)


class Malformed(Exception):
    """A request that is no GraphQL request; the message says what to send."""

    def __init__(
        self, status: int, message: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


def read(request: GraphRequest, body_bytes_max: int) -> Parameters:
    """Return what a request asks for; raise Malformed, or Failure for a document we do not have."""
    if request.method == "GET":
        if len(request.query_string) > body_bytes_max:
            raise Malformed(414, f"the URL is over {body_bytes_max} bytes: send the query by POST")
        return _parameters(_query_members(request.query_string))
    _check_type(request.content_type)
    if len(request.body) > body_bytes_max:
        raise Malformed(413, f"the body is over {body_bytes_max} bytes: ask in several requests")
    return _parameters(_json(request.body, "the body"))


def content_type(accept: bytes) -> bytes:
    """Return the type of answer that a client wants; JSON where it does not say."""
    if accept == b"*/*":
        # What all send that do not care.
        return _JSON_ANSWER
    best, best_weight = JSON, 0.0
    for part in accept.lower().split(b","):
        kind, *options = (word.strip() for word in part.split(b";"))
        weight = _weight(options)
        wanted = (
            RESPONSE
            if kind == RESPONSE
            else JSON
            if kind in {JSON, b"*/*", b"application/*"}
            else None
        )
        if wanted is not None and weight > best_weight:
            best, best_weight = wanted, weight
    return best + _CHARSET


def refused(
    errors: Sequence[GraphQLError], kind: bytes, more: Mapping[str, Any] | None = None
) -> Answer:
    """Return the answer to a request that was refused before it ran, or could not be served."""
    body: dict[str, Any] = {"errors": [shown(error) for error in errors]}
    if more:
        body["extensions"] = more
    code = code_of(errors[0]) or Code.BAD_USER_INPUT
    headers: tuple[tuple[bytes, bytes], ...] = ()
    if code in {Code.UNAVAILABLE, Code.RATE_LIMITED}:
        seconds = errors[0].extensions.get("retryAfter", 1) if errors[0].extensions else 1
        headers = ((b"retry-after", b"%d" % max(1, round(seconds))),)
    if code is Code.PERSISTED_QUERY_NOT_FOUND:
        # The same URL has an answer as soon as the text has been sent.
        headers = ((b"cache-control", b"no-store"),)
    return Answer(_status(code, kind), kind, msgspec.json.encode(body), headers)


def malformed(error: Malformed, kind: bytes) -> Answer:
    """Return the answer to what is no GraphQL request."""
    body = {"errors": [shown(bad_input(str(error)))]}
    return Answer(error.status, kind, msgspec.json.encode(body), error.headers)


def shown(error: GraphQLError) -> dict[str, Any]:
    """Return an error as the caller is told of it; each has a code."""
    code = {"code": Code.BAD_USER_INPUT.value}
    return {**error.formatted, "extensions": {**code, **(error.extensions or {})}}


def _status(code: Code, kind: bytes) -> int:
    # A document that was refused: clients of the older type take all but 200 for a broken server.
    refused_status = 400 if kind.startswith(RESPONSE) else 200
    return _STATUS.get(code, refused_status)


_STATUS = {
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.RATE_LIMITED: 429,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.TIMEOUT: 504,
}


def _check_type(value: bytes) -> None:
    if value == JSON:
        return
    kind, *options = (word.strip() for word in value.lower().split(b";"))
    if kind != JSON:
        # No other type: a browser sends those across origins without asking.
        shown_kind = kind[:80].decode("ascii", "replace") or "absent"
        raise Malformed(415, f"the Content-Type is {shown_kind}: send application/json")
    for option in options:
        name, _, charset = option.partition(b"=")
        if name.strip() == b"charset" and charset.strip(b" \"'") not in {b"utf-8", b"utf8"}:
            raise Malformed(415, "the charset is not UTF-8: send JSON in UTF-8")


def _query_members(query_string: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qs(
            query_string.decode("ascii"), keep_blank_values=True, max_num_fields=20, errors="strict"
        )
    except ValueError as error:
        raise Malformed(400, f"the query string cannot be read: {error}") from None
    members: dict[str, Any] = {}
    for name in ("query", "operationName", "variables", "extensions", "documentId"):
        if name in pairs:
            if len(pairs[name]) > 1:
                raise Malformed(400, f"`{name}` is given more than once: send it once")
            members[name] = pairs[name][0] or None
    for name in ("variables", "extensions"):
        if members.get(name) is not None:
            members[name] = _json(members[name].encode(), f"`{name}`")
    return members


def _json(text: bytes, what: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(400, f"{what} is not JSON: {error}") from None
    except (RecursionError, ValueError):
        raise Malformed(
            400, f"{what} is JSON beyond measure: nest less, and shorten its numbers"
        ) from None


def _parameters(members: Any) -> Parameters:
    if not isinstance(members, dict):
        raise Malformed(400, "the body must be one JSON object with `query` in it")
    name, variables, extensions = (
        members.get(key) for key in ("operationName", "variables", "extensions")
    )
    if name is not None and not isinstance(name, str):
        raise Malformed(400, "`operationName` must be text")
    if variables is not None and not isinstance(variables, dict):
        raise Malformed(400, "`variables` must be an object")
    if extensions is not None and not isinstance(extensions, dict):
        raise Malformed(400, "`extensions` must be an object")
    query = members.get("query")
    document = wanted(query, members.get("documentId"), extensions or {})
    if query is None and document.id is not None:
        return Parameters(document, name or None, variables or {}, extensions or {})
    if not isinstance(query, str) or not query.strip():
        raise Malformed(400, "`query` is missing: send the text of a GraphQL document")
    return Parameters(document, name or None, variables or {}, extensions or {})


def _weight(options: list[bytes]) -> float:
    for option in options:
        name, _, value = option.partition(b"=")
        if name.strip() == b"q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
