"""The arguments that many fields share."""

from __future__ import annotations

from typing import Annotated, Any

import strawberry


def argument(description: str) -> Any:
    """Return the description of an argument, to annotate it with."""
    return strawberry.argument(description=description)


First = Annotated[
    int | None, argument("Rows from the start, or behind `after`; 0 to 100. Default: 50.")
]
After = Annotated[str | None, argument("Cursor to go on from, forward.")]
Last = Annotated[
    int | None,
    argument("Rows from the end, or before `before`; 0 to 100, and not together with `first`."),
]
Before = Annotated[str | None, argument("Cursor to go on from, backward.")]
CustomerSearch = Annotated[
    str | None,
    argument(
        "Words as typed so far, against name, email and ids, ignoring case; each word may be a prefix."
    ),
]
Keys = Annotated[list[str] | None, argument("Only these keys. Default: all.")]
