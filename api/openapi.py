"""The doors as OpenAPI tells of them: they stand before FastAPI's router, so it cannot see them."""

from __future__ import annotations

from typing import Any

from api.doors import EXPLAIN, Route, routes
from api.errors import Code
from ingest.accept import Door

Spec = dict[str, Any]

_REFUSALS: dict[Code, str] = {
    Code.BAD_REQUEST: "The body cannot be read as JSON, or is neither object nor array. The message says where.",
    Code.UNAUTHENTICATED: "No key, one that does not work, or a missing or wrong X-Signature.",
    Code.FORBIDDEN: "The key lacks scope `ingest`.",
    Code.METHOD_NOT_ALLOWED: "Another method than POST.",
    Code.TOO_SLOW: "The body did not arrive in time.",
    Code.TOO_LARGE: "The body is over a limit.",
    Code.UNSUPPORTED_TYPE: "Not JSON, or packed in a way that is not unpacked.",
    Code.INTERNAL: "Our fault. The log has more under the answer's X-Request-Id.",
    Code.UNAVAILABLE: "Not now. Nothing was stored; send the same again after `Retry-After` seconds.",
}

_MESSAGE: Spec = {
    "type": "object",
    "description": "A Segment message. What it means depends on `type`; unknown members are kept.",
    "properties": {
        "type": {
            "type": "string",
            "examples": ["identify", "group", "track", "alias", "page", "screen", "delete"],
        },
        "messageId": {"type": "string", "description": "The same message again is stored once."},
        "userId": {"type": ["string", "number", "null"]},
        "anonymousId": {"type": ["string", "number", "null"]},
        "groupId": {"type": ["string", "number", "null"]},
        "previousId": {"type": ["string", "number", "null"]},
        "event": {"type": "string"},
        "timestamp": {"type": ["string", "number"], "examples": ["2026-11-23T13:45:15.678Z"]},
        "traits": {"type": ["object", "null"]},
        "properties": {"type": ["object", "null"]},
        "context": {"type": ["object", "null"]},
    },
    "additionalProperties": True,
}

_SCHEMAS: Spec = {
    "Message": _MESSAGE,
    "Batch": {
        "type": "object",
        "description": "Many messages. `context`, `integrations` and `sentAt` hold for each of them.",
        "properties": {
            "batch": {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
            "writeKey": {"type": "string"},
            "sentAt": {"type": "string"},
            "context": {"type": "object"},
            "integrations": {"type": "object"},
        },
        "additionalProperties": True,
    },
    "Success": {
        "type": "object",
        "properties": {"success": {"const": True}},
        "required": ["success"],
    },
    "Receipts": {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "receipts": {"type": "array", "items": {"$ref": "#/components/schemas/Receipt"}},
        },
        "required": ["success", "receipts"],
    },
    "Receipt": {
        "type": "object",
        "description": "What became of one message, as of right after its commit.",
        "properties": {
            "messageId": {"type": "string"},
            "outcome": {
                "enum": ["APPLIED", "SUPERSEDED", "DUPLICATE", "CONFLICT", "QUARANTINED", "ERASED"],
            },
            "reason": {"type": "string", "description": "Why it is quarantined."},
            "notes": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["messageId", "outcome"],
    },
    "Explanations": {
        "type": "object",
        "properties": {
            "success": {"const": True},
            "explanations": {
                "type": "array",
                "items": {"$ref": "#/components/schemas/Explanation"},
            },
        },
        "required": ["success", "explanations"],
    },
    "Explanation": {
        "type": "object",
        "description": "What one message would change by itself: `Query.explain` says the same.",
        "properties": {
            "messageId": {"type": "string"},
            "outcome": {"$ref": "#/components/schemas/Receipt/properties/outcome"},
            "reason": {"type": ["string", "null"]},
            "notes": {"type": "array", "items": {"type": "string"}},
            "effects": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["messageId", "outcome", "reason", "notes", "effects"],
    },
    "Refusal": {
        "type": "object",
        "properties": {
            "code": {"enum": [code.name for code in Code]},
            "message": {"type": "string"},
        },
        "required": ["code", "message"],
    },
}

_SECURITY: Spec = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "Segment's way: the key is the user name.",
    },
    "bearer": {"type": "http", "scheme": "bearer"},
}


def describe(spec: Spec) -> Spec:
    """Return FastAPI's own description with the doors in it."""
    paths = {
        path: {"post": _operation(path, route)}
        for path, route in routes().items()
        if not path.endswith("/")
    }
    components = spec.get("components", {})
    schemas = components.get("schemas", {}) | _SCHEMAS
    security = components.get("securitySchemes", {}) | _SECURITY
    return spec | {
        "paths": paths | spec.get("paths", {}),
        "components": components | {"schemas": schemas, "securitySchemes": security},
    }


def _operation(path: str, route: Route) -> Spec:
    segment = route.door is Door.SEGMENT
    sent: Spec = {"$ref": "#/components/schemas/Message"}
    if segment:
        sent = {"oneOf": [sent, {"type": "array", "items": sent}]}
    elif route.kind is None:
        sent = {"$ref": "#/components/schemas/Batch"}
    explains = path.rstrip("/") == EXPLAIN
    told = "Explanations" if explains else "Receipts" if segment else "Success"
    body = {"application/json": {"schema": sent}}
    return {
        "summary": _summary(path, route),
        "operationId": "post" + path.replace("/", "_"),
        "tags": ["Segment" if segment else "Segment's SDKs"],
        # On the SDK doors the key may stand in the body instead: the empty choice.
        "security": [{"basic": []}, {"bearer": []}, *([] if segment else [{}])],
        "parameters": _parameters(segment=segment and not explains),
        "requestBody": {
            "required": True,
            "content": body if segment else body | {"text/plain": {"schema": sent}},
        },
        "responses": {
            "200": _response("Nothing is written." if explains else "Stored and durable.", told)
        }
        | {str(code.value): _response(why, "Refusal") for code, why in _REFUSALS.items()},
    }


def _summary(path: str, route: Route) -> str:
    if route.name == EXPLAIN:
        return "Say what one message, or each of an array, would change by itself. Scope `read`."
    if route.door is Door.SEGMENT:
        return "Take one message, or an array of them, from Segment's destination or webhook."
    what = f"one {route.kind} call" if route.kind else "many calls"
    return f"Take {what} from Segment's SDKs." + (
        " The browser's short path." if len(path) == len("/v1/t") else ""
    )


def _parameters(*, segment: bool) -> list[Spec]:
    encoding = {
        "name": "Content-Encoding",
        "in": "header",
        "schema": {"enum": ["gzip", "identity"]},
    }
    signature = {
        "name": "X-Signature",
        "in": "header",
        "description": "Hex HMAC-SHA1 of the body, of its first element if it is an array. Needed where a secret is set.",
        "schema": {"type": "string"},
    }
    return [encoding, signature] if segment else [encoding]


def _response(why: str, schema: str) -> Spec:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": why, "content": content}
