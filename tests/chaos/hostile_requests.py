"""Hostile requests: any of them may come, and none may be our fault. Decided by a seed alone."""

from __future__ import annotations

import gzip
import random
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.chaos.hostile_questions import question
from tests.chaos.hostile_values import CANARY, Raw, cursor, deep, encode, global_id, text, value

_ROOT = Path(__file__).parents[2]
_DOORS = ("/segment", "/v1/batch", "/v1/import", "/v1/track", "/v1/identify", "/v1/group", "/v1/alias", "/v1/page",
          "/v1/screen", "/v1/t", "/v1/b/", "/segment/", "/segment/explain")  # fmt: skip
_PAGES = ("/", "/docs", "/graphiql", "/healthz", "/readyz", "/openapi.json", "/v1", "/v1/nothing", "//", "/%00",
          "/graphql/", "/static/../api", "/v1/track/x", "/v1/pixel/track")  # fmt: skip
_METHODS = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "POST", "QUERY", "")
_TYPES = ("application/json", "application/json; charset=utf-8", "text/plain", "application/json; charset=utf-16",
          "multipart/form-data", "x/application/json", "application/x-www-form-urlencoded", "", ";", "\xff",
          "application/graphql-response+json", 'application/json; charset="', "a" * 3_000)  # fmt: skip
_ACCEPTED = (b"*/*", b"text/html", b"", b"\xff", b"q=;q=;,", b"application/json", b"text/event-stream",
             b"application/graphql-response+json;q=0, */*")  # fmt: skip
_ENCODINGS = ("gzip", "deflate", "br", "gzip, gzip", "identity", "GZIP", "", "\xff", "x" * 500)
_FIELDS = ("type", "event", "userId", "anonymousId", "groupId", "previousId", "messageId", "timestamp", "sentAt",
           "originalTimestamp", "receivedAt", "traits", "properties", "context", "integrations", "name", "writeKey",
           "batch", "action", "category", "version")  # fmt: skip
_MESSAGES: tuple[dict[str, Any], ...] = (
    {"type": "identify", "userId": "u", "traits": {"email": f"{CANARY}@example.test", "plan": "pro"}},
    {"type": "track", "userId": "u", "event": "Signed Up", "properties": {"name": CANARY}},
    {"type": "track", "userId": "u", "event": "Account Added User", "context": {"groupId": "g"}},
    {"type": "group", "userId": "u", "groupId": "g", "traits": {"name": CANARY, "employees": 3}},
    {"type": "alias", "userId": "u", "previousId": "a"},
    {"type": "page", "anonymousId": "a", "name": "Home", "properties": {"url": "https://x.test/?q=1"}},
    {"type": "identify", "userId": "u", "traits": {"buyers": True}, "context": {"personas": {"computation_key": "buyers"}}},
    {"type": "delete", "userId": "u"},
)  # fmt: skip
_DOCUMENTS = tuple(
    file.read_text()
    for folder in ("docs/documents", "tests/contract/documents")
    for file in sorted((_ROOT / folder).glob("*.graphql"))
)
_TOKENS = ("{", "}", "(", ")", "!", "$", "...", "@skip(if: true)", "@include(if: $x)", "@defer", "on Customer",
           "first: 101", "last: -1", 'after: "x"', "__typename", "__schema { types { name } }", "null", "[]", '"""',
           "#", "\ufeff", "\0", "\\u{110000}", "fragment F on Customer { ...F }", "query", "mutation", "subscription",
           "alias: id", "99999999999999999999", "1e999", "&", "input: {}", 'asOf: "10000-01-01"')  # fmt: skip
_LISTS = (
    "customers",
    "accounts",
    "events",
    "audiences",
    "traitKeys",
    "quarantine",
    "apiKeys",
    "auditLog",
)
_FILTERS = ("userId", "email", "name", "signedUpAt", "firstSeenAt", "lastSeenAt", "trait", "audience", "accounts",
            "events", "and", "or", "not", "groupId", "plan", "deleted", "messageId", "type", "at")  # fmt: skip
