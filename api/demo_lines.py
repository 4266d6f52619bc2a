"""Segment messages as the demo company's web app, mobile app, servers and audience builder send them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from api.demo_cast import SECOND, Account, Person

Message = dict[str, object]
Line = tuple[int, Message]
"""When it was said, in milliseconds, and the message, still without its id and times."""

SPACE_ID = "spa_9XyPlanSpace"


@dataclass(frozen=True)
class Source:
    """A sender; one that knows devices adds the anonymousId."""

    channel: str
    library: str
    version: str
    knows_devices: bool


WEB = Source("client", "analytics.js", "npm:next-1.84.3", knows_devices=True)
MOBILE = Source("mobile", "analytics-ios", "4.1.8", knows_devices=True)
SERVER = Source("server", "analytics-python", "2.4.0", knows_devices=False)
ENGAGE = Source("server", "engage", "1.0.0", knows_devices=False)


def iso(at: int) -> str:
    """Return the moment as Segment prints it: ISO 8601, milliseconds, Z."""
    whole, milliseconds = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03}Z"


def said(
    at: int,
    kind: str,
    source: Source,
    person: Person | None,
    account: Account | None = None,
    **fields: object,
) -> Line:
    """Return a message of `kind`; the account is the subject of a group call, else its context."""
    message: Message = {"type": kind, "channel": source.channel, **fields}
    context: Message = {
        "library": {"name": source.library, "version": source.version},
        **_surroundings(source, person),
    }
    if person is not None:
        message["userId"] = person.user_id
        if source.knows_devices:
            message["anonymousId"] = person.device
        elif source is SERVER:
            message["anonymousId"] = None  # The Python SDK spells out what it does not know.
    if account is not None and kind == "group":
        # The same SDK leaves the number of a numeric groupId a number.
        message["groupId"] = (
            int(account.group_id)
            if source is SERVER and account.group_id.isdigit()
            else account.group_id
        )
    elif account is not None:
        context["groupId"] = account.group_id
    message["context"] = context
    return at, message


def track(
    at: int,
    event: str,
    source: Source,
    person: Person,
    account: Account | None = None,
    **properties: object,
) -> Line:
    """Return a track call."""
    return said(at, "track", source, person, account, event=event, properties=properties)


def seen_by_device(
    at: int, device: str, name: str, path: str, context: Message | None = None
) -> Line:
    """Return a page view of the public site by someone who has not signed in."""
    url = f"https://planline.example{path}"
    page: Message = {"path": path, "url": url, "title": f"{name} · Planline", "referrer": ""}
    library: Message = {"name": WEB.library, "version": WEB.version}
    return at, {
        "type": "page",
        "channel": WEB.channel,
        "anonymousId": device,
        "name": name,
        "properties": {**page, "name": name},
        "context": {"library": library, "page": page, **(context or {})},
    }


def computed(
    at: int, kind: str, mark: tuple[str, str], about: Person | Account, **fields: object
) -> Line:
    """Return a message of the audience builder; `mark` is the class and the key of what it computed."""
    computation, key = mark
    person = about if isinstance(about, Person) else None
    account = about if isinstance(about, Account) else None
    at, message = said(at, kind, ENGAGE, person, account, **fields)
    personas = {
        "computation_class": computation,
        "computation_id": f"{computation[:3]}_{key.replace('_', '')[:12]}",
        "computation_key": key,
        "namespace": SPACE_ID,
        "space_id": SPACE_ID,
    }
    context = message["context"]
    known: Message = (
        {"traits": {"email": person.email}} if person is not None and kind == "track" else {}
    )
    message["context"] = {
        **(context if isinstance(context, dict) else {}),
        **known,
        "personas": personas,
    }
    message["integrations"] = {"All": False, "Calyx": True}
    return at, message


def _surroundings(source: Source, person: Person | None) -> Message:
    """Return what a device tells of itself; the address is one reserved for documentation."""
    if person is None or not source.knows_devices:
        return {}
    ip = f"203.0.113.{int(person.device[:2], 16)}"
    if source is MOBILE:
        return {
            "ip": ip,
            "os": {"name": "iOS", "version": "19.1"},
            "app": {"name": "Planline", "version": "5.2.0"},
        }
    return {
        "ip": ip,
        "locale": "en-US",
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/145.0",
    }
