"""X-Signature: what Segment signs is checked on the very bytes it sent."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator

import pytest

from tests.http.running import Calyx, Open

SECRET = "shared with Segment"  # noqa: S105 (a secret for tests only)
ONE = b'{"type":"track","event":"Opened","userId":"u1","messageId":"m1","properties":{"n":1e21,"z":-0}}'
TWO = b'{ "type" : "track" , "event":"Opened","userId":"u2","messageId":"m2" }'


@pytest.fixture
async def signed(open_calyx: Open) -> AsyncIterator[Calyx]:
    async with open_calyx(webhook_secret=SECRET) as running:
        yield running


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()


async def answered(calyx: Calyx, body: bytes, given: str | bytes | None) -> int:
    headers = calyx.key() | ({} if given is None else {"X-Signature": given})
    answer = await calyx.post("/segment", content=body, headers=headers)
    if answer.status_code == 401:
        assert answer.json()["code"] == "UNAUTHENTICATED"
        assert "X-Signature" in answer.json()["message"]
        assert await calyx.stored() == []
    return answer.status_code


WRONG = {
    "none": None,
    "empty": "",
    "of another secret": signature(ONE, "another"),
    "of another body": signature(TWO),
    "cut off": signature(ONE)[:-1],
    "no hex": "z" * 40,
    "no ASCII": b"\xff" * 40,
}


@pytest.mark.parametrize("given", WRONG.values(), ids=WRONG.keys())
async def test_a_missing_or_wrong_signature_is_401(
    signed: Calyx, given: str | bytes | None
) -> None:
    assert await answered(signed, ONE, given) == 401
    assert await answered(signed, b"[" + ONE + b"]", given) == 401


async def test_a_signature_replaces_no_key(signed: Calyx) -> None:
    headers = {"X-Signature": signature(ONE)}
    assert (await signed.client.post("/segment", content=ONE, headers=headers)).status_code == 401


@pytest.mark.parametrize("body", [b"[]", b" [ ] ", b"[1,2]", b"{"])
async def test_what_has_nothing_to_sign_needs_a_signature_all_the_same(
    signed: Calyx, body: bytes
) -> None:
    assert await answered(signed, body, None) == 401
    assert await answered(signed, body, signature(ONE)) == 401


@pytest.mark.parametrize("body", [ONE, TWO, b" " + ONE + b"\n"])
async def test_one_message_is_signed_as_a_whole(signed: Calyx, body: bytes) -> None:
    assert await answered(signed, body, signature(body)) == 200


async def test_upper_case_digits_are_right_too(signed: Calyx) -> None:
    assert await answered(signed, ONE, signature(ONE).upper()) == 200


@pytest.mark.parametrize(
    "body", [b"[" + ONE + b"]", b"[" + ONE + b"," + TWO + b"]", b"\n[ " + ONE + b" , " + TWO + b"]"]
)
async def test_of_an_array_the_first_element_is_signed(signed: Calyx, body: bytes) -> None:
    assert await answered(signed, body, signature(ONE)) == 200


@pytest.mark.parametrize(
    "first",
    [
        '{"type":"track","event":"Größe 😀","userId":"ü"}'.encode(),
        b'{"type":"track","event":"x","userId":"u","properties":{"a":NaN,"b":"\\ud800"}}',
        b'{"type":"track","event":"x","userId":"u","properties":{"a":' + b"9" * 5_000 + b"}}",
        b'"text"',
        b"17",
    ],
)
async def test_the_first_element_is_cut_out_as_it_stands(signed: Calyx, first: bytes) -> None:
    assert await answered(signed, b"[" + first + b"," + TWO + b"]", signature(first)) == 200


async def test_without_a_secret_no_signature_is_asked_for(calyx: Calyx) -> None:
    assert await answered(calyx, ONE, "nonsense") == 200


async def test_the_sdk_doors_ask_for_no_signature(signed: Calyx) -> None:
    assert (await signed.post("/v1/batch", json={"batch": [json.loads(TWO)]})).status_code == 200
