"""`retryQuarantined`: try a message again that is held, as it is or corrected."""

from __future__ import annotations

from api.graph import ids, stating
from api.graph.acting import Desk, Done
from api.graph.ids import BadId
from api.graph.statement import Stated
from api.graph.stating import Input, UserError
from ingest.accept import Unreadable
from ingest.advice import ADVICE
from models.values import Outcome, Quarantined, Reason

_TOO_LONG = {Reason.ID_TOO_LONG, Reason.KEY_TOO_LONG, Reason.TOO_DEEP, Reason.TOO_LARGE}


async def retry_quarantined(desk: Desk, given: Input) -> Done | stating.Refused:
    """Try again what is held; tried again once more, it is a duplicate."""
    try:
        key = ids.key_of_kind(given["id"], ids.QUARANTINED)
    except BadId as error:
        return [UserError(("id",), "INVALID", str(error))]
    try:
        found = await desk.ingest.retry(
            desk.workspace, key, now=desk.now, correction=given.get("message")
        )
    except Unreadable as error:
        return [UserError(("message",), "TOO_LONG", str(error))]
    if found is None:
        told = "no such message waits: it may have been erased; `quarantine` lists those that do"
        return [UserError(("id",), "NOT_FOUND", told)]
    if isinstance(found, Quarantined):
        code = "TOO_LONG" if found.reason in _TOO_LONG else "INVALID"
        return [UserError(("message",), code, ADVICE[found.reason])]
    waits = found.outcome is Outcome.QUARANTINED
    return Done(Stated(found), noted=desk.entry.answered(found), waits=waits)