_OPERATORS = ("eq", "ne", "in", "notIn", "gt", "gte", "lt", "lte", "contains", "startsWith", "exists", "key", "some",
              "none", "within", "count")  # fmt: skip
_MUTATIONS = {
    "signUp": "SignUpInput", "identify": "IdentifyInput", "createAccount": "CreateAccountInput",
    "updateAccount": "UpdateAccountInput", "deleteAccount": "DeleteAccountInput", "track": "TrackInput",
    "addUserToAccount": "AddUserToAccountInput", "removeUserFromAccount": "RemoveUserFromAccountInput",
    "retryQuarantined": "RetryInput", "eraseCustomer": "EraseCustomerInput", "indexTrait": "IndexTraitInput",
    "createApiKey": "CreateApiKeyInput", "revokeApiKey": "RevokeApiKeyInput",
}  # fmt: skip
_INPUTS = {"userId": "u", "groupId": "g", "traits": {"plan": "pro"}, "event": "Opened", "role": "admin", "id": "x",
           "messageId": "m", "timestamp": "2026-01-01T00:00:00Z", "key": "plan", "entity": "CUSTOMER", "name": "n",
           "scopes": ["READ"], "anonymousId": "a", "properties": {}, "email": "e", "message": {}}  # fmt: skip


class Hostile(NamedTuple):
    """One request."""

    method: str
    path: str
    query: bytes
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


def request(rng: random.Random, keys: Sequence[str], fashion: int = 0) -> Hostile:
    """Return a hostile request, with one of these keys or with none that works.

    Its `fashion` is what documents of the schema it may ask.
    """
    match rng.randrange(20):
        case 0:
            return _page(rng, keys)
        case 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8:
            return _post(rng, rng.choice(_DOORS), _delivery(rng), keys)
        case 9:
            return _get(rng, keys)
        case 10 | 11 | 12:
            made = question(rng, fashion) if rng.random() < 0.8 else _persisted(rng)
            return _post(rng, "/graphql", made, keys)
        case _:
            return _post(rng, "/graphql", _question(rng), keys)


def _page(rng: random.Random, keys: Sequence[str]) -> Hostile:
    path = rng.choice(
        (
            *_PAGES,
            *_DOORS,
            "/graphql",
            "/" + quote(text(rng)[:40].replace(CANARY, ""), errors="replace"),
        )
    )
    query = quote(text(rng), errors="replace").encode()
    return Hostile(rng.choice(_METHODS), path, query, _headers(rng, keys), rng.choice((b"", b"{}")))


def _get(rng: random.Random, keys: Sequence[str]) -> Hostile:
    parts = {
        "query": rng.choice(_DOCUMENTS),
        "variables": encode(value(rng)).decode("utf-8", "replace"),
        "operationName": text(rng),
    }
    pairs = [
        f"{name}={quote(given, errors='replace')}"
        for name, given in parts.items()
        if rng.random() < 0.8
    ]
    query = rng.choice(
        ("&".join(pairs), "query={viewer{id}}&query={", "query=%ff%fe", "&&==;", "extensions=%7B")
    )
    return Hostile("GET", "/graphql", query.encode(), _headers(rng, keys), b"")


