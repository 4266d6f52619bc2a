"""Global ids: opaque to callers, a prefix and lower-case hexadecimal digits to us. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from models.values import Entity

CUSTOMER = "cus"
ACCOUNT = "acc"
EVENT = "evt"
AUDIENCE = "aud"
TRAIT_KEY = "trk"
WORKSPACE = "wsp"
API_KEY = "key"
QUARANTINED = "qua"
AUDIT_ENTRY = "log"

KEY_BYTES = 16
_SHOWN_MAX = 60
_KEYED = re.compile(r"(cus|acc|evt|wsp|key|qua|log)_([0-9a-f]{32})")
_NAMED = re.compile(r"(aud|trk)_([0-9a-f]{2,1024})")
_LETTERS = {"c": Entity.CUSTOMER, "a": Entity.ACCOUNT}
_UNKEYED = bytes(KEY_BYTES)
_NOBODYS = ""


class BadId(ValueError):
    """A text that is no global id; the message says so."""


class GlobalId(NamedTuple):
    """What a global id names: its kind, and its key or, of an audience or a trait, entity and key."""

    prefix: str
    key: bytes = _UNKEYED
    entity: Entity = Entity.CUSTOMER
    name: str = ""


@lru_cache(maxsize=1_000)
def read(text: str) -> GlobalId:
    """Return what an id names, whether or not there is such a thing; raise BadId for what is no id."""
    keyed = _KEYED.fullmatch(text)
    if keyed is not None:
        return GlobalId(keyed[1], bytes.fromhex(keyed[2]))
    named = _NAMED.fullmatch(text)
    if named is not None and len(named[2]) % 2 == 0:
        try:
            name = bytes.fromhex(named[2]).decode()
        except UnicodeDecodeError:
            name = ""
        if name[:1] in _LETTERS and "\0" not in name:
            return GlobalId(named[1], entity=_LETTERS[name[0]], name=name[1:])
    if named is not None and named[1] == TRAIT_KEY:
        # Keys may be any text, so what names none is no error: it is a trait that nobody has.
        return GlobalId(_NOBODYS)
    shown = text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "..."
    raise BadId(f"{shown!r} is no global id: send one that a field `id` gave")


def key_of_kind(text: str, prefix: str) -> bytes:
    """Return the key of an id if it is of this kind, else one that nothing has."""
    found = read(text)
    return found.key if found.prefix == prefix else b""


def workspace_key(name: str) -> bytes:
    """Return the 16 bytes that stand for a workspace, in any database."""
    return sha256(name.encode()).digest()[:KEY_BYTES]
