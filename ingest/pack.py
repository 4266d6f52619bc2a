"""Pack the registers of one customer, account or membership into the texts of its row. Pure.

`traits` is the map as the API shows it. `registers` is `{"s": stamps, "k": {key: place}, ...}`:
the place of a key's newest write among the stamps, or `[place, flag, place of the newest marked
write or null, computation]` for a key that is a flag or was marked. Queries read both.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ingest.fold import Account, Customer, Membership, Profile, Register, Run, is_set
from models.values import NULL, Stamp

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode
_raws = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def pack_traits(profile: Profile) -> str:
    """Return the traits that are set as one canonical JSON object."""
    values = {k: msgspec.Raw(r.value.encode()) for k, r in profile.traits.items() if is_set(r)}
    return _encode(values).decode()


def pack_customer(customer: Customer) -> str:
    """Return what a customer's row keeps beside its columns."""
    more: dict[str, Any] = {}
    if customer.alias is not None:
        more["a"] = customer.alias
    return _pack(customer, more)


def pack_account(account: Account) -> str:
    """Return what an account's row keeps beside its columns."""
    words = {"c": account.created, "v": account.alive, "w": account.last_word}
    return _pack(account, {name: word for name, word in words.items() if word is not None})


def unpack_customer(
    traits: str, registers: str, first_seen: int, signed_up: int | None
) -> Customer:
    """Return a customer as packed, its flags not loaded."""
    packed = _decode(registers)
    alias = packed.get("a")
    return Customer(
        first_seen=first_seen,
        last_active=packed.get("l"),
        traits=_unpack_traits(traits, packed),
        signed_up=signed_up,
        alias=None if alias is None else Stamp(*alias),
    )


def unpack_account(traits: str, registers: str, first_seen: int, deleted: int | None) -> Account:
    """Return an account as packed, its flags not loaded."""
    packed = _decode(registers)
    word = packed.get("w")
    return Account(
        first_seen=first_seen,
        last_active=packed.get("l"),
        traits=_unpack_traits(traits, packed),
        created=packed.get("c"),
        alive=packed.get("v"),
        deleted=deleted,
        last_word=None if word is None else Stamp(*word),
    )


def pack_membership(membership: Membership) -> str:
    """Return what a membership's row keeps beside its columns."""
    role = None
    if membership.role_stamp is not None:
        role = [*membership.role_stamp, membership.role]
    return _encode([membership.removed, membership.last_word, role]).decode()


def unpack_membership(joined: int | None, last_add: int | None, registers: str) -> Membership:
    """Return a membership as packed."""
    removed, word, role = _decode(registers)
    membership = Membership(joined=joined, last_add=last_add, removed=removed)
    if word is not None:
        membership.last_word = Stamp(*word)
    if role is not None:
        membership.role_stamp, membership.role = Stamp(*role[:3]), role[3]
    return membership


def role_text(membership: Membership) -> str | None:
    """Return the role as its text; None where none stands."""
    if membership.role is None or membership.role == NULL:
        return None
    text: str = _decode(membership.role)
    return text


def pack_runs(runs: list[Run]) -> str:
    """Return the runs of a flag as `[[at, 1 | 0 | null], ...]`."""
    return _encode([(at, None if value is None else int(value)) for at, value in runs]).decode()


def unpack_runs(text: str) -> list[Run]:
    """Return the runs of a flag as packed."""
    return [(at, None if value is None else bool(value)) for at, value in _decode(text)]


def _pack(profile: Profile, more: dict[str, Any]) -> str:
    stamps = {register.stamp for register in profile.traits.values()}
    stamps.update(r.marked for r in profile.traits.values() if r.marked is not None)
    places = {stamp: place for place, stamp in enumerate(sorted(stamps))}
    keys: dict[str, Any] = {}
    for key, register in profile.traits.items():
        place = places[register.stamp]
        if register.flag or register.marked is not None:
            marked = None if register.marked is None else places[register.marked]
            keys[key] = [place, int(register.flag), marked, register.computation]
        else:
            keys[key] = place
    packed = {"k": keys, "s": list(places), **more}
    if profile.last_active is not None:
        packed["l"] = profile.last_active
    return _encode(packed).decode()


def _unpack_traits(traits: str, packed: dict[str, Any]) -> dict[str, Register]:
    values = _raws(traits)
    stamps = [Stamp(*stamp) for stamp in packed["s"]]
    registers = {}
    for key, place in packed["k"].items():
        raw = values.get(key)
        value = NULL if raw is None else str(raw, "utf-8")
        if isinstance(place, int):
            registers[key] = Register(stamps[place], value)
        else:
            newest, flag, marked, computation = place
            mark = None if marked is None else stamps[marked]
            registers[key] = Register(stamps[newest], value, mark, computation, bool(flag))
    return registers
