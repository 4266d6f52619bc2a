"""Traits, typed fields and audience flags from every write of a key: sections 4 and 5."""

from dataclasses import dataclass
from typing import Any

from tests.laws.model_bytes import number_text
from tests.laws.model_message import Event, Stamp

CUSTOMER_FIELDS = ("email", "name", "firstName", "lastName", "phone", "title", "avatar")
ACCOUNT_FIELDS = ("name", "website", "industry", "employees", "plan")
INT32 = range(-(2**31), 2**31)


@dataclass(frozen=True)
class Write:
    """One write of one trait; `marked` where Engage marked this key in that message."""

    stamp: Stamp
    value: Any
    marked: bool
    computation_id: str | None

    @classmethod
    def of(cls, event: Event, key: str, value: Any) -> "Write":
        """Return what `event` writes on `key`."""
        return cls(event.stamp, value, key in event.marked_keys, event.computation_id)


Writes = dict[str, list[Write]]


def standing(writes: Writes) -> dict[str, Any]:
    """Return the traits that are set: each is its newest write, and null unsets."""
    return {
        key: {
            "value": said[-1].value,
            "setAt": said[-1].stamp[0],
            "messageId": said[-1].stamp[1],
            "origin": _origin(said),
        }
        for key, said in writes.items()
        if said[-1].value is not None
    }


def flags(writes: Writes) -> dict[str, Any]:
    """Return the flag of each key whose standing value is boolean."""
    found = {key: _flag(said) for key, said in writes.items()}
    return {key: flag for key, flag in found.items() if flag is not None}


def typed(writes: Writes, fields: tuple[str, ...]) -> dict[str, Any]:
    """Return the typed fields: of the keys that spell a field, the newest that fits."""
    values = {name: _typed_field(writes, name) for name in fields}
    if "firstName" in values and values["name"] is None:
        parts = [values[part] for part in ("firstName", "lastName") if values[part] is not None]
        values["name"] = " ".join(parts) or None
    return values


def _origin(said: list[Write]) -> str:
    return "ENGAGE" if any(write.marked for write in said) else "TRAIT"


def _member(write: Write) -> bool | None:
    """Return what a write says of membership; None where its value is no boolean."""
    if isinstance(write.value, bool):
        return write.value
    if write.marked and isinstance(write.value, str):
        return {"true": True, "false": False}.get(write.value)
    return None


def _flag(said: list[Write]) -> dict[str, Any] | None:
    # "At each instant the newest write up to it holds": of several at one instant, the last by stamp.
    at_instant = {write.stamp[0]: _member(write) for write in said}
    spells: list[tuple[int, bool | None]] = []
    for at, member in sorted(at_instant.items()):
        if not spells or spells[-1][1] != member:
            spells.append((at, member))
    since, member = spells[-1]
    if member is None:
        return None
    ends = [at for at, _ in spells[1:]] + [None]
    return {
        "member": member,
        "since": since,
        "origin": _origin(said),
        "computationId": _computation_id(said),
        "intervals": [[at, end] for (at, held), end in zip(spells, ends, strict=True) if held],
    }


def _computation_id(said: list[Write]) -> str | None:
    """Return the id sent with the newest marked write; null when that one came without."""
    marked = [write for write in said if write.marked]
    return marked[-1].computation_id if marked else None


def _typed_field(writes: Writes, name: str) -> Any:
    fitting = []
    for key, said in writes.items():
        if _folded(key) == name.lower():
            value = _employees(said[-1].value) if name == "employees" else _text(said[-1].value)
            if value is not None:
                fitting.append((said[-1].stamp, key, value))
    if not fitting:
        return None
    newest = max(stamp for stamp, _, _ in fitting)
    # "Within one event the first by bytes."
    return min((key, value) for stamp, key, value in fitting if stamp == newest)[1]


def _folded(key: str) -> str:
    return key.lower().replace("_", "").replace("-", "").replace(" ", "")


def _text(value: Any) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    return value if isinstance(value, str) and value.strip() else None


def _employees(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        value = int(value) if len(value) <= 11 else None
    return (
        value if isinstance(value, int) and not isinstance(value, bool) and value in INT32 else None
    )
