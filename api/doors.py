"""HTTP in: /segment for Segment itself, /v1/* for its SDKs. Bytes are taken as they come."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
from starlette.types import Receive, Scope, Send

from api import auth
from api.answers import answer
from api.errors import Code, Refusal, unavailable
from api.explained import render
from api.intake import Intake, check_type
from ingest import canonical
from ingest.accept import Busy, Door, TooMany, Unreadable
from ingest.explain import Explanation
from models.database import TimedOut, Unavailable
from models.values import Micros, Receipt, Workspace

EXPLAIN = "/segment/explain"
"""The path that says what messages would change, and writes nothing."""

EXPLAIN_SECONDS_MAX = 5.0
SUCCESS = b'{"success": true}'

_ARRAY = re.compile(rb"[ \t\r\n]*\[[ \t\r\n]*")
_KINDS = ("track", "identify", "group", "alias", "page", "screen")
_MANY = ("batch", "import")
"""The paths whose messages say their own type."""


class Accepts(Protocol):
    """What the doors need of ingest."""

    async def deliver(
        self,
        workspace: Workspace,
        body: bytes,
        *,
        door: Door,
        received_at: Micros,
        kind: str | None = None,
    ) -> list[Receipt]:
        """Return what became of each message of `body`, after its commit."""

    async def explain_body(
        self, workspace: Workspace, body: bytes, *, received_at: Micros, seconds: float
    ) -> list[Explanation]:
        """Return what each message of `body` would change by itself."""


class Service(Protocol):
    """What is open behind the doors."""

    @property
    def ingest(self) -> Accepts:
        """Return the one way in."""

    @property
    def gate(self) -> auth.Gate:
        """Return who knows the keys."""


@dataclass(frozen=True, slots=True)
class Route:
    """What a path says: the door, its name in metrics, and the type of its message if it has one."""

    door: Door
    name: str
    kind: str | None = None


def routes() -> dict[str, Route]:
    """Return every path of every door, with and without a slash at the end."""
    found = {"/segment": Route(Door.SEGMENT, "/segment")}
    for word in _KINDS:
        found[f"/v1/{word}"] = found[f"/v1/{word[0]}"] = Route(Door.SDK, f"/v1/{word}", word)
    for word in _MANY:
        found[f"/v1/{word}"] = Route(Door.SDK, f"/v1/{word}")
    found[EXPLAIN] = Route(Door.SEGMENT, EXPLAIN)
    found["/v1/b"] = Route(Door.SDK, "/v1/batch")
    # Never a redirect: some SDKs take one for success, and the events are gone.
    return found | {f"{path}/": route for path, route in found.items()}


class Doors:
    """The ASGI application behind the paths of `routes`."""

    def __init__(
        self,
        service: Callable[[], Service],
        intake: Intake,
        *,
        clock: Callable[[], Micros],
        webhook_secret: bytes | None,
        count: Callable[[Receipt], None],
    ) -> None:
        self._service = service
        self._intake = intake
        self._clock = clock
        self._webhook_secret = webhook_secret
        self._count = count
        self._routes = routes()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request in and answer it after its commit; raise the refusal of a bad one."""
        route = self._routes[scope["path"]]
        if scope["method"] != "POST":
            raise Refusal(
                Code.METHOD_NOT_ALLOWED,
                f"{scope['method'][:20]} is not for this path: send POST",
                headers=((b"allow", b"POST"),),
            )
        headers = dict(scope["headers"])
        if route.name == EXPLAIN:
            await answer(send, 200, await self._explain(headers, receive))
            return
        receipts = await self._accept(route, headers, receive)
        for receipt in receipts:
            self._count(receipt)
        body = SUCCESS if route.door is Door.SDK else _render(receipts)
        await answer(send, 200, body)

    async def _accept(
        self, route: Route, headers: Mapping[bytes, bytes], receive: Receive
    ) -> list[Receipt]:
        caller = None
        authorization = headers.get(b"authorization")
        if authorization is not None or route.door is not Door.SDK:
            # Before the body is read: a stranger's 10 MB are not worth receiving.
            caller = await self._admit(auth.key_in_header(authorization))
        check_type(headers.get(b"content-type", b""))
        body = await self._intake.read(headers, receive)
        if caller is None:
            caller = await self._admit(write_key(body))
        if route.door is Door.SEGMENT and self._webhook_secret is not None:
            check_signature(self._webhook_secret, body, headers.get(b"x-signature"))
        try:
            return await self._service().ingest.deliver(
                caller.workspace, body, door=route.door, received_at=self._clock(), kind=route.kind
            )
        except TooMany as error:
            raise Refusal(Code.TOO_LARGE, str(error)) from None
        except Unreadable as error:
            raise Refusal(Code.BAD_REQUEST, str(error)) from None
        except Busy as error:
            raise unavailable(str(error), retry_after_seconds=error.retry_after_s) from None

    async def _explain(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        secret = auth.key_in_header(headers.get(b"authorization"))
        caller = await self._admit(secret, auth.Scope.READ)
        check_type(headers.get(b"content-type", b""))
        body = await self._intake.read(headers, receive)
        try:
            found = await self._service().ingest.explain_body(
                caller.workspace, body, received_at=self._clock(), seconds=EXPLAIN_SECONDS_MAX
            )
        except TooMany as error:
            raise Refusal(Code.TOO_LARGE, str(error)) from None
        except Unreadable as error:
            raise Refusal(Code.BAD_REQUEST, str(error)) from None
        except (TimedOut, Unavailable) as error:
            raise unavailable(str(error), retry_after_seconds=1) from None
        return render(found)

    async def _admit(
        self, secret: bytes | None, needed: auth.Scope = auth.Scope.INGEST
    ) -> auth.Caller:
        caller = await self._service().gate.admit(secret)
        caller.require(needed)
        return caller


class _Keyed(msgspec.Struct):
    writeKey: object = None  # noqa: N815  # Segment's spelling


class _Told(msgspec.Struct, omit_defaults=True):
    messageId: str  # noqa: N815  # Segment's spelling
    outcome: str
    reason: str | None = None
    notes: tuple[str, ...] = ()


_read_keyed = msgspec.json.Decoder(_Keyed).decode
# Digits stay text: there may be more of them than Python turns into a number.
_lenient = json.JSONDecoder(parse_int=str)


def write_key(body: bytes) -> bytes | None:
    """Return the `writeKey` of a body, None where it has none."""
    try:
        found = _read_keyed(body).writeKey
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = _write_key_leniently(body)
    return found.encode("utf-8", "replace") if isinstance(found, str) else None


def check_signature(secret: bytes, body: bytes, given: bytes | None) -> None:
    """Raise a refusal unless `given` is Segment's signature of `body`: of its first element, if it is an array."""
    if given is None:
        raise Refusal(
            Code.UNAUTHENTICATED,
            "no X-Signature: enter the shared secret in Segment's webhook settings",
        )
    right = hmac.new(secret, _signed(body), "sha1").hexdigest()
    if not hmac.compare_digest(right.encode(), given.strip().lower()):
        raise Refusal(
            Code.UNAUTHENTICATED,
            "X-Signature is wrong: the secret in Segment's webhook settings must equal CALYX_WEBHOOK_SECRET",
        )


def _write_key_leniently(body: bytes) -> object:
    # Old SDKs send their key nowhere else, and beside it NaN, which is no JSON.
    try:
        found = canonical.read(body)
    except Unreadable:
        return None
    return found.get("writeKey") if isinstance(found, dict) else None


def _signed(body: bytes) -> bytes:
    """Return the bytes Segment signs. They are cut out: written anew they would differ."""
    start = _ARRAY.match(body)
    if start is None:
        return body
    try:
        text = body[start.end() :].decode()
        return text[: _lenient.raw_decode(text)[1]].encode()
    except (ValueError, RecursionError):
        return body


def _render(receipts: list[Receipt]) -> bytes:
    told = [_Told(found.message_id, found.outcome, found.reason, found.notes) for found in receipts]
    return msgspec.json.encode({"success": True, "receipts": told})
