"""How an explanation is read: its effects are bound, the events that beat them are in the log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from api.graph import compile_reads as reads
from api.graph.columns import Render
from api.graph.compile import Compile
from api.graph.ids import KEY_BYTES
from api.graph.plan import Field
from api.graph.statement import Asked, Row, Sql
from ingest.explain import Explanation

_COLUMNS = ("kind", "entity", "identifier", "key", "before", "after", "wins")
_NOBODY = bytes(KEY_BYTES)


def explain(c: Compile, row: Row, field: Field) -> Sql:
    """Read an explanation that was found already."""
    return c.object(row, "Explanation", field)


def told(of: Callable[[Explanation], Any]) -> Render:
    """Read one fact of the explanation."""
    return lambda c, _, __: c.draft.bind(
        lambda asked: msgspec.json.encode(of(_found(asked))).decode()
    )


def effects(c: Compile, _: Row, field: Field) -> Sql:
    """List the effects, in their order."""
    n = c.draft.alias("n")
    value = f"{n}.value"
    made = {name: c.dialect.element(value, str(at)) for at, name in enumerate(_COLUMNS)}
    keys = c.draft.bind_key(lambda asked: b"".join(_keys(asked)))
    made["beaten_by"] = c.dialect.slice(keys, f"{n}.key", KEY_BYTES)
    each = c.object(Row(n, n, made=made), "Effect", field)
    listed = c.dialect.unfolded(c.draft.bind(_listed), n)
    return f"'[' || (SELECT {c.dialect.joined(each)} FROM {listed}) || ']'"


def beaten_by(c: Compile, row: Row, field: Field) -> Sql:
    """Read the event whose word stands instead."""
    return reads.event_by_key(c, field, row.column("beaten_by"))


def _listed(asked: Asked) -> str:
    rows = [
        (
            *(each.kind.value, each.entity.name, each.identifier, each.key),
            *(each.before, each.after, "true" if each.wins else "false"),
        )
        for each in _found(asked).effects
    ]
    return msgspec.json.encode(rows).decode()


def _keys(asked: Asked) -> list[bytes]:
    return [each.beaten_by or _NOBODY for each in _found(asked).effects]


def _found(asked: Asked) -> Explanation:
    if asked.explained is None:
        raise TypeError("only a message that was explained has effects")
    return asked.explained
