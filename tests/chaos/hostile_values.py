"""What somebody hostile, or only broken, puts where a value is expected. Decided by a seed alone."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from typing import Any

CANARY = "canary-7f3a"
"""In every secret and many traits: it must be in no log and no error."""

_NUMBERS = ("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9223372036854775808", "-0", "1E-400",
            "18446744073709551616", "9" * 400, "0.1e1", "01", "+1", "1.", "0x10", "9" * 5_000)  # fmt: skip
_TEXTS = ("", " ", "\0", "a\0b", "\ud800", "\udfff\ud800", "'", '"', "\\", "%", "_", "$.a", "$[*] ? (@ > 0)",
          "'; drop table events; --", '$."a"b"', "a.b", "__proto__", "constructor", "\r\nX-Evil: 1", "\u202e", "ﬀ",
          "İ", "ß", "e\u0301", "\U0001f469\u200d\U0001f4bb", "null", "true", "0", "NaN", "../../etc/passwd",
          "{{7*7}}", "${jndi:ldap://x}", "<script>", "\x7f", "\ufffe", "\ufeff")  # fmt: skip
_TIMES = ("0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999Z", "10000-01-01T00:00:00Z", "-1", "2026-02-30", "now",
          "2026-01-01T00:00:00+99:99", "1e18", "2026-01-01T24:00:00Z", "2016-12-31T23:59:60Z", "P1D", "P99999999999Y",
          "2036-11-25T00:00:00Z", "2016-11-25T00:00:00Z", "0001-01-01T00:00:00+14:00")  # fmt: skip
_KEY_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Raw(str):
    """A piece of JSON that goes out as it is, sound or not."""

    __slots__ = ()


def text(rng: random.Random) -> str:
    """Return a hostile text."""
    match rng.randrange(8):
        case 0:
            return "".join(
                chr(rng.choice((rng.randrange(128), rng.randrange(0x11_0000))))
                for _ in range(rng.randrange(12))
            )
        case 1:
            return rng.choice(_TEXTS) * rng.choice((1, 2, 300, 3_000))
        case 2:
            return f"{CANARY}-{rng.randrange(1_000)}"
        case 3:
            return rng.choice(_TIMES)
        case 4:
            return rng.choice((cursor, global_id))(rng)
        case _:
            return rng.choice(_TEXTS)


def cursor(rng: random.Random) -> str:
    """Return what looks like a cursor, or does not."""
    inner = rng.choice(
        (
            "[]",
            "{}",
            "null",
            "[1,2,3]",
            '[1,"a",null]',
            '["' + "a" * 32 + '"]',
            "[" * 2_000,
            f"[1,{'9' * 30}]",
            "\x00\xff",
            '[1,"\\ud800"]',
            f"[{rng.randrange(10**20)},0]",
        )
    )
    coded = rng.choice((base64.b64encode, base64.urlsafe_b64encode))(inner.encode("latin-1"))
    made = coded.decode()
    return rng.choice((made, made.rstrip("="), made[:-1], inner, f"{made}{made}", made.swapcase()))


def global_id(rng: random.Random) -> str:
    """Return what looks like a global id, or does not."""
    prefix = rng.choice(("cus", "acc", "evt", "aud", "trk", "wsp", "key", "qua", "log", "xyz", ""))
    digits = rng.choice((f"{rng.getrandbits(128):032x}", "0" * 32, "f" * 31, "G" * 32, "63" + "61" * 20, "6300", "ff",
                         "63edb080", "63" * 2_000, ""))  # fmt: skip
    return f"{prefix}{rng.choice(('_', '_', '_', ':', ''))}{digits}"


def value(rng: random.Random, depth: int = 0) -> Any:
    """Return any hostile value."""
    made: Any
    match rng.randrange(12 if depth < 4 else 7):
        case 0:
            made = Raw(rng.choice(_NUMBERS))
        case 1:
            made = rng.choice(
                (None, True, False, 0, -1, 2**53, 2**63, -(2**63) - 1, 1.5, 1e308, 5e-324)
            )
        case 2:
            made = Raw(
                rng.choice(
                    (
                        '"\\u0000"',
                        '"\\ud800"',
                        '"\\',
                        "[",
                        "{",
                        '{"a":1,"a":2}',
                        "",
                        "tru",
                        '"\x01"',
                    )
                )
            )
        case 7 | 8:
            made = [value(rng, depth + 1) for _ in range(rng.randrange(4))]
        case 9 | 10:
            made = {text(rng): value(rng, depth + 1) for _ in range(rng.randrange(4))}
        case 11:
            made = deep(rng)
        case _:
            made = text(rng)
    return made


def deep(rng: random.Random) -> Raw:
    """Return a value that is nested too deep, or has too many keys, or too long ones."""
    count = rng.choice((30, 33, 200, 1_100))
    make: Callable[[], str] = rng.choice(
        (
            lambda: "[" * count + "]" * count,
            lambda: '{"a":' * count + "1" + "}" * count,
            lambda: "[" * count,
            lambda: "{" + ",".join(f'"{n:x}":{n}' for n in range(count)) + "}",
            lambda: '{"' + rng.choice(_KEY_LETTERS) * count * 3 + '":1}',
            lambda: '"' + rng.choice(_KEY_LETTERS) * count * 20 + '"',
        )
    )
    return Raw(make())


def encode(given: Any) -> bytes:
    """Return a value as JSON, with raw pieces as they are and lone surrogates as no encoder would write them."""
    return _json(given).encode("utf-8", "surrogatepass")


def _json(given: Any) -> str:
    match given:
        case Raw():
            made = str(given)
        case str():
            made = '"' + given.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        case dict():
            made = (
                "{" + ",".join(f"{_json(name)}:{_json(one)}" for name, one in given.items()) + "}"
            )
        case list():
            made = "[" + ",".join(map(_json, given)) + "]"
        case None:
            made = "null"
        case bool():
            made = str(given).lower()
        case _:
            made = repr(given)
    return made
