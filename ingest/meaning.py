"""Say what a message states about whom: the table of docs/semantics.md, section 4. Pure."""

from __future__ import annotations

from enum import Enum

import msgspec

from models.values import FALSE, NULL, TRUE, EventType, Identifier, JsonText, Kind, Message

Traits = dict[str, JsonText]
"""Values by key, each in canonical JSON."""


class Place(Enum):
    """What a message says of a user's place in an account."""

    NONE = 0
    ADD = 1
    REMOVE = 2


class Meaning(msgspec.Struct, array_like=True, gc=False):
    """All that one message states."""

    subject: Identifier | None
    group_id: str | None
    # Whether the sighting counts for `lastSeenAt`.
    active: bool = True
    traits: Traits = msgspec.field(default_factory=dict)
    account_traits: Traits = msgspec.field(default_factory=dict)
    # The keys that Engage marks, and the computation that wrote them.
    marks: frozenset[str] = frozenset()
    computation: str | None = None
    signed_up: bool = False
    # Of the account: that it lives, that it was created, that it was deleted.
    alive: bool = False
    created: bool = False
    deleted: bool = False
    place: Place = Place.NONE
    # The role as canonical JSON, null to unset; None where it says none.
    role: JsonText | None = None
    # Devices it carries with its userId, by `anonymousId` and by an alias's `previousId`.
    devices: tuple[Identifier, ...] = ()
    # The userId that its own is joined with.
    previous: Identifier | None = None
    erases: bool = False

    @property
    def written(self) -> int:
        """Return in bits what kinds of key it writes: a receipt asks whether any still stands."""
        kinds = (self.traits, self.place is not Place.NONE, self.account_traits)
        bits = sum(1 << place for place, kind in enumerate(kinds) if kind)
        return bits | (8 if self.alive or self.deleted else 0)


TRIAL_KEYS = ("trial_start_date", "trial_end_date", "trial_plan_name")
_text = msgspec.json.Decoder(str).decode


def meaning(message: Message) -> Meaning:
    """Return what `message` states; nothing for a part whose id is missing."""
    said = Meaning(message.subject, message.group_id)
    if message.type is EventType.DELETE:
        said.erases, said.group_id = True, None
        return said
    left = message.context.marks
    said.marks = marks = _marks(message) if left is None else left
    said.computation = message.context.computation_id
    said.active = message.context.active and not marks
    said.devices = _devices(message, alias=message.type is EventType.ALIAS)
    if message.type is EventType.IDENTIFY:
        traits = message.traits if message.traits is not None else message.context.traits
        said.traits = traits or {}
    elif message.type is EventType.GROUP:
        said.alive, said.place = True, Place.ADD
        said.account_traits = message.traits or {}
    elif message.type is EventType.ALIAS:
        said.previous = _previous(message)
    elif message.type is EventType.TRACK:
        _track(said, message)
    _leave_out(said, marked=bool(marks))
    return said


def event_name(name: str | None) -> str:
    """Return a track's name as the table looks it up: no case, no outer space, no `User `."""
    return (name or "").strip().lower().removeprefix("user ")


def says_of_account(name: str | None) -> bool:
    """Return whether a track of this name states more of its account than that it exists."""
    return event_name(name) in _ACCOUNT_EVENTS


def states_more(name: str | None) -> bool:
    """Return whether a track of this name states more than that it happened, whatever its properties."""
    return event_name(name) in _STATING_EVENTS


def _leave_out(said: Meaning, *, marked: bool) -> None:
    """Drop what lacks its id, and what Engage's own messages do not state (section 5)."""
    if said.subject is None:
        said.traits = {}
    if said.group_id is None:
        said.account_traits = {}
        said.alive = said.created = said.deleted = False
    if marked:
        said.alive = False
    if said.subject is None or said.group_id is None or (marked and said.place is Place.ADD):
        said.place, said.role = Place.NONE, None


def _track(said: Meaning, message: Message) -> None:
    if message.name is None:
        return
    properties = message.properties or {}
    _state_event(said, event_name(message.name), properties)
    # What an erased message computed was said of its user, or is among its properties.
    computed = _computed(message, properties) if message.context.marks is None else {}
    if computed:
        # A message that names a user speaks of the user, whatever account it happened in.
        if said.subject is None:
            said.account_traits = said.account_traits | computed
        else:
            said.traits = said.traits | computed


def _state_event(said: Meaning, event: str, properties: Traits) -> None:
    match event:
        case "signed up":
            said.signed_up, said.place = True, Place.ADD
            said.traits = {key: value for key, value in properties.items() if key != "type"}
        case "account created":
            said.alive, said.created, said.place = True, True, Place.ADD
            said.account_traits = _renamed(properties)
        case "account deleted":
            said.deleted = True
        case "account added user":
            said.place, said.role = Place.ADD, _role(properties)
        case "account removed user":
            said.place = Place.REMOVE
        case "trial started" | "trial ended":
            said.account_traits = {k: properties[k] for k in TRIAL_KEYS if k in properties}
        case _:
            pass


def _renamed(properties: Traits) -> Traits:
    renamed = {key: value for key, value in properties.items() if key != "account_name"}
    if "account_name" in properties:
        renamed["name"] = properties["account_name"]
    return renamed


def _role(properties: Traits) -> JsonText | None:
    role = properties.get("role")
    return role if role is not None and (role == NULL or role.startswith('"')) else None


_ACCOUNT_EVENTS = {"account created", "account deleted", "trial started", "trial ended"}
_STATING_EVENTS = _ACCOUNT_EVENTS | {"signed up", "account added user", "account removed user"}


def _marks(message: Message) -> frozenset[str]:
    """Return the keys that Engage marks in this message (section 5)."""
    computed: list[str] = []
    if message.type is EventType.TRACK and message.properties:
        computed = _computed_keys(message.properties)
    if message.context.computation_key is not None:
        computed.append(message.context.computation_key)
    return frozenset(computed) if computed else _NONE


_NONE: frozenset[str] = frozenset()


def _computed_keys(properties: Traits) -> list[str]:
    keys = (properties.get("audience_key"), properties.get("trait_key"))
    return [_text(key) for key in keys if key is not None and key.startswith('"')]


def _computed(message: Message, properties: Traits) -> Traits:
    """Return what a track with `audience_key` or `trait_key` writes."""
    writes: Traits = {}
    audience = properties.get("audience_key")
    for key in _computed_keys(properties):
        if key in properties:
            writes[key] = properties[key]
        elif audience is not None and _text_or_none(audience) == key:
            moved = _MOVES.get(event_name(message.name))
            if moved is not None:
                writes[key] = moved
    return writes


_MOVES = {"audience entered": TRUE, "audience exited": FALSE}


def _devices(message: Message, *, alias: bool) -> tuple[Identifier, ...]:
    if message.user_id is None:
        return ()
    devices = []
    if message.anonymous_id is not None:
        devices.append(Identifier(Kind.DEVICE, message.anonymous_id))
    if alias and message.previous_id not in (None, message.user_id, message.anonymous_id):
        devices.append(Identifier(Kind.DEVICE, message.previous_id or ""))
    return tuple(devices)


def _previous(message: Message) -> Identifier | None:
    if message.user_id is None or message.previous_id in (None, message.user_id):
        return None
    return Identifier(Kind.USER, message.previous_id or "")


def _text_or_none(value: JsonText) -> str | None:
    return _text(value) if value.startswith('"') else None
