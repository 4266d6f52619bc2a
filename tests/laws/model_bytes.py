"""Canonical JSON (section 9), written for a reader who wants to check it and not for speed."""

import hashlib
import json
import math
import re
from decimal import Decimal
from typing import Any


def number_text(value: float) -> str:
    """Return a finite number as JavaScript prints it, but an integer in full."""
    if isinstance(value, int):
        return str(value)
    sign, digits, exponent = Decimal(repr(value)).as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    exponent += len(text) - len(text.rstrip("0"))
    text = text.rstrip("0")
    if not text:
        return "0"
    # ECMAScript, Number::toString: `point` is where the decimal point stands among the digits.
    point = len(text) + exponent
    if len(text) <= point <= 21:
        shown = text + "0" * (point - len(text))
    elif 0 < point <= 21:
        shown = text[:point] + "." + text[point:]
    elif -6 < point <= 0:
        shown = "0." + "0" * -point + text
    else:
        power = point - 1
        tail = "." + text[1:] if len(text) > 1 else ""
        shown = f"{text[0]}{tail}e{'+' if power >= 0 else '-'}{abs(power)}"
    return ("-" if sign else "") + shown


def clean_text(text: str) -> str:
    """Return text without NUL and lone surrogates: each becomes U+FFFD."""
    # A JSON parser has joined surrogate pairs already: what is left in a string is alone.
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)


def clean(value: Any) -> Any:
    """Return a parsed JSON value as it is stored: the same canonical text makes the same value."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        shown = number_text(value)
        return int(shown) if re.fullmatch("-?[0-9]+", shown) else value
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        # Two keys may become one here: then the last one wins, as with keys sent twice.
        return {clean_text(key): clean(item) for key, item in value.items()}
    return value


def canonical(value: Any) -> str:
    """Return the one canonical JSON text of a cleaned value."""
    if isinstance(value, dict):
        # Code points sort as their UTF-8 bytes do.
        return "{" + ",".join(f"{_quoted(k)}:{canonical(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(item) for item in value) + "]"
    if isinstance(value, str):
        return _quoted(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return number_text(value)


def sha256_32(value: Any) -> str:
    """Return the first 32 hex digits of SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]


def depth(value: Any) -> int:
    """Return how many objects and arrays stand inside one another; a lone object is 1."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


def longest_key_bytes(value: Any) -> int:
    """Return the length in bytes of the longest object key anywhere in `value`."""
    if isinstance(value, dict):
        own = max((len(key.encode()) for key in value), default=0)
        return max(own, max(map(longest_key_bytes, value.values()), default=0))
    if isinstance(value, list):
        return max(map(longest_key_bytes, value), default=0)
    return 0


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
