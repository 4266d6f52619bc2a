"""One statement in its variants: without indexes of traits and words, and with those that may be used now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from api.graph.failures import Code, Failure
from api.graph.lru import Lru
from api.graph.statement import NOTHING_GRANTED, Asked, Compiled, Granted, WishName
from ingest.indexes import Kind
from models.values import Workspace

VARIANTS_MAX = 20
"""Variants kept of one statement; workspaces differ in what they index."""

Make = Callable[[Granted], Compiled]
"""Compile a statement for the indexes that are granted."""


class Notes(Protocol):
    """What hears which traits are asked for."""

    def note(self, workspace: Workspace, kind: Kind, key: str, *, indexed: bool) -> None:
        """Take note that a trait was asked for where an index helps, or would."""


class Statement:
    """A statement, compiled for the indexes there are."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self.plain = make(NOTHING_GRANTED)
        self._variants: Lru[Any, Compiled] = Lru(VARIANTS_MAX)

    @property
    def sql(self) -> str:
        """Return its text as it is without indexes."""
        return self.plain.sql

    def arguments(self, asked: Asked) -> list[Any]:
        """Return the values to bind to it as it is without indexes; raise Failure for bad input."""
        return self.plain.arguments(asked)

    def fitting(self, asked: Asked, notes: Notes | None) -> Compiled:
        """Return it for the indexes that may be used for what is asked; tell `notes` of the others."""
        if not self.plain.wishes:
            return self.plain
        view, granted = asked.indexes, dict[WishName, bool]()
        for name, wish in self.plain.wishes.items():
            kind, key = name[0], wish(asked)
            if (kind, key) in view.numbers:
                granted[name] = (kind, key) in view.sorting and kind is not Kind.WORDS
            if notes is not None and kind is not Kind.WORDS:
                notes.note(asked.workspace, kind, key, indexed=name in granted)
        if not granted:
            return self.plain
        return self._variants.get(
            (view.few_max, *granted.items()), lambda: self._made(Granted(granted, view.few_max))
        )

    def _made(self, granted: Granted) -> Compiled:
        try:
            return self._make(granted)
        except Failure as failure:
            if failure.extensions and failure.extensions.get("code") == Code.DEPTH_LIMIT:
                # It nests deeper for the indexes: then without.
                return self.plain
            raise
