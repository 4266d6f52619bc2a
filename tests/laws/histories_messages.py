"""Messages of few people, devices, accounts and keys, each made by chance: what `histories` are made of."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

USERS: list[Any] = ["u1", "u2", "u3", 42]
DEVICES: list[Any] = ["a1", "a2", "u1"]  # A userId `u1` and an anonymousId `u1` are unrelated.
GROUPS: list[Any] = ["g1", "g2", 777]
ABSENT_IDS: list[Any] = [None, "", "  ", True, {"id": "u1"}, ["u1"]]
FLAG_KEYS = ["vip", "risk"]
KEYS = [
    *FLAG_KEYS,
    "email",
    "Email",
    "e-mail",
    "first_name",
    "firstName",
    "last_name",
    "name",
    "Name",
    "plan",
    "total billed",
]
VALUES: list[Any] = [
    True, False, None, "x", "y", "", " ", 1, 1.0, -0.0, 2.5, 1e-6, 1.5e-7, 1e20, 1e21, 2**70, "true", "false", "a\x00b", "\ud800",
    {"b": 1, "a": [None, 0.1]}, {}, [], float("nan"),
]  # fmt: skip
FLAG_VALUES: list[Any] = [*[True, False] * 4, None, "true", "false", "x", 1]
EMPLOYEES: list[Any] = [329, "329", 12.0, 2.5, "many", 2**31, None, True]
# Seconds in which things happen.
MOMENTS = [10, 20, 20, 30, 40]

KINDS = ["identify", "group", "track", "b2b", "alias", "flag", "page", "screen", "delete", "broken"]
# What a history is about: the same ten kinds, some of them more often.
THEMES: list[list[str]] = [
    KINDS,
    ["identify", "identify", "track", "page", "alias", "alias", "alias", "b2b", "screen"],
    ["flag"] * 8 + ["identify", "track", "alias"],
    ["group", *["b2b"] * 7, "alias", "identify"],
    ["identify", "alias", "group", "b2b", "flag", "delete", "delete", "track"],
]


class Choices(Protocol):
    """A source of choices. Towards the first item, and towards False, a failing history shrinks."""

    def pick(self, items: Sequence[Any]) -> Any:
        """Return one of `items`."""
        ...

    def chance(self, percent: int) -> bool:
        """Return True in so many of a hundred cases."""
        ...


class Cast:
    """Who and what one history speaks of: the fewer, the more often they meet."""

    def __init__(self, choices: Choices) -> None:
        """Cast one history."""
        self.pick, self.chance = choices.pick, choices.chance
        self.theme: list[str] = choices.pick(THEMES)
        self.users = USERS[: choices.pick([1, 1, 2, 2, 3, 4])]
        self.devices = DEVICES[: choices.pick([1, 2, 3])]
        self.groups = GROUPS[: choices.pick([1, 1, 2, 3])]
        self.flags = FLAG_KEYS[: choices.pick([1, 2])]
        # In half of the histories nearly every message has a time of its own, as in the world.
        self.moments = choices.pick([MOMENTS, list(range(10, 49))])


def _ids(cast: Cast, how: Sequence[str]) -> dict[str, Any]:
    """Return ids: u a userId, a an anonymousId, g a group, c a group in the context."""
    ids: dict[str, Any] = {}
    for letter in cast.pick(how):
        if letter == "u":
            ids["userId"] = cast.pick(cast.users)
        elif letter == "a":
            ids["anonymousId"] = cast.pick(cast.devices)
        elif letter == "g":
            ids["groupId"] = cast.pick(cast.groups)
        else:
            ids["context"] = {"groupId": cast.pick(cast.groups)}
            if cast.chance(20):
                ids["groupId"] = cast.pick(ABSENT_IDS)
    if "userId" not in ids and cast.chance(10):
        ids["userId"] = cast.pick(ABSENT_IDS)
    return ids


def _traits(cast: Cast) -> dict[str, Any]:
    traits: dict[str, Any] = {}
    for _ in range(cast.pick([1, 1, 2, 3, 0])):
        key = cast.pick(KEYS)
        traits[key] = cast.pick(FLAG_VALUES if key in FLAG_KEYS else VALUES)
    if cast.chance(10):
        traits["employees"] = cast.pick(EMPLOYEES)
    return traits


def _personas(cast: Cast) -> dict[str, Any]:
    marks: dict[str, Any] = {
        "computation_key": cast.pick(cast.flags),
        "computation_class": cast.pick(["audience", "trait", "new"]),
    }
    if cast.chance(60):
        marks["computation_id"] = cast.pick(["aud_1", "aud_2"])
    return {"personas": marks}


def _identify(cast: Cast) -> dict[str, Any]:
    body = {
        "type": "identify",
        **_ids(cast, ["u", "u", "a", "ua", "ua", "ug", "ac", "g"]),
        "traits": _traits(cast),
    }
    if cast.chance(10):
        body["context"] = {**body.get("context", {}), "traits": body["traits"]}
        body["traits"] = cast.pick([None, "none", [], {}])
    return body


def _group(cast: Cast) -> dict[str, Any]:
    body = {
        "type": "group",
        **_ids(cast, ["ug", "ug", "g", "ag", "uag", "uc", "u"]),
        "traits": _traits(cast),
    }
    if cast.chance(20):
        body["context"] = {**body.get("context", {}), **_personas(cast)}
    return body


def _track(cast: Cast) -> dict[str, Any]:
    name = cast.pick(["Report Viewed", "Signed In", "User Signed Out", "Invite Sent", "", None])
    body = {
        "type": "track",
        "event": name,
        **_ids(cast, ["u", "a", "ua", "uc", "g", "ug"]),
        "properties": _traits(cast),
    }
    if cast.chance(5):
        body["properties"] = cast.pick([None, "x", [1]])
    if cast.chance(15):
        body["context"] = {**body.get("context", {}), **_personas(cast)}
    return body


B2B = [
    "Signed Up",
    "Account Created",
    "Account Deleted",
    "Account Added User",
    "Account Removed User",
    "Trial Started",
    "Trial Ended",
]
B2B_PROPERTIES: dict[str, Sequence[Any]] = {
    "role": ["admin", "owner", "admin", "owner", None, "", 3, True],
    "type": ["x"],
    "account_name": ["Acme", None],
    "trial_start_date": ["2026-01-01", None],
    "trial_plan_name": ["pro"],
}


def _b2b(cast: Cast) -> dict[str, Any]:
    name = cast.pick(B2B + B2B[3:5] * 2 + B2B[3:4] * 2)
    if cast.chance(20):
        name = cast.pick([f"User {name}", name.lower(), f"  {name.upper()} ", f"user {name}"])
    properties = _traits(cast) if cast.chance(40) else {}
    for key, values in B2B_PROPERTIES.items():
        if cast.chance(70 if key == "role" else 30):
            properties[key] = cast.pick(values)
    body = {
        "type": "track",
        "event": name,
        **_ids(cast, ["uc", "uc", "ug", "ac", "uac", "c", "u"]),
        "properties": properties,
    }
    if cast.chance(15):
        body["context"] = {**body.get("context", {}), **_personas(cast)}
    return body


def _flag(cast: Cast) -> dict[str, Any]:
    """What Engage sends, in each of its forms; and the same key written plainly."""
    key, value = cast.pick(cast.flags), cast.pick(FLAG_VALUES)
    how = cast.pick(
        ["identify", "plain", "identify", "plain", "entered", "exited", "trait_key", "group", "b2b"]
    )
    ids = _ids(cast, ["g", "ug"] if how == "group" else ["u", "u", "u", "a", "ua", "ug", "g"])
    context = {**ids.pop("context", {}), **({} if how == "plain" else _personas(cast))}
    if "personas" in context:
        # Whose id an unlike computation_key and audience_key would share is not said: they agree.
        context["personas"]["computation_key"] = key
        if how in {"entered", "exited", "trait_key"} and cast.chance(40):
            del context["personas"]
    carried = {key: value} if cast.chance(60) else {}
    body: dict[str, Any] = {**ids, "context": context}
    if how in {"identify", "plain", "group"}:
        return {
            "type": "group" if how == "group" else "identify",
            **body,
            "traits": {key: value, **_traits(cast)},
        }
    if how == "trait_key":
        event = cast.pick(["Trait Computed", "Trait Computed", "Audience Entered"])
        return {
            "type": "track",
            "event": event,
            **body,
            "properties": {"trait_key": key, **carried},
        }
    event = {"entered": "Audience Entered", "exited": "audience exited", "b2b": cast.pick(B2B)}[how]
    return {"type": "track", "event": event, **body, "properties": {"audience_key": key, **carried}}


def _alias(cast: Cast) -> dict[str, Any]:
    body = {"type": "alias", **_ids(cast, ["u", "u", "u", "u", "ua", "a", "ug"])}
    if cast.chance(95):
        body["previousId"] = cast.pick([*cast.users, *cast.devices])
    return body


def _seen(kind: str) -> Callable[[Cast], dict[str, Any]]:
    def make(cast: Cast) -> dict[str, Any]:
        return {
            "type": kind,
            "name": cast.pick(["Home", ""]),
            **_ids(cast, ["u", "a", "ua", "uc", "g"]),
            "properties": _traits(cast),
        }

    return make


def _delete(cast: Cast) -> dict[str, Any]:
    return {"type": "delete", **_ids(cast, ["u", "u", "u", "a", "ua", "ug"])}


def _broken(cast: Cast) -> Any:
    """One fault a body: which of several is said, the contract leaves open."""
    fine: dict[str, Any] = {"type": "identify", "userId": "u1", "traits": {"plan": "x"}}
    nested: Any = "x"
    for _ in range(32):
        nested = [nested]
    return cast.pick([
        lambda: {**fine, "type": "subscribe"},
        lambda: {"userId": "u1"},
        lambda: {"type": "track", "event": "Signed Up", "previousId": "u1"},
        lambda: {"type": "delete", "groupId": "g1"},
        lambda: {**fine, "userId": ""},
        lambda: {**fine, "userId": "é" * 257},
        lambda: {**fine, "traits": {"k" * 257: 1}},
        lambda: {**fine, "library": {"k" * 257: 1}},
        lambda: {**fine, "properties": nested},
        lambda: cast.pick([None, 42, "identify", [], True]),
        lambda: {**fine, "properties": {"x": "x" * 131_072}} if cast.chance(10) else {"type": "page"},
        # These three just pass: 512 bytes, 256 bytes, 32 levels.
        lambda: {**fine, "userId": "é" * 256},
        lambda: {**fine, "traits": {"k" * 256: 1}},
        lambda: {**fine, "properties": nested[0]},
    ])()  # fmt: skip


MAKERS: dict[str, Callable[[Cast], Any]] = {
    "identify": _identify,
    "group": _group,
    "track": _track,
    "b2b": _b2b,
    "flag": _flag,
    "alias": _alias,
    "page": _seen("page"),
    "screen": _seen("screen"),
    "delete": _delete,
    "broken": _broken,
}
