"""Read the typed fields out of the traits (docs/semantics.md, section 4). Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ingest.fold import Register

CUSTOMER_FIELDS = ("email", "name", "first_name", "last_name", "phone", "title", "avatar")
ACCOUNT_FIELDS = ("name", "website", "industry", "employees", "plan")

_INT32 = range(-(2**31), 2**31)
_INTEGER = re.compile(r'"?(-?)0*([0-9]{1,10})"?')
_text = msgspec.json.Decoder(str).decode


def customer_fields(traits: Mapping[str, Register]) -> dict[str, Any]:
    """Return the typed fields of a customer; `name` falls back to first and last name."""
    fields = _fields(traits, _CUSTOMER_KEYS)
    if fields["name"] is None:
        parts = [part for part in (fields["first_name"], fields["last_name"]) if part is not None]
        fields["name"] = " ".join(parts) or None
    return fields


def account_fields(traits: Mapping[str, Register]) -> dict[str, Any]:
    """Return the typed fields of an account."""
    return _fields(traits, _ACCOUNT_KEYS)


def as_text(value: str) -> str | None:
    """Return a trait's value as text: what is not blank, and numbers; None for anything else."""
    if value.startswith('"'):
        text = _text(value)
        return None if not text or text.isspace() else text
    return value if value[0] in "-0123456789" else None


def as_int32(value: str) -> int | None:
    """Return a whole number of 32 bits, also from its digits; None for anything else."""
    match = _INTEGER.fullmatch(value)
    if match is None:
        return None
    number = int(match[1] + match[2])
    return number if number in _INT32 else None


def _fields(traits: Mapping[str, Register], keys: Mapping[str, str]) -> dict[str, Any]:
    newest: dict[str, tuple[Register, str, Any]] = {}
    for key, register in traits.items():
        field = keys.get(plain(key))
        if field is None:
            continue
        read: Callable[[str], Any] = as_int32 if field == "employees" else as_text
        value = read(register.value)
        if value is not None:
            best = newest.get(field)
            if best is None or _beats(register, key, best[0], best[1]):
                newest[field] = (register, key, value)
    return {field: newest[field][2] if field in newest else None for field in keys.values()}


def _beats(register: Register, key: str, other: Register, other_key: str) -> bool:
    # Within one event the first key by bytes wins, which for whole code points is text order.
    if register.stamp == other.stamp:
        return key < other_key
    return register.stamp > other.stamp


@lru_cache(maxsize=10_000)
def plain(key: str) -> str:
    """Return a key without what does not matter in the names of typed fields."""
    return key.lower().replace("_", "").replace("-", "").replace(" ", "")


_CUSTOMER_KEYS = {field.replace("_", ""): field for field in CUSTOMER_FIELDS}
_ACCOUNT_KEYS = {field: field for field in ACCOUNT_FIELDS}
