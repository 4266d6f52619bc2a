"""Every bound on what one caller may ask of us, with the reason for each number."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MIB = 1024 * 1024


def _limit(default: float, why: str) -> Any:
    return field(default=default, metadata={"why": why})


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What a door reads of one request."""

    body_bytes_max: int = _limit(
        10 * MIB,
        "Bytes of a body at a door, unpacked. Segment's webhook batches 4 MB by default, its SDKs 500 KB; gzip packs 200 MB into 200 KB.",
    )
    message_bytes_max: int = _limit(
        128 * 1024,
        "Bytes of one message; a longer one is quarantined. Segment itself stops at 32 KB, other senders do not.",
    )
    messages_max: int = _limit(
        5_000,
        "Messages of one body. Segment's webhook sends at most 4,000, its SDKs 2,500.",
    )
    body_seconds_max: float = _limit(
        30.0,
        "Seconds in which a body must have arrived. SDKs give up after 10 to 15; without a bound, half-sent bodies hold connections for ever.",
    )
    bodies_bytes_max: int = _limit(
        256 * MIB,
        "Bytes of all bodies being read at once, so that many large ones together cannot exhaust memory; more is asked to come again.",
    )


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What may wait for a commit."""

    queue_max_messages: int = _limit(
        20_000,
        "Messages waiting for a commit; more is answered 503 with Retry-After. About a second of work, so waiting stays shorter than senders' timeouts.",
    )
    queue_max_bytes: int = _limit(
        64 * MIB,
        "Bytes of the messages waiting for a commit; more is answered 503 with Retry-After.",
    )


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How old an answer may be."""

    lag_seconds_max: float = _limit(
        10.0,
        "Seconds a replica may be behind. Beyond, /readyz says `lagging` and queries read the primary, so that no answer is older.",
    )


@dataclass(frozen=True, slots=True)
class GraphLimits:
    """What one GraphQL request may ask for."""

    body_bytes_max: int = _limit(
        256 * 1024,
        "Bytes of a GraphQL request. The largest documents of real clients are some 20 KB; variables of mutations take the rest.",
    )
    tokens_max: int = _limit(
        2_000,
        "Tokens of a GraphQL document. Parsing is linear in them, validation is not: 1,500 overlapping fragments took 1.2 s.",
    )
    depth_max: int = _limit(
        15,
        "Levels of fields in a GraphQL document. Introspection needs 13; pages need 8.",
    )
    aliases_max: int = _limit(
        30,
        "Aliases in a GraphQL document: each is one more read of the same field.",
    )
    directives_max: int = _limit(
        5,
        "Directives on one field of a GraphQL document; `@skip` and `@include` need two.",
    )
    cost_max: int = _limit(
        10_000,
        "Rows a GraphQL request could return, page sizes multiplied along nested connections.",
    )
    seconds_max: float = _limit(
        5.0,
        "Seconds a GraphQL request may take before it is given up with TIMEOUT.",
    )
    history_events_max: int = _limit(
        20_000,
        "Events that may be folded again for one `asOf`; more is COST_LIMIT, with the number. About a second and a half of work.",
    )
    history_characters_max: int = _limit(
        32 * MIB,
        "Characters of those events, which are in memory twice while they are folded.",
    )


@dataclass(frozen=True, slots=True)
class LiveLimits:
    """What may be followed at once, in one process."""

    sockets_max: int = _limit(
        1_000,
        "WebSockets and event streams of one process at once; each holds some 40 KB.",
    )
    sockets_per_key_max: int = _limit(
        200,
        "WebSockets and event streams of one key at once, in one process: a browser tab has one.",
    )
    handshakes_max: int = _limit(
        100,
        "WebSockets that have not said yet whose they are; they cost a stranger nothing.",
    )
    init_seconds_max: float = _limit(
        5.0,
        "Seconds in which a WebSocket must say whose it is, by `connection_init`.",
    )
    subscriptions_max: int = _limit(
        20,
        "Operations under way at once in one WebSocket.",
    )
    customers_max: int = _limit(
        100_000,
        "Customers that may match the filter of `customersChanged`: who matches is remembered, in 16 bytes each.",
    )
    remembered_max: int = _limit(
        5_000_000,
        "Customers remembered for all `customersChanged` of one process together: 80 MB. More are refused.",
    )
    send_seconds_max: float = _limit(
        30.0,
        "Seconds in which a client must take what it is sent; a slower one is closed and may come again.",
    )
