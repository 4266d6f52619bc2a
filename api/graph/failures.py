"""Why a request is refused, as GraphQL says it: errors that carry a code."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import Any

from graphql import GraphQLError, Node


class Code(StrEnum):
    """The kind of a request's error, for programs."""

    UNAUTHENTICATED = "UNAUTHENTICATED"
    FORBIDDEN = "FORBIDDEN"
    BAD_USER_INPUT = "BAD_USER_INPUT"
    COST_LIMIT = "COST_LIMIT"
    DEPTH_LIMIT = "DEPTH_LIMIT"
    RATE_LIMITED = "RATE_LIMITED"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    INTERNAL = "INTERNAL"
    PERSISTED_QUERY_NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"


Nodes = Collection[Node] | Node | None


class Failure(GraphQLError):
    """An error that the caller is told of as it is: its code, and in the message what to do."""

    def __init__(
        self,
        code: Code,
        message: str,
        nodes: Nodes = None,
        path: Collection[str | int] | None = None,
        **more: Any,
    ) -> None:
        extensions = {"code": code.value, **more}
        super().__init__(message, nodes, path=path, extensions=extensions)
        self.code = code

    def at(self, where: GraphQLError) -> Failure:
        """Return this failure at the place of another error."""
        more = {key: value for key, value in (self.extensions or {}).items() if key != "code"}
        return Failure(self.code, self.message, where.nodes, where.path, **more)


def bad_input(message: str, nodes: Nodes = None) -> Failure:
    """Return the failure of input that cannot be used; the message says what to send."""
    return Failure(Code.BAD_USER_INPUT, message, nodes)


def code_of(error: GraphQLError) -> Code | None:
    """Return the code an error carries; None where it has none yet."""
    return error.code if isinstance(error, Failure) else None
