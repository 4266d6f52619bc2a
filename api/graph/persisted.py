"""Documents asked for by their hash: those that clients sent before, and those that an operator registered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from graphql import GraphQLError
from graphql.utilities import strip_ignored_characters

from api.graph.failures import Code, Failure, bad_input
from api.graph.lru import Lru

BYTES_MAX = 1_048_576
"""Bytes of the texts kept for one workspace: some hundred pages of a large application."""

WORKSPACES_MAX = 64
"""Workspaces whose texts are kept in one process; they are the operator's to make."""

_VERSION = 1
_SPACED_MAX = 65_536
"""Characters of a text that is compared without its white space; longer ones must be as registered."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which document a request wants: its text, or the id under which it is known, or both."""

    text: str | None
    id: str | None = None


def wanted(query: str | None, document_id: Any, extensions: Mapping[str, Any]) -> Wanted:
    """Return which document is wanted; raise Failure for a hash that is not sent as clients do."""
    if document_id is not None:
        if not isinstance(document_id, str):
            raise bad_input("`documentId` must be text: send the id of a registered document")
        return Wanted(query, document_id.removeprefix("sha256:"))
    asked = extensions.get("persistedQuery")
    if asked is None:
        return Wanted(query)
    if not isinstance(asked, dict) or asked.get("version") != _VERSION:
        raise bad_input("`persistedQuery` must be an object with `version` 1 and `sha256Hash`")
    digest = asked.get("sha256Hash")
    if not isinstance(digest, str) or not digest:
        raise bad_input("`sha256Hash` must be the SHA-256 of the document, in hexadecimal digits")
    return Wanted(query, digest)


def hash_of(text: str) -> str:
    """Return the hash by which a document is asked for."""
    return sha256(text.encode()).hexdigest()


class Kept:
    """The texts that clients sent with their hash, workspace by workspace, the latest used."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._shelves: Lru[int, _Shelf] = Lru(WORKSPACES_MAX)

    def text(self, workspace: int, asked: Wanted) -> str:
        """Return the text that is wanted; raise Failure where it is not known, or not what its hash says."""
        if asked.text is None:
            found = self._shelf(workspace).get(asked.id or "")
            if found is None:
                raise not_found()
            return found
        if asked.id is not None and hash_of(asked.text) != asked.id.lower():
            raise bad_input(
                "`sha256Hash` is not the hash of `query`: send the hash of that very text"
            )
        return asked.text

    def keep(self, workspace: int, asked: Wanted) -> None:
        """Keep a text that came with its hash and turned out to be a good document."""
        if asked.text is not None and asked.id is not None:
            self._shelf(workspace).put(asked.id.lower(), asked.text)

    def _shelf(self, workspace: int) -> _Shelf:
        return self._shelves.get(workspace, lambda: _Shelf(self._bytes_max))


class _Shelf:
    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._texts: OrderedDict[str, str] = OrderedDict()

    def get(self, digest: str) -> str | None:
        found = self._texts.get(digest.lower())
        if found is not None:
            self._texts.move_to_end(digest.lower())
        return found

    def put(self, digest: str, text: str) -> None:
        if digest in self._texts:
            return
        self._texts[digest] = text
        self._bytes += len(text.encode())
        while self._bytes > self._bytes_max:
            _, gone = self._texts.popitem(last=False)
            self._bytes -= len(gone.encode())


class Registered:
    """The documents that an operator has registered, by their ids, hashes and texts."""

    def __init__(self, documents: Iterable[tuple[str, str]]) -> None:
        self._texts: dict[str, str] = {}
        self._spaced: dict[str, str] = {}
        for name, text in documents:
            self._texts[name] = self._texts[hash_of(text)] = text
            self._spaced[text] = self._spaced[strip_ignored_characters(text)] = text

    def text(self, asked: Wanted) -> str:
        """Return the registered text that is wanted; raise Failure where there is none."""
        if asked.text is not None:
            return self._same(asked.text)
        found = self.find(asked.id or "")
        if found is None:
            raise not_found()
        return found

    def find(self, name: str) -> str | None:
        """Return the text with this id or hash; None where there is none."""
        return self._texts.get(name)

    def __len__(self) -> int:
        return len(set(self._texts.values()))

    def _same(self, text: str) -> str:
        found = self._spaced.get(text)
        if found is None and len(text) <= _SPACED_MAX:
            found = self._spaced.get(_stripped(text))
        if found is None:
            raise Failure(
                Code.FORBIDDEN,
                "only registered documents run here, and this is none of them:"
                " have it registered by whoever runs this server, or ask with an admin key",
            )
        return found


def _stripped(text: str) -> str:
    try:
        return strip_ignored_characters(text)
    except GraphQLError:
        return text


def not_found() -> Failure:
    """Return the failure that makes a client send the text along; several know it by its very words."""
    return Failure(
        Code.PERSISTED_QUERY_NOT_FOUND,
        "PersistedQueryNotFound",
        advice="no document is kept under this hash: send `query` as well",
    )
