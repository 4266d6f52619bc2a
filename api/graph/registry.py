"""The documents that an operator registers: read from a folder or a manifest, and checked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from graphql import GraphQLError

from api.graph.document import Invalid, valid
from api.graph.persisted import Registered
from api.graph.schema import schema
from api.limits import GraphLimits

_TEXTS = {".graphql", ".gql"}


class Unreadable(Exception):
    """Documents that cannot be registered; the message names the file and says what is wrong."""


def load(path: Path, limits: GraphLimits) -> Registered:
    """Return the documents of a folder or a manifest; raise Unreadable unless each of them can run."""
    documents = []
    for where, name, text in _read(path):
        try:
            valid(text, schema(), limits)
        except Invalid as error:
            raise Unreadable(f"{where}: {error.errors[0].message}") from None
        except GraphQLError as error:
            raise Unreadable(f"{where}: {error.message}") from None
        documents.append((name, text))
    if not documents:
        raise Unreadable(f"{path} has no documents: put .graphql files or a manifest (.json) there")
    return Registered(documents)


def _read(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield each document: where it is, its id and its text."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in files:
        try:
            if file.suffix in _TEXTS:
                yield str(file), file.stem, file.read_text("utf-8")
            elif file.suffix == ".json":
                yield from _manifest(file)
            elif file == path:
                raise Unreadable(f"{file} is no folder, no .graphql file and no manifest (.json)")
        except (OSError, UnicodeDecodeError) as error:
            raise Unreadable(f"{file} cannot be read: {error}") from None


def _manifest(file: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the documents of Apollo's manifest, or of an object of ids and texts as others write it."""
    try:
        found: Any = msgspec.json.decode(file.read_bytes())
    except msgspec.DecodeError as error:
        raise Unreadable(f"{file} is not JSON: {error}") from None
    pairs = found
    if isinstance(found, dict) and isinstance(found.get("operations"), list):
        entries = found["operations"]
        pairs = {each.get("id"): each.get("body") for each in entries if isinstance(each, dict)}
    if not isinstance(pairs, dict) or not all(
        isinstance(part, str) for pair in pairs.items() for part in pair
    ):
        raise Unreadable(
            f'{file} is no manifest: write {{"ID": "TEXT"}}, or what Apollo writes with `operations`'
        )
    for name, text in pairs.items():
        yield f"{file}, {name}", name, text
