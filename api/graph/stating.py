"""What mutations state: input to the Segment message that says the same, or what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ingest import canonical, clock

ID_BYTES_MAX = 512
KEY_BYTES_MAX = 256
DEPTH_MAX = 32

Input = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UserError:
    """What the caller could mend."""

    field: tuple[str, ...] | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A message to state, and whom and what it is about."""

    message: dict[str, Any]
    user_id: str | None = None
    anonymous_id: str | None = None
    group_id: str | None = None


Refused = list[UserError]
Fact = Callable[[Input], dict[str, Any]]
"""Return the parts of the message that are this mutation's own."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One mutation: what it needs, what it may have, and what it says."""

    says: Fact
    needed: tuple[str, ...]
    ids: tuple[str, ...] = ()
    document: str | None = None
    any_of: tuple[str, ...] = ()


@dataclass(slots=True)
class _Check:
    errors: Refused = field(default_factory=list)

    def text(self, given: Input, name: str, *, needed: bool) -> None:
        value = given.get(name)
        if value is None and not needed:
            return
        if value is None or not value or value.isspace():
            advice = f"send a `{name}` that is not blank" + ("" if needed else ", or leave it out")
            self.add((name,), "REQUIRED", f"`{name}` is blank: {advice}")
        elif (size := len(canonical.clean(value).encode())) > ID_BYTES_MAX:
            self.add((name,), "TOO_LONG", f"`{name}` is {size} bytes: send at most {ID_BYTES_MAX}")

    def message_id(self, given: Input) -> None:
        value = given.get("messageId")
        if value is not None and (not value or value.isspace()):
            self.add(("messageId",), "INVALID", "`messageId` is blank: send one, or leave it out")
        else:
            self.text(given, "messageId", needed=False)

    def document(self, given: Input, name: str) -> None:
        value = given.get(name)
        if value is not None and not isinstance(value, dict):
            self.add((name,), "INVALID", f"`{name}` must be an object of keys and values")
        elif value is not None:
            self._keys((name,), value, 2)

    def _keys(self, path: tuple[str, ...], value: Any, depth: int) -> None:
        # The message is the first level, `traits` or `properties` the second.
        if depth > DEPTH_MAX and isinstance(value, dict | list):
            advice = f"nest at most {DEPTH_MAX - 1} levels"
            self.add(path[:2], "TOO_LONG", f"`{path[0]}` nests too deep: {advice}")
            return
        if isinstance(value, list):
            for each in value:
                self._keys(path, each, depth + 1)
        if isinstance(value, dict):
            for key, each in value.items():
                size = len(canonical.clean(key).encode())
                if size > KEY_BYTES_MAX:
                    advice = f"send at most {KEY_BYTES_MAX}"
                    self.add((*path, key), "TOO_LONG", f"a key has {size} bytes: {advice}")
                self._keys((*path, key), each, depth + 1)

    def add(self, path: tuple[str, ...] | None, code: str, message: str) -> None:
        error = UserError(path, code, message)
        if error not in self.errors and len(self.errors) < _ERRORS_MAX:
            self.errors.append(error)


_ERRORS_MAX = 20


def state(
    mutation: Mutation, given: Input, *, new_id: Callable[[], str], message_bytes_max: int
) -> Statement | Refused:
    """Return the message that says what `given` says, or everything that is wrong with it."""
    check = _Check()
    for name in mutation.needed:
        check.text(given, name, needed=True)
    for name in mutation.ids:
        check.text(given, name, needed=False)
    if mutation.any_of and all(given.get(name) is None for name in mutation.any_of):
        listed = ", ".join(f"`{name}`" for name in mutation.any_of)
        check.add(None, "REQUIRED", f"nobody is named: send at least one of {listed}")
    if mutation.document is not None:
        check.document(given, mutation.document)
    check.message_id(given)
    if check.errors:
        return check.errors
    message = {**mutation.says(given), "messageId": given.get("messageId") or new_id()}
    if given.get("timestamp") is not None:
        message["timestamp"] = clock.text(given["timestamp"])
    size = len(canonical.canonical(message))
    if size > message_bytes_max:
        check.add(
            None, "TOO_LONG", f"the message has {size} bytes: send at most {message_bytes_max}"
        )
        return check.errors
    return Statement(
        message, _id(given, "userId"), _id(given, "anonymousId"), _id(given, "groupId")
    )


def _id(given: Input, name: str) -> str | None:
    value = given.get(name)
    return None if value is None else canonical.clean(value)


def _track(event: str, given: Input, properties: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"type": "track", "event": event, "properties": properties}
    for name in ("userId", "anonymousId"):
        if given.get(name) is not None:
            message[name] = given[name]
    if given.get("groupId") is not None:
        message["context"] = {"groupId": given["groupId"]}
    return message


def _sign_up(given: Input) -> dict[str, Any]:
    first = {name: given[name] for name in ("email", "name") if given.get(name) is not None}
    return _track("Signed Up", given, {**_without(given.get("traits"), first), **first})


def _create_account(given: Input) -> dict[str, Any]:
    traits = given.get("traits") or {}
    if given.get("name") is not None:
        others = _without(traits, ("name", "accountname"))
        return _track("Account Created", given, {**others, "account_name": given["name"]})
    return _track("Account Created", given, dict(traits))


def _add_user(given: Input) -> dict[str, Any]:
    role = {} if given.get("role") is None else {"role": given["role"]}
    return _track("Account Added User", given, role)


def _without(traits: dict[str, Any] | None, names: Any) -> dict[str, Any]:
    # Other spellings of the same field would be read instead of what was said expressly.
    plain = str.maketrans("", "", "_- ")
    return {
        key: value
        for key, value in (traits or {}).items()
        if key.lower().translate(plain) not in names
    }


_WHO = ("userId", "anonymousId")
_TO_WHOM = ("userId", "anonymousId", "groupId")

SIGN_UP = Mutation(_sign_up, ("userId",), ("groupId",), "traits")
IDENTIFY = Mutation(
    lambda given: {"type": "identify", "userId": given["userId"], "traits": given["traits"]},
    ("userId",),
    document="traits",
)
CREATE_ACCOUNT = Mutation(_create_account, ("groupId",), ("userId",), "traits")
UPDATE_ACCOUNT = Mutation(
    lambda given: {"type": "group", "groupId": given["groupId"], "traits": given["traits"]},
    ("groupId",),
    document="traits",
)
DELETE_ACCOUNT = Mutation(lambda given: _track("Account Deleted", given, {}), ("groupId",))
ADD_USER = Mutation(_add_user, ("userId", "groupId"))
REMOVE_USER = Mutation(
    lambda given: _track("Account Removed User", given, {}), ("userId", "groupId")
)
ERASE = Mutation(
    lambda given: {
        "type": "delete",
        **{name: given[name] for name in _WHO if given.get(name) is not None},
    },
    (),
    _WHO,
    any_of=_WHO,
)
TRACK = Mutation(
    lambda given: _track(given["event"], given, given.get("properties") or {}),
    ("event",),
    _TO_WHOM,
    "properties",
    any_of=_TO_WHOM,
)
