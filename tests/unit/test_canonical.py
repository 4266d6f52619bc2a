"""The one form in which JSON is stored (docs/semantics.md, section 9)."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.canonical import Oddities, Unreadable, canonical, inspect, number_text, read
from tests.laws import model_bytes

texts = st.text(alphabet=st.characters(codec=None), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_any_value_has_the_canonical_form_of_the_model(value: object) -> None:
    sent = json.dumps(value).encode("utf-8", "surrogatepass")
    assert canonical(read(sent)).decode() == model_bytes.canonical(
        model_bytes.clean(json.loads(sent))
    )


@given(values)
def test_the_canonical_form_is_a_fixed_point(value: object) -> None:
    once = canonical(read(json.dumps(value).encode()))
    assert canonical(read(once)) == once


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1.2345678901234568e20, "123456789012345680000"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (-2.5e-9, "-2.5e-9"),
        (5e-324, "5e-324"),
        (2**70, "1180591620717411303424"),
    ],
)
def test_numbers_are_printed_as_javascript_prints_them_but_integers_in_full(
    number: float, text: str
) -> None:
    assert number_text(number) == text


def test_what_no_database_takes_is_replaced() -> None:
    sent = rb'{"a":NaN,"b":[Infinity,-Infinity,1e400],"c":"\ud800","d":"x\u0000y","e\u0000":1}'
    assert canonical(read(sent)).decode() == (
        '{"a":null,"b":[null,null,null],"c":"\ufffd","d":"x\ufffdy","e\ufffd":1}'
    )


def test_of_duplicate_keys_the_last_wins_also_when_read_leniently() -> None:
    assert canonical(read(b'{"a":1,"a":2}')) == b'{"a":2}'
    assert canonical(read(b'{"a":1,"a":NaN}')) == b'{"a":null}'


def test_integers_of_any_length_are_kept_in_full() -> None:
    digits = "9" * 6_000
    assert canonical(read(f'{{"n":{digits}}}'.encode())).decode() == f'{{"n":{digits}}}'


def test_keys_are_sorted_by_bytes_and_text_is_not_escaped() -> None:
    sent = b'{"\\u00e9":1,"z":"\\u2028","Z":1}'
    assert canonical(read(sent)) == '{"Z":1,"z":"\u2028","é":1}'.encode()


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (b"", "line 1, column 1"),
        (b'{"a":\n}', "line 2, column 1"),
        (b"\xff{}", "byte 0 is 0xff"),
        (b"[" * 100_000, "1000 levels"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(body: bytes, where: str) -> None:
    with pytest.raises(Unreadable, match=where):
        read(body)


def test_a_look_finds_depth_longest_key_and_what_is_odd() -> None:
    found = Oddities()
    inspect({"aé": [{"b": 1}], "c": math.pi}, found)
    assert (found.depth, found.key_bytes, found.odd) == (3, 3, True)
