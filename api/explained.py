"""Write explanations as the door of HTTP answers them."""

from __future__ import annotations

import msgspec

from ingest.explain import Effect, Explanation


def render(found: list[Explanation]) -> bytes:
    """Return the JSON body that tells these explanations."""
    return msgspec.json.encode({"success": True, "explanations": [_told(each) for each in found]})


def _told(found: Explanation) -> dict[str, object]:
    receipt = found.receipt
    return {
        "messageId": receipt.message_id,
        "outcome": receipt.outcome,
        "reason": receipt.reason,
        "notes": found.notes,
        "effects": [_effect(each) for each in found.effects],
    }


def _effect(each: Effect) -> dict[str, object]:
    beaten = each.beaten_by
    return {
        "kind": each.kind,
        "entity": each.entity.name,
        "identifier": each.identifier,
        "key": each.key,
        "before": msgspec.Raw(each.before.encode()),
        "after": msgspec.Raw(each.after.encode()),
        "wins": each.wins,
        "beatenBy": None if beaten is None else f"evt_{beaten.hex()}",
    }
