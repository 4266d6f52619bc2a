"""What indexes of traits and words hold of a value: bounded texts that sort and begin as it does. Pure."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from itertools import zip_longest
from typing import NamedTuple

import msgspec

from models.values import JsonText

CHARACTERS_MAX = 200
"""Of a text in an index of a trait: a key of PostgreSQL's trees has 2,704 bytes, and these may be 800."""

WORD_CHARACTERS_MAX = 40
"""Of a word in the index of words. Whoever types more has long found it."""

FIELD_CHARACTERS_MAX = 1_000
"""Of a field that is searched. It bounds what one message can cost; no name or id is so long."""

NUMBERS, TEXTS, REST, END = "0", "1", "2", "3"
"""How the places of each kind begin, and what comes behind all of them."""

_EXACT_MAX = 2**53
_DIGITS_MAX = 17
_SIGN = 1 << 63
_ALL = (1 << 64) - 1
_HIGHEST = "\U0010ffff"
_RUNS = re.compile(r"[^\W_]+")
_text = msgspec.json.Decoder(str).decode


class Place(NamedTuple):
    """What an index has of a value, and whether that is less than tells it from all others."""

    place: str
    folded: str | None
    cut: bool


def place_of(value: JsonText) -> Place:
    """Return what an index of a trait has of a canonical value."""
    if value[0] == '"':
        text = _text(value)
        folded = TEXTS + text.lower()[:CHARACTERS_MAX]
        return Place(TEXTS + text[:CHARACTERS_MAX], folded, len(text) > CHARACTERS_MAX)
    if value[0] in "-0123456789":
        return Place(NUMBERS + _sortable(float(value)), None, not _is_exact(value))
    return Place(REST, REST + value[:CHARACTERS_MAX], cut=False)


def words_of(fields: Iterable[str | None]) -> set[str]:
    """Return what a word must begin to be found in one of these texts in lower case.

    That is a text itself, or a run of letters and digits in it.
    """
    found: set[str] = set()
    for field in fields:
        if field:
            begun = field[:FIELD_CHARACTERS_MAX]
            found.add(begun[:WORD_CHARACTERS_MAX])
            found.update(run[:WORD_CHARACTERS_MAX] for run in _RUNS.findall(begun))
    # What begins another is found with it.
    ordered = sorted(found)
    return {
        word
        for word, after in zip_longest(ordered, ordered[1:], fillvalue="")
        if not after.startswith(word)
    }


def beyond_prefix(prefix: str) -> str:
    """Return the least text that sorts, by bytes, after all that begin with `prefix`."""
    head = prefix.rstrip(_HIGHEST)
    if not head:
        return _HIGHEST * (CHARACTERS_MAX + 2)
    following = ord(head[-1]) + 1
    # No text has a lone surrogate.
    return head[:-1] + chr(0xE000 if following == 0xD800 else following)  # noqa: PLR2004 (Unicode's own)


def _sortable(number: float) -> str:
    """Return digits that sort by bytes as the numbers do."""
    [bits] = struct.unpack(">Q", struct.pack(">d", number))
    return f"{bits ^ (_ALL if bits & _SIGN else _SIGN):016x}"


def _is_exact(value: str) -> bool:
    whole = value.lstrip("-")
    if not whole.isdigit():
        # Numbers with a fraction or an exponent are the shortest names of their doubles.
        return True
    return len(whole) <= _DIGITS_MAX and int(whole) <= _EXACT_MAX