def _post(rng: random.Random, path: str, body: bytes, keys: Sequence[str]) -> Hostile:
    headers = _headers(rng, keys)
    packed = rng.random()
    if packed < 0.04:
        body = gzip.compress(body, 1)
        body = rng.choice(
            (body, body, body[: len(body) // 2], body + body, body[:10], _flipped(rng, body), b"")
        )
        headers.append((b"content-encoding", b"gzip"))
    elif packed < 0.06:
        headers.append((b"content-encoding", rng.choice(_ENCODINGS).encode("latin-1")))
    elif packed < 0.0603:
        body = gzip.compress(bytes(20_000_000), 1)
        headers.append((b"content-encoding", b"gzip"))
    if rng.random() < 0.03:
        length = rng.choice(
            (b"0", b"-1", b"99999999999999999999999", b"x", str(len(body)).encode())
        )
        headers.append((b"content-length", length))
    return Hostile("POST", path, b"", headers, body)


def _headers(rng: random.Random, keys: Sequence[str]) -> list[tuple[bytes, bytes]]:
    headers = [(b"host", b"calyx.test")]
    if rng.random() < 0.9:
        headers.append((b"authorization", b"Bearer " + rng.choice(keys).encode()))
    elif rng.random() < 0.7:
        odd = rng.choice(("", "Bearer", "Bearer ", f"Bearer {CANARY}", "Basic !!!", "Basic 4pyT", "Bearer \xff",
                          f"Digest {CANARY}", "Bearer " + "x" * 20_000))  # fmt: skip
        headers.append((b"authorization", odd.encode("latin-1")))
    kind = "application/json" if rng.random() < 0.9 else rng.choice(_TYPES)
    headers.append((b"content-type", kind.encode("latin-1")))
    if rng.random() < 0.05:
        headers.append(
            (b"x-request-id", text(rng)[:80].replace(CANARY, "id").encode("utf-8", "replace"))
        )
        headers.append((b"accept", rng.choice(_ACCEPTED)))
        headers.append((b"x-signature", rng.choice((b"", b"\xff", b"0" * 40, CANARY.encode()))))
        headers.append((b"origin", rng.choice((b"https://evil.test", b"null", b"", b"\xff"))))
    return headers


def _delivery(rng: random.Random) -> bytes:
    message = _message(rng)
    match rng.randrange(10):
        case 0:
            whole: Any = {
                "batch": [_message(rng) for _ in range(rng.randrange(6))],
                "sentAt": value(rng),
            }
        case 1:
            whole = [_message(rng) for _ in range(rng.randrange(6))]
        case 2:
            whole = {"batch": value(rng)}
        case 3:
            whole = value(rng)
        case _:
            whole = message
    body = encode(whole)
    return _flipped(rng, body) if rng.random() < 0.08 else body


def _message(rng: random.Random) -> dict[str, Any]:
    message = dict(rng.choice(_MESSAGES))
    message["messageId"] = f"h{rng.randrange(100_000)}"
    for name in ("userId", "groupId", "anonymousId", "previousId"):
        if name in message:
            message[name] += str(rng.randrange(300))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 4))):
        place = rng.choice(_FIELDS)
        if rng.random() < 0.4 and isinstance(message.get(place), dict):
            message[place] = {**message[place], text(rng): value(rng)}
        else:
            message[place] = value(rng)
    return message


def _question(rng: random.Random) -> bytes:
    match rng.randrange(12):
        case 0:
            made = encode(value(rng))
        case 1:
            made = encode(
                {"query": _torn(rng, rng.choice(_DOCUMENTS)), "variables": _variables(rng)}
            )
        case 2:
            made = _flipped(rng, encode({"query": rng.choice(_DOCUMENTS)}))
        case 3:
            made = encode({"query": value(rng), "variables": value(rng), "extensions": value(rng)})
        case 4 | 5:
            made = _stated(rng)
        case 6:
            field = rng.choice(("node(id: $x) { id }", "nodes(ids: [$x]) { id }", "customer(id: $x) { id }",
                                "account(id: $x) { id }"))  # fmt: skip
            made = encode(
                {"query": f"query($x: ID!) {{ {field} }}", "variables": {"x": global_id(rng)}}
            )
        case 7 | 8:
            name = rng.choice(_LISTS)
            query = f"query($a: String, $n: Int) {{ {name}(first: $n, after: $a) {{ nodes {{ id }} }} }}"
            size = rng.choice((1, 0, -1, 100, 101, 2**31, Raw("1e3"), "1", None))
            made = encode(
                {"query": query, "variables": {"a": rng.choice((cursor, text))(rng), "n": size}}
            )
        case 9 | 10:
            made = _filtered(rng)
        case _:
            wide = rng.choice(
                ("{ viewer { id } }", "{ a: customers { nodes { id } } }")
            ) * rng.choice((1, 40))
            nested = "{ node(id: 1) " * rng.choice((5, 20, 3_000))
            made = encode(
                {"query": rng.choice((wide, nested, "query " * 3_000, f"{{ a(x: {deep(rng)}) }}"))}
            )
    return made


