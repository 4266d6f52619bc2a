"""The one form of JSON that is stored (docs/semantics.md, section 9), and the lenient way to it."""

from __future__ import annotations

import json
import math
import re
import sys
from typing import Any

import msgspec

DEPTH_READ_MAX = 1_000
"""Levels of nesting a body may have at all; deeper is refused unread."""

# The parsers recurse once a level, from wherever the stack stands when they are called.
sys.setrecursionlimit(max(sys.getrecursionlimit(), 4 * DEPTH_READ_MAX))

_INTEGER_DIGITS_MAX = 4_000
_FLOAT_EXACT_MAX = 2**53
# JavaScript writes longer numbers, and smaller ones, with an exponent.
_PLAIN_DIGITS_MAX = 21
_PLAIN_ZEROS_MAX = 5
_SURROGATE = re.compile("[\ud800-\udfff]")
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)

# Between these a number that is no integer is printed alike by JavaScript, Python and the encoder.
_PLAIN_FROM, _PLAIN_TO = 1e-4, 1e15
_LEVELS_PLAIN_MAX = 32
# A text in canonical bytes that is longer than any key may be.
_LONG = re.compile(rb'"[^"]{257}')


class Unreadable(Exception):
    """A body that is no JSON; the message says where."""


class Digits(str):
    """An integer too long for arithmetic, kept as its digits."""

    __slots__ = ()


class Odd(float):
    """A number that the encoder would not print as JavaScript does; it refuses to encode it."""

    __slots__ = ()


class Oddities:
    """What a look at a parsed value found: whether it must be rewritten, or is beyond the limits."""

    __slots__ = ("depth", "key_bytes", "odd")

    def __init__(self) -> None:
        self.odd = False
        self.depth = 0
        self.key_bytes = 0


def _float(text: str) -> float:
    value = float(text)
    if value == 0:
        return 0
    if _PLAIN_FROM <= abs(value) < _PLAIN_TO:
        return int(value) if value.is_integer() else value
    return Odd(value)


_decode = msgspec.json.Decoder(float_hook=_float).decode
_encode = msgspec.json.Encoder(order="sorted").encode


def read(body: bytes) -> Any:
    """Return what `body` says, as leniently as the SDKs need; raise Unreadable if it says nothing.

    NaN, infinities, lone surrogates and integers of any length pass; of duplicate keys the last wins.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _read_leniently(body)


def settle(value: Any) -> tuple[bytes, Any]:
    """Return the canonical bytes of a value as `read` gives it, and the value that they say."""
    try:
        body = _encode(value)
    except (TypeError, UnicodeEncodeError):
        body = _encode(rewrite(value))
        return body, read(body)
    # One character is found at once, and hardly any text has it.
    if b"\\" not in body or b"\\u0000" not in body:
        return body, value
    body = _encode(rewrite(value))
    return body, read(body)


def encode(value: Any) -> bytes:
    """Return the canonical bytes of a value as `read` gives it."""
    return settle(value)[0]


def is_plain(body: bytes) -> bool:
    """Return whether canonical bytes show at a glance that nothing in them is odd, deep or long.

    Most do; what does not may still be sound, and is looked at value by value.
    """
    return (
        b"\\" not in body
        and body.count(b"{") + body.count(b"[") <= _LEVELS_PLAIN_MAX
        and _LONG.search(body) is None
    )


def canonical(value: Any) -> bytes:
    """Return the canonical bytes of any value, whoever parsed it."""
    found = Oddities()
    inspect(value, found)
    return _encode(rewrite(value) if found.odd else value)


def inspect(value: Any, found: Oddities, depth: int = 1) -> None:  # noqa: C901 (each value of each message passes here)
    """Note in `found` what is odd, how deep it goes (the value itself is 1) and its longest key."""
    kind = type(value)
    if kind is dict:
        found.depth = max(found.depth, depth)
        for key, item in value.items():
            if not key.isascii() or "\0" in key or len(key) > found.key_bytes:
                _inspect_key(key, found)
            kind = type(item)
            if kind is dict or kind is list:
                inspect(item, found, depth + 1)
            elif kind is str:
                if "\0" in item or (not item.isascii() and _SURROGATE.search(item)):
                    found.odd = True
            elif kind is float or kind is Odd or kind is Digits:
                found.odd = True
    elif kind is list:
        found.depth = max(found.depth, depth)
        for item in value:
            inspect(item, found, depth + 1)
    elif kind is str:
        if "\0" in value or (not value.isascii() and _SURROGATE.search(value)):
            found.odd = True
    elif kind is float or kind is Odd or kind is Digits:
        found.odd = True


def rewrite(value: Any) -> Any:
    """Return `value` with each odd number and text in its canonical form."""
    if isinstance(value, Digits):
        return msgspec.Raw(value.encode())
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return {clean(key): rewrite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rewrite(item) for item in value]
    return value


def clean(text: str) -> str:
    """Return `text` with U+FFFD for what databases refuse: NUL and lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def number_text(value: float) -> str:
    """Return a number as JavaScript prints it; integers in full."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) <= _FLOAT_EXACT_MAX:
        return str(int(value))
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    # Where the point stands, counted from before the first digit that is not zero.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    # ECMA-262, Number::toString, with k = len(digits) and n = point.
    count = len(digits)
    if count <= point <= _PLAIN_DIGITS_MAX:
        return digits + "0" * (point - count)
    if 0 < point <= _PLAIN_DIGITS_MAX:
        return f"{digits[:point]}.{digits[point:]}"
    if -_PLAIN_ZEROS_MAX <= point <= 0:
        return "0." + "0" * -point + digits
    exponent = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return digits[0] + (f".{digits[1:]}" if count > 1 else "") + exponent


def _number(value: float) -> msgspec.Raw | int | None:
    if not math.isfinite(value):
        return None
    return msgspec.Raw(number_text(value).encode())


def _inspect_key(key: str, found: Oddities) -> None:
    if "\0" in key or _SURROGATE.search(key):
        found.odd = True
        key = clean(key)
    found.key_bytes = max(found.key_bytes, len(key.encode()))


def _read_leniently(body: bytes) -> Any:
    if _is_too_deep(body):
        raise Unreadable(f"the body nests deeper than {DEPTH_READ_MAX} levels")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(
            f"the body is not UTF-8: byte {error.start} is 0x{body[error.start]:02x}"
        ) from None
    try:
        return json.loads(text, parse_float=_float, parse_int=_integer, parse_constant=Odd)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Unreadable(f"the body is not JSON: {error.msg} at {where}") from None


def _integer(digits: str) -> int | Digits:
    if len(digits) <= _INTEGER_DIGITS_MAX:
        return int(digits)
    return Digits(digits)


def _is_too_deep(body: bytes) -> bool:
    depth = 0
    for match in _STRUCTURE.finditer(body):
        token = match.group()
        if token in b"[{":
            depth += 1
            if depth > DEPTH_READ_MAX:
                return True
        elif token in b"]}":
            depth -= 1
    return False
