"""Half a year of an invented company's customers, as the messages Segment would post."""

from __future__ import annotations

from collections.abc import Iterator
from operator import itemgetter
from random import Random

from api.demo_cast import DAY, SECOND, STORY_DAYS, cast, uuid_text
from api.demo_engage import engage
from api.demo_lines import Line, Message, iso
from api.demo_story import story, visitors
from api.demo_visits import visits

SEED = 20_26

EXAMPLE_QUERY = """\
# Who at Brightwater Foods is an admin and a power user, and how much has the company been billed?
query PowerAdmins {
  account(groupId: "brightwater-foods") {
    name
    plan
    billed: trait(key: "total billed") { value setAt }
    members(role: {eq: "admin"}, where: {audience: {in: ["power_users"]}}, first: 10) {
      totalCount
      edges {
        role
        joinedAt
        node {
          name
          email
          lastSeenAt
          traits(keys: ["title", "logins_30d", "departments"])
          audiences(keys: ["power_users"]) { member since origin }
        }
      }
    }
  }
}
"""
"""A question this data answers, shown when the demo starts."""


def messages(now: int) -> Iterator[dict[str, object]]:
    """Yield the messages of the half year before `now` (microseconds UTC), oldest first, none later.

    The same day tells the same story: a later `now` on it only adds messages at the end.
    """
    now_ms = now // 1000
    today = now_ms - now_ms % DAY
    chance = Random(SEED)
    for at, message in _lines(chance, today):
        # The slack leaves room for the way from sender to receiver.
        if at > now_ms - SECOND:
            return
        yield _posted(chance, at, message)


def _lines(chance: Random, today: int) -> list[Line]:
    start, until = today - STORY_DAYS * DAY, today + DAY
    everyone = cast(chance, today)
    lines = list(visitors(chance, start, until))
    for account in everyone.accounts:
        lines += story(chance, account, everyone, until)
    for place in everyone.places:
        lines += visits(chance, place, until)
    lines.sort(key=itemgetter(0))
    lines += engage(everyone, lines[:], start, until)
    lines.sort(key=itemgetter(0))
    return lines


def _posted(chance: Random, at: int, message: Message) -> dict[str, object]:
    """Return the message with its id and times, as it leaves Segment."""
    return {
        **message,
        "messageId": _message_id(chance, at, message),
        "originalTimestamp": iso(at),
        "sentAt": iso(at + chance.randint(0, 90)),
        "receivedAt": iso(at + chance.randint(100, 900)),
        "timestamp": iso(at),
        "version": 2,
    }


def _message_id(chance: Random, at: int, message: Message) -> str:
    """Return an id in the form of the library that sent the message."""
    unique = uuid_text(chance)
    if "integrations" in message:
        return f"personas_{unique.replace('-', '')[:27]}"
    return f"ajs-next-{at}-{unique}" if message["channel"] == "client" else unique
