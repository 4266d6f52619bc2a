"""Who is calling, and what they may do."""

from __future__ import annotations

import binascii
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Any, Protocol

from api.errors import Code, Refusal, rate_limited
from api.rates import Rates
from models.values import Micros, Workspace

SECRET_BYTES_MAX = 512
"""A longer key is none of ours: it is refused before any work is done on it."""

FRESH_MICROS = 2_000_000
"""For how long a key is trusted before it is read again: a revoked one is refused within 5 s."""

CACHED_MAX = 10_000
"""Keys remembered at once, some 1 KB each."""

_LOOK_UP = """
select k.hash, k.workspace_id, w.name, k.key, k.scopes, k.expires_at, k.revoked_at,
    k.requests_per_minute
from api_keys k join workspaces w on w.id = k.workspace_id
where k.hash = ?1
"""


class Scope(StrEnum):
    """What a key may do."""

    INGEST = "ingest"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class Reader(Protocol):
    """What looking up a key needs of the database."""

    async def read(self, sql: str, args: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """Return the rows of one statement."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A key that works: its workspace, its public number and what it may do."""

    workspace: Workspace
    key: bytes
    scopes: frozenset[Scope]
    expires_at: Micros | None = None
    # How often it may come; None where the setting for all keys holds.
    requests_per_minute: int | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the key has `scope`; `admin` implies all."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise a FORBIDDEN refusal unless the key has `scope`."""
        if not self.may(scope):
            has = ", ".join(sorted(self.scopes))
            raise Refusal(
                Code.FORBIDDEN,
                f"this key has scope {has}, and this needs scope {scope}: use another key,"
                f" or make one with `calyx keys create --scope {scope}`",
            )


@dataclass(slots=True)
class _Entry:
    caller: Caller
    read_at: Micros


class Gate:
    """Turns keys into callers; remembers them for a moment."""

    def __init__(
        self,
        database: Reader,
        clock: Callable[[], Micros],
        requests_per_minute: int | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._requests_per_minute = requests_per_minute
        self._rates = Rates()
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._used: dict[tuple[int, bytes], Micros] = {}

    async def admit(self, secret: bytes | None) -> Caller:
        """Return who has this key; raise an UNAUTHENTICATED refusal if nobody has, RATE_LIMITED too often."""
        caller = await self.recheck(secret)
        now = self._clock()
        self._count(caller, now)
        self._used[caller.workspace.id, caller.key] = now
        return caller

    async def recheck(self, secret: bytes | None) -> Caller:
        """Return who has this key, as often as one likes; raise an UNAUTHENTICATED refusal if nobody has."""
        if secret is None:
            raise _missing()
        if len(secret) > SECRET_BYTES_MAX:
            raise _unknown()
        now = self._clock()
        digest = sha256(secret).digest()
        entry = self._entries.get(digest)
        if entry is None or not 0 <= now - entry.read_at < FRESH_MICROS:
            entry = await self._refresh(digest, entry, now)
        caller = entry.caller
        if caller.expires_at is not None and caller.expires_at <= now:
            raise _unknown()
        return caller

    def take_used(self) -> dict[tuple[int, bytes], Micros]:
        """Return when which keys, by workspace and number, were used since this was last asked."""
        used, self._used = self._used, {}
        return used

    def _count(self, caller: Caller, now: Micros) -> None:
        per_minute = caller.requests_per_minute or self._requests_per_minute
        if per_minute is None:
            return
        wait = self._rates.wait_micros((caller.workspace.id, caller.key), per_minute, now)
        if wait:
            told = f"this key may come {per_minute} times a minute: send fewer, larger batches"
            raise rate_limited(told, retry_after_seconds=wait / 1e6)

    async def _refresh(self, digest: bytes, entry: _Entry | None, now: Micros) -> _Entry:
        if entry is not None:
            # Whoever comes while we read goes on with what is known, so that one read serves all.
            entry.read_at = now
        try:
            found = await self._read(digest)
        except BaseException:
            self._entries.pop(digest, None)
            raise
        if found is None:
            self._entries.pop(digest, None)
            raise _unknown()
        fresh = self._entries[digest] = _Entry(found, now)
        self._entries.move_to_end(digest)
        if len(self._entries) > CACHED_MAX:
            self._entries.popitem(last=False)
        return fresh

    async def _read(self, digest: bytes) -> Caller | None:
        for row in await self._database.read(_LOOK_UP, (digest,)):
            stored, number, name, key, scopes, expires_at, revoked_at, per_minute = row
            if revoked_at is None and compare_digest(stored, digest):
                workspace = Workspace(number, name)
                return Caller(workspace, key, scopes_of(scopes), expires_at, per_minute)
        return None


def scopes_of(text: str) -> frozenset[Scope]:
    """Return the scopes of a comma-separated list; raise ValueError at the first that is none."""
    return frozenset(Scope(word.strip().lower()) for word in text.split(",") if word.strip())


def key_in_header(value: bytes | None) -> bytes | None:
    """Return the key an Authorization header carries; None where there is no header or no key in it."""
    if value is None:
        return None
    scheme, _, rest = value.strip().partition(b" ")
    rest = rest.strip()
    if scheme.lower() == b"bearer":
        return rest
    if scheme.lower() != b"basic" or len(rest) > 2 * SECRET_BYTES_MAX:
        return b""
    try:
        # Segment's way: the key is the user name. Whatever follows the colon is ignored.
        return binascii.a2b_base64(rest + b"=" * (-len(rest) % 4)).partition(b":")[0]
    except binascii.Error:
        return b""


def _missing() -> Refusal:
    return Refusal(
        Code.UNAUTHENTICATED,
        "no key: send `Authorization: Bearer KEY`, or Basic with the key as user name and no password",
    )


def _unknown() -> Refusal:
    # One answer for unknown, revoked and expired: a stranger learns nothing about keys that were.
    return Refusal(
        Code.UNAUTHENTICATED,
        "this key does not work: it is unknown, revoked or expired; `calyx keys list` shows those that work",
    )
