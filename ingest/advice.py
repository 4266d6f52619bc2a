"""Say what is wrong with a message that is held, where, and what to do about it. Pure."""

from __future__ import annotations

from models.values import Reason

ADVICE: dict[Reason, str] = {
    Reason.NOT_AN_OBJECT: (
        "The message is no JSON object: send an object with `type` and the ids it is about."
    ),
    Reason.UNKNOWN_TYPE: (
        "Its `type` (else `action`) is missing or unknown: send one of track, identify, group,"
        " alias, page, screen and delete."
    ),
    Reason.NO_SUBJECT: (
        "It has no `userId`, `anonymousId` or `groupId` that is text or a number and not blank"
        " (a delete needs one of the first two): say whom it is about."
    ),
    Reason.ID_TOO_LONG: (
        "`messageId`, `userId`, `anonymousId`, `previousId` or `groupId` has more than 512 bytes:"
        " send a shorter id."
    ),
    Reason.KEY_TOO_LONG: (
        "A key of one of its objects has more than 256 bytes: shorten it, or send it as a value."
    ),
    Reason.TOO_DEEP: (
        "It nests deeper than 32 levels, the message itself being the first: flatten what is"
        " nested, or send it as text."
    ),
    Reason.TOO_LARGE: (
        "It is longer than one message may be (CALYX_MESSAGE_BYTES_MAX): leave something out, or"
        " raise the limit and retry it as it is."
    ),
    Reason.FAILED: (
        "It could not be stored, through a fault of Calyx and not of the message; the server's log"
        " says which. Retry it as it is once that is mended."
    ),
}
"""Advice by reason, for people."""
