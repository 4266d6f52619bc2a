"""Who is linked and joined with whom, as single events say it: section 3 of the contract."""

from collections.abc import Iterable

from tests.laws.model_message import Event


def links(event: Event) -> list[tuple[str, str]]:
    """Return (anonymousId, userId) for each anonymousId that the event carries with its userId."""
    if event.type == "delete" or event.user is None:
        return []
    carried = [(event.anonymous, event.user)] if event.anonymous is not None else []
    # An `alias` counts as an event that carries its previousId as anonymousId too.
    return carried + [(previous, user) for previous, user in alias(event)]


def alias(event: Event) -> list[tuple[str, str]]:
    """Return (previousId, userId) of an alias that joins two; a self-alias is a no-op."""
    if event.type != "alias" or event.user is None or event.previous is None:
        return []
    return [(event.previous, event.user)] if event.previous != event.user else []


def joined(user: str, aliases: Iterable[tuple[str, str]]) -> set[str]:
    """Return the userIds that `aliases` join with `user`, itself among them."""
    found, before = {user}, 0
    pairs = list(aliases)
    while len(found) > before:
        before = len(found)
        for pair in pairs:
            if found & set(pair):
                found |= set(pair)
    return found
