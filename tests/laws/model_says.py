"""What one event says: the table of section 4 and the marks of section 5."""

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.laws.model_message import Event, an_object

TRIAL_KEYS = ("trial_start_date", "trial_end_date", "trial_plan_name")
SAID_NOTHING = object()


@dataclass
class Says:
    """The effects of one event. An effect whose id is missing is left out."""

    customer_traits: dict[str, Any] = field(default_factory=dict)
    account_traits: dict[str, Any] = field(default_factory=dict)
    signed_up: bool = False
    created: bool = False
    alive: bool = False
    deleted: bool = False
    member: Literal["added", "removed"] | None = None
    role: Any = SAID_NOTHING
    seen_last: bool = True


def say(event: Event) -> Says:
    """Return what one event says."""
    says = Says()
    marked = bool(event.marked_keys)
    # A message marked by Engage, or with `context.active: false`, does not move lastSeenAt.
    says.seen_last = not marked and event.context.get("active") is not False
    if event.type == "identify":
        traits = event.body.get("traits")
        says.customer_traits = an_object(
            traits if isinstance(traits, dict) else event.context.get("traits")
        )
    elif event.type == "group":
        says.alive = True
        says.account_traits = an_object(event.body.get("traits"))
        says.member = "added"
    elif event.track_name is not None:
        _say_track(event, says)
    _leave_out(event, says, marked=marked)
    return says


def _say_track(event: Event, says: Says) -> None:
    properties = event.properties
    match event.track_name:
        case "signed up":
            says.signed_up = True
            says.customer_traits = {
                key: value for key, value in properties.items() if key != "type"
            }
            says.member = "added"
        case "account created":
            says.alive = says.created = True
            says.member = "added"
            says.account_traits = {k: v for k, v in properties.items() if k != "account_name"}
            if "account_name" in properties:
                says.account_traits["name"] = properties["account_name"]
        case "account deleted":
            says.deleted = True
        case "account added user":
            says.member = "added"
            # Text states a role, null unsets it; anything else says nothing of it.
            if "role" in properties and isinstance(properties["role"], str | None):
                says.role = properties["role"]
        case "account removed user":
            says.member = "removed"
        case "trial started" | "trial ended":
            says.account_traits = {key: properties[key] for key in TRIAL_KEYS if key in properties}
        case _:
            pass  # Any other track is for the timeline.
    _say_marked(event, says)


def _say_marked(event: Event, says: Says) -> None:
    # "Any track with properties.audience_key or trait_key writes that key: its property; else, for
    # an audience key, Audience Entered true, Exited false." On the customer where it names one.
    written = (
        says.account_traits
        if event.user is None and event.anonymous is None
        else says.customer_traits
    )
    entered = {"audience entered": True, "audience exited": False}.get(event.track_name or "")
    for mark in ("audience_key", "trait_key"):
        key = event.properties.get(mark)
        if not isinstance(key, str):
            continue
        if key in event.properties:
            written[key] = event.properties[key]
        elif mark == "audience_key" and entered is not None:
            written[key] = entered


def _leave_out(event: Event, says: Says, *, marked: bool) -> None:
    has_user = event.user is not None or event.anonymous is not None
    has_account = event.group is not None
    if not has_user:
        says.customer_traits, says.signed_up = {}, False
    if not has_account:
        says.account_traits = {}
        says.alive = says.created = says.deleted = False
    if not (has_user and has_account):
        says.member = None
    # Section 5: a marked message neither revives an account nor adds a membership.
    if marked:
        says.alive = False
        says.member = "removed" if says.member == "removed" else None