def _persisted(rng: random.Random) -> bytes:
    """Return a document by its hash, or by another, or by none."""
    document = rng.choice((*_DOCUMENTS, "{ viewer { id } }"))
    right = sha256(document.encode()).hexdigest()
    said = rng.choice((right, right, right.upper(), "0" * 64, value(rng)))
    extension = {"version": rng.choice((1, 1, 1, 2, value(rng))), "sha256Hash": said}
    whole: dict[str, Any] = {"extensions": {"persistedQuery": rng.choice((extension, value(rng)))}}
    if rng.random() < 0.6:
        whole["query"] = document
    return encode(whole)


def _stated(rng: random.Random) -> bytes:
    name = rng.choice(tuple(_MUTATIONS))
    chosen: dict[str, Any] = {key: _INPUTS[key] for key in _INPUTS if rng.random() < 0.4}
    for key in list(chosen):
        if rng.random() < 0.3:
            chosen[key] = value(rng)
    query = f"mutation($i: {_MUTATIONS[name]}!) {{ {name}(input: $i) {{ userErrors {{ code message }} }} }}"
    return encode({"query": query, "variables": {"i": chosen}})


def _filtered(rng: random.Random) -> bytes:
    kind, name = rng.choice(
        (("CustomerFilter", "customers"), ("AccountFilter", "accounts"), ("EventFilter", "events"))
    )
    query = f"query($w: {kind}) {{ {name}(where: $w, first: 3) {{ nodes {{ id }} pageInfo {{ endCursor }} }} }}"
    return encode({"query": query, "variables": {"w": _filter(rng, 0)}})


def _filter(rng: random.Random, depth: int) -> Any:
    made: dict[str, Any] = {}
    for _ in range(rng.choice((1, 1, 2))):
        field = rng.choice(_FILTERS)
        if field in {"and", "or"} and depth < 4:
            made[field] = [_filter(rng, depth + 1) for _ in range(rng.randrange(3))]
        elif field == "not" and depth < 4:
            made[field] = _filter(rng, depth + 1)
        else:
            made[field] = {rng.choice(_OPERATORS): value(rng) for _ in range(rng.choice((1, 2)))}
            if field in {"trait", "audience"}:
                made[field]["key"] = text(rng)
    return made


def _variables(rng: random.Random) -> Mapping[str, Any]:
    names = (
        "id",
        "userId",
        "groupId",
        "after",
        "search",
        "trait",
        "plan",
        "since",
        "until",
        "key",
        "input",
        "first",
    )
    return {name: value(rng) for name in names if rng.random() < 0.6}


def _torn(rng: random.Random, document: str) -> str:
    """Return a document with something in it that does not belong there."""
    words = document.split(" ")
    for _ in range(rng.randrange(1, 4)):
        words.insert(rng.randrange(len(words)), rng.choice(_TOKENS))
        if rng.random() < 0.5:
            del words[rng.randrange(len(words))]
    return " ".join(words)


def _flipped(rng: random.Random, body: bytes) -> bytes:
    turned = bytearray(body)
    for _ in range(rng.randrange(1, 5)):
        if turned:
            turned[rng.randrange(len(turned))] = rng.randrange(256)
    return bytes(turned)
