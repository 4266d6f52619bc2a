"""Cursors mean one row in one order; whatever else they are is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.graph.page import BadCursor, BadPage, Kind, Part, Window, read, tag, window

PARTS = (
    Part(Kind.NUMBER),
    Part(Kind.TEXT, nullable=True),
    Part(Kind.VALUE, nullable=True),
    Part(Kind.KEY),
)
KEY = "00" * 16


def a_cursor(*values: object, of: str | None = None) -> str:
    """Return a cursor as a statement writes it."""
    return json.dumps([of or tag(["list"]), *values], ensure_ascii=False).encode().hex()


@given(
    number=st.integers(-(2**63), 2**63 - 1),
    text=st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    key=st.binary(min_size=16, max_size=16),
)
def test_a_cursor_is_read_as_it_was_written(number: int, text: str | None, key: bytes) -> None:
    found = read(a_cursor(number, text, text, key.hex()), tag(["list"]), PARTS)
    assert (found[0], found[1], found[3]) == (number, text, key)
    assert json.loads(found[2] or "null") == text


@pytest.mark.parametrize("value", ["1.5", "1e+21", "18446744073709551617", "-0.30000000000000004"])
def test_numbers_of_traits_keep_their_digits(value: str) -> None:
    cursor = f'["{tag(["list"])}",1,null,{value},"{KEY}"]'.encode().hex()
    assert read(cursor, tag(["list"]), PARTS)[2] == value


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "zz",
        "0",
        b"[".hex(),
        b"{}".hex(),
        b"[]".hex(),
        b"[1]".hex(),
        b"\xff".hex(),
        ("[" * 2_000).encode().hex(),
        a_cursor(),
        a_cursor(1, "x", None),
        a_cursor(1, "x", None, KEY, 1),
        a_cursor(None, "x", None, KEY),
        a_cursor("1", "x", None, KEY),
        a_cursor(1.5, "x", None, KEY),
        a_cursor(*[True], "x", None, KEY),
        a_cursor(2**63, "x", None, KEY),
        a_cursor(1, 2, None, KEY),
        a_cursor(1, "a\0b", None, KEY),
        a_cursor(1, "x", *[False], KEY),
        a_cursor(1, "x", [], KEY),
        a_cursor(1, "x", None, KEY[:-2]),
        a_cursor(1, "x", None, KEY.replace("0", "z")),
        a_cursor(1, "x", None, None),
        a_cursor(1, "x", None, KEY, of="00000000"),
    ],
)
def test_what_no_page_gave_is_no_cursor(cursor: str) -> None:
    with pytest.raises(BadCursor):
        read(cursor, tag(["list"]), PARTS)


def test_each_order_marks_its_cursors() -> None:
    marks = {tag(order) for order in (["a"], ["a", "b"], ["a\0b"], ["b", "a"], ["a", "b-"], [])}
    assert len(marks) == 6 - 1  # a list and a key that hold the same text are never compared


@pytest.mark.parametrize(
    ("first", "last", "before", "after", "expected"),
    [
        (None, None, False, False, Window(50, backward=False)),
        (None, None, True, False, Window(50, backward=True)),
        (None, None, True, True, Window(50, backward=False)),
        (0, None, False, False, Window(0, backward=False)),
        (100, None, True, False, Window(100, backward=False)),
        (None, 7, False, True, Window(7, backward=True)),
    ],
)
def test_a_page_is_taken_from_one_end(
    first: int | None, last: int | None, *, before: bool, after: bool, expected: Window
) -> None:
    assert window(first, last, before=before, after=after) == expected


@pytest.mark.parametrize(
    ("first", "last"), [(1, 1), (-1, None), (101, None), (None, -1), (None, 101), (0, 0)]
)
def test_a_page_that_cannot_be_is_refused(first: int | None, last: int | None) -> None:
    with pytest.raises(BadPage):
        window(first, last, before=False, after=False)
