"""Cursors: where a row stands in one order, as text that only we read. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

SIZE_DEFAULT = 50
SIZE_MAX = 100
_VERSION = 1
_DIGITS_MAX = 20
_WHOLE = re.compile(r"-?[0-9]+")
_KEY = re.compile(r"[0-9a-f]{32}")
_INT64 = range(-(2**63), 2**63)


class Kind(Enum):
    """What a part of a cursor is."""

    NUMBER = "number"
    TEXT = "text"
    KEY = "key"
    VALUE = "value"


class Part(NamedTuple):
    """One sort key as a cursor holds it."""

    kind: Kind
    nullable: bool = False


class BadCursor(ValueError):
    """A cursor that this list did not give; the message says what to do."""


class BadPage(ValueError):
    """A page that cannot be; the message says what to ask instead."""


class Window(NamedTuple):
    """How many rows of a list, and whether they are taken from its end."""

    size: int
    backward: bool


def window(first: int | None, last: int | None, *, before: bool, after: bool) -> Window:
    """Return the page that these arguments ask for; raise BadPage where there is none."""
    if first is not None and last is not None:
        raise BadPage("`first` and `last` exclude each other: send one of them")
    name, size = ("last", last) if first is None and last is not None else ("first", first)
    if size is None:
        return Window(SIZE_DEFAULT, backward=before and not after)
    if not 0 <= size <= SIZE_MAX:
        raise BadPage(f"`{name}` is {size}: send 0 to {SIZE_MAX}")
    return Window(size, backward=name == "last")


def tag(order: Sequence[str]) -> str:
    """Return what marks the cursors of one list in one order."""
    text = "\0".join((str(_VERSION), *order))
    return sha256(text.encode()).hexdigest()[:8]


@lru_cache(maxsize=1_000)
def read(cursor: str, tag: str, parts: tuple[Part, ...]) -> tuple[Any, ...]:
    """Return the values of a cursor of the order that `tag` marks; raise BadCursor for any other."""
    try:
        values = json.loads(bytes.fromhex(cursor), parse_float=_Digits, parse_int=_Digits)
    except (ValueError, RecursionError):
        raise BadCursor(_advice()) from None
    if not isinstance(values, list) or not values or not isinstance(values[0], str):
        raise BadCursor(_advice())
    if values[0] != tag:
        raise BadCursor(
            "the cursor is of another list or order: use cursors only where they came from"
        )
    if len(values) != len(parts) + 1:
        raise BadCursor(_advice())
    return tuple(_read(part, value) for part, value in zip(parts, values[1:], strict=True))


class _Digits(str):
    """A number, kept as it is written."""

    __slots__ = ()


def _read(part: Part, value: Any) -> Any:
    if value is None and part.nullable:
        return None
    found = _READERS[part.kind](value)
    if found is None:
        raise BadCursor(_advice())
    return found


def _number(value: Any) -> int | None:
    if not isinstance(value, _Digits) or len(value) > _DIGITS_MAX or not _WHOLE.fullmatch(value):
        return None
    number = int(value)
    return number if number in _INT64 else None


def _text(value: Any) -> str | None:
    return (
        value
        if isinstance(value, str) and not isinstance(value, _Digits) and _is_sound(value)
        else None
    )


def _key(value: Any) -> bytes | None:
    return bytes.fromhex(value) if isinstance(value, str) and _KEY.fullmatch(value) else None


def _value(value: Any) -> str | None:
    if value is True:
        return "true"
    if isinstance(value, _Digits):
        return str(value)
    text = _text(value)
    return None if text is None else json.dumps(text, ensure_ascii=False)


_READERS: dict[Kind, Callable[[Any], Any]] = {
    Kind.NUMBER: _number,
    Kind.TEXT: _text,
    Kind.KEY: _key,
    Kind.VALUE: _value,
}


def _is_sound(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def _advice() -> str:
    return "the cursor is not one that this list gave: send `endCursor` or `startCursor` of a page of it"
