"""What is live is told as it happens, to those it is for and to nobody else, by a server that is not ours to stop."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from api import keys
from api.auth import Scope
from api.graph.scopes import SCOPES
from tests.databases import Template, opened
from tests.http.following import Poster, a_socket, a_stream
from tests.http.running import NOON, a_key
from tests.http.serving import Served, serving

KEY = "chosen-by-the-operator"
SETTINGS = {"CALYX_ADMIN_KEY": KEY, "CALYX_LIVE_INIT_SECONDS_MAX": "1"}
TAIL = "subscription ($after: String) { events(after: $after) { position messageId } }"
SETTLED_SECONDS = 1.0
"""So long after it subscribed a client is surely told of what happens."""


@dataclass(frozen=True)
class Live:
    """A server, and keys of two workspaces that know nothing of each other."""

    served: Served
    database_url: str
    other: str

    @property
    def url(self) -> str:
        return self.served.url


@pytest.fixture(scope="module")
def live(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """Give a server that several tests talk to, about customers of their own."""
    url = template.copy()

    async def prepare() -> str:
        async with opened(url) as database:
            tenant, _ = await keys.ensure_workspace(database, "other", NOON)
            return await a_key(database, tenant.workspace, Scope.ADMIN)

    other = asyncio.run(prepare())
    settings = SETTINGS | {"CALYX_DATABASE_URL": url}
    with serving(tmp_path_factory.mktemp("live"), settings=settings) as served:
        yield Live(served, url, other)
        assert "rror" not in served.logged(), served.logged()


@pytest.fixture
async def poster(live: Live) -> AsyncIterator[Poster]:
    """Give somebody who posts to the server."""
    made = Poster(live.url, KEY)
    yield made
    await made.aclose()


def track(user: str, number: int = 0) -> dict[str, Any]:
    message_id = f"{user}-{number}"
    return {"type": "track", "event": "Opened", "userId": user, "messageId": message_id}


def identify(user: str, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "traits": traits}


async def test_the_tail_goes_on_behind_the_last_position(live: Live, poster: Poster) -> None:
    await poster.post(*(track("tail", number) for number in range(250)))
    seen: list[str] = []
    after = "0"
    for last in (120, 250):
        async with a_socket(live.url, KEY) as socket:
            await socket.subscribe("1", TAIL, after=after)
            while len(seen) < last:
                event = await socket.next("events")
                after = event["position"]
                if event["messageId"].startswith("tail-"):
                    seen.append(event["messageId"])
    assert seen == [f"tail-{number}" for number in range(250)]


async def test_a_tail_tells_what_its_filter_describes_as_it_is_accepted(
    live: Live, poster: Poster
) -> None:
    query = 'subscription { events(where: {userId: {eq: "filtered"}}) { messageId } }'
    async with a_socket(live.url, KEY) as socket:
        await socket.subscribe("1", query)
        await asyncio.sleep(SETTLED_SECONDS)
        began = time.monotonic()
        await poster.post(track("somebody"), track("filtered"))
        assert await socket.next("events") == {"messageId": "filtered-0"}
        assert time.monotonic() - began < 1.0


ONE = """subscription ($userId: String) { customerChanged(userId: $userId) {
  kind customerId customer { id userId traits } event { type } } }"""


async def test_one_customer_is_followed_from_the_first_event_to_the_erasure(
    live: Live, poster: Poster
) -> None:
    async with a_socket(live.url, KEY) as socket:
        await socket.subscribe("1", ONE, userId="one")
        await asyncio.sleep(SETTLED_SECONDS)
        await poster.post(identify("not-one", plan="pro"))
        await poster.post(identify("one", plan="pro"))
        first = await socket.next("customerChanged")
        assert (first["kind"], first["event"]) == ("ENTERED", {"type": "IDENTIFY"})
        assert first["customer"]["traits"] == {"plan": "pro"}
        assert first["customerId"] == first["customer"]["id"]
        await poster.post(track("one"))
        assert (await socket.next("customerChanged"))["kind"] == "CHANGED"
        await poster.post({"type": "alias", "userId": "one-joined", "previousId": "one"})
        joined = await socket.next("customerChanged")
        assert (joined["kind"], joined["customer"]["userId"]) == ("CHANGED", "one-joined")
        assert joined["customerId"] == joined["customer"]["id"] != first["customerId"]
        await poster.ask(
            'mutation { eraseCustomer(input: {userId: "one"}) { userErrors { message } } }'
        )
        gone = await socket.next("customerChanged")
        assert (gone["kind"], gone["customerId"]) == ("LEFT", joined["customerId"])
        assert (gone["customer"], gone["event"]) == (None, None)


async def test_a_device_is_followed_to_its_user(live: Live, poster: Poster) -> None:
    query = 'subscription { customerChanged(anonymousId: "moved") { kind customer { userId } } }'
    async with a_socket(live.url, KEY) as socket:
        await socket.subscribe("1", query)
        await asyncio.sleep(SETTLED_SECONDS)
        told = []
        for user in (None, "mover"):
            message = {"type": "page", "anonymousId": "moved"}
            await poster.post(message | ({"userId": user} if user else {}))
            told.append(await socket.next("customerChanged"))
        assert told == [
            {"kind": "ENTERED", "customer": {"userId": None}},
            {"kind": "CHANGED", "customer": {"userId": "mover"}},
        ]


MANY = """subscription { customersChanged(where: {trait: {key: "tier", eq: "KIND"}}) {
  kind customer { userId } event { type } } }"""


async def test_those_who_match_are_told_as_they_come_change_and_go(
    live: Live, poster: Poster
) -> None:
    await poster.post(identify("many-0", tier="gold"), identify("many-1", tier="iron"))
    async with a_socket(live.url, KEY) as socket:
        await socket.subscribe("1", MANY.replace("KIND", "gold"))
        await asyncio.sleep(SETTLED_SECONDS)

        async def told() -> tuple[str, str | None, str | None]:
            change = await socket.next("customersChanged")
            user, event = change["customer"], change["event"]
            return change["kind"], user and user["userId"], event and event["type"]

        await poster.post(track("many-1"))
        await poster.post(track("many-0"))
        assert await told() == ("CHANGED", "many-0", "TRACK")
        await poster.post(identify("many-1", tier="gold"))
        assert await told() == ("ENTERED", "many-1", "IDENTIFY")
        await poster.post(identify("many-0", tier="iron"))
        assert await told() == ("LEFT", "many-0", "IDENTIFY")
        await poster.post({"type": "alias", "userId": "many-2", "previousId": "many-1"})
        assert sorted([await told(), await told()], key=str) == [
            ("ENTERED", "many-2", "ALIAS"),
            ("LEFT", None, "ALIAS"),
        ]
        await poster.ask(
            'mutation { eraseCustomer(input: {userId: "many-2"}) { userErrors { message } } }'
        )
        assert await told() == ("LEFT", None, None)


async def test_an_event_of_an_account_changes_which_of_its_members_match(
    live: Live, poster: Poster
) -> None:
    member = {"type": "group", "userId": "member", "groupId": "firm", "traits": {"plan": "free"}}
    await poster.post(member)
    query = """subscription { customersChanged(
      where: {accounts: {some: {trait: {key: "plan", eq: "paid"}}}}) { kind customer { userId } } }"""
    async with a_socket(live.url, KEY) as socket:
        await socket.subscribe("1", query)
        await asyncio.sleep(SETTLED_SECONDS)
        for plan, kind in (("paid", "ENTERED"), ("free", "LEFT")):
            await poster.ask(
                f'mutation {{ updateAccount(input: {{groupId: "firm", traits: {{plan: "{plan}"}}}})'
                " { userErrors { message } } }"
            )
            change = await socket.next("customersChanged")
            assert change == {"kind": kind, "customer": {"userId": "member"}}


async def test_nobody_hears_of_another_workspace(live: Live, poster: Poster) -> None:
    theirs = Poster(live.url, live.other)
    async with a_socket(live.url, live.other) as socket:
        await socket.subscribe("tail", TAIL, after="0")
        await socket.subscribe("one", ONE, userId="secret")
        await socket.subscribe("many", "subscription { customersChanged { kind } }")
        await asyncio.sleep(SETTLED_SECONDS)
        await poster.post(identify("secret", plan="ours"), track("secret", 77))
        await asyncio.sleep(SETTLED_SECONDS)
        await theirs.post(identify("secret", plan="theirs"))
        heard = {}
        for _ in range(3):
            message = await socket.hear()
            heard[message["id"]] = message["payload"]["data"]
        assert heard["one"]["customerChanged"]["customer"]["traits"] == {"plan": "theirs"}
        assert "secret-77" not in json.dumps(heard)
        assert heard["many"] == {"customersChanged": {"kind": "ENTERED"}}
        assert heard.keys() == {"tail", "one", "many"}
    await theirs.aclose()


async def test_what_is_no_message_of_the_protocol_closes_the_socket(live: Live) -> None:
    deep = '{"type":"ping","payload":' + "[" * 50_000 + "]" * 50_000 + "}"
    for text in ("[1]", "nonsense", '{"id":"1"}', '{"type":"start"}', deep, '{"type":"subscribe"}'):
        async with a_socket(live.url, KEY) as socket:
            await socket.connection.send(text)
            assert await socket.code() == 4400, text[:40]


async def test_a_socket_says_at_once_whose_it_is_and_once(live: Live) -> None:
    async with a_socket(live.url, None) as socket:
        assert await socket.code() == 4408
    async with a_socket(live.url, None) as socket:
        await socket.subscribe("1", TAIL)
        assert await socket.code() == 4401
    for payload in ({"authorization": "Bearer nobody"}, {}, None, [1], "text"):
        async with a_socket(live.url, None) as socket:
            await socket.say(type="connection_init", payload=payload)
            assert await socket.code() == 4403
    async with a_socket(live.url, KEY) as socket:
        await socket.say(type="connection_init", payload={})
        assert await socket.code() == 4429
    headers = {"Authorization": f"Bearer {KEY}"}
    async with a_socket(live.url, None, additional_headers=headers) as socket:
        await socket.say(type="connection_init")
        assert await socket.hear() == {"type": "connection_ack"}


async def test_pages_of_other_origins_and_other_protocols_are_refused(live: Live) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with a_socket(live.url, None, origin=Origin("https://evil.test")):
            raise AssertionError("it was let in")
    assert refused.value.response.status_code == 403
    async with a_socket(live.url, KEY, origin=Origin(live.url)):
        pass
    async with a_socket(live.url, None, subprotocols=[Subprotocol("graphql-ws")]) as socket:
        assert await socket.code() == 4406


async def test_operations_of_a_socket_are_few_and_have_names_of_their_own(live: Live) -> None:
    async with a_socket(live.url, KEY) as socket:
        for number in range(20):
            await socket.subscribe(str(number), TAIL)
        await socket.subscribe("one too many", TAIL)
        heard = await socket.hear()
        assert (heard["type"], heard["id"]) == ("error", "one too many")
        assert heard["payload"][0]["extensions"]["code"] == "RATE_LIMITED"
        await socket.say(type="complete", id="7")
        await socket.say(type="ping")
        assert await socket.hear() == {"type": "pong"}
        await socket.subscribe("query", "{ viewer { scopes } }")
        assert (await socket.hear())["payload"]["data"] == {"viewer": {"scopes": ["ADMIN"]}}
        assert await socket.hear() == {"type": "complete", "id": "query"}
        await socket.subscribe("0", TAIL)
        assert await socket.code() == 4409


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { nothing }", "BAD_USER_INPUT"),
        ("subscription {", "BAD_USER_INPUT"),
        ('subscription { events(after: "x") { id } }', "BAD_USER_INPUT"),
        ("subscription { customerChanged { kind } }", "BAD_USER_INPUT"),
        ('subscription { customerChanged(id: "x") { kind } }', "BAD_USER_INPUT"),
        ("subscription { events @skip(if: true) { id } }", "BAD_USER_INPUT"),
        ("{ customer { id } }", "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_be_followed_is_refused_and_costs_its_neighbours_nothing(
    live: Live, query: str, code: str
) -> None:
    async with a_socket(live.url, KEY) as socket:
        await socket.subscribe("1", query)
        heard = await socket.hear()
        assert (heard["type"], heard["id"]) == ("error", "1")
        assert heard["payload"][0]["extensions"]["code"] == code
        await socket.subscribe("1", "{ __typename }")
        assert (await socket.hear())["type"] == "next"
    async with a_stream(live.url, KEY, query) as events:
        told = [each async for each in events]
    assert [name for name, _ in told] == ["next", "complete"]
    assert told[0][1]["errors"][0]["extensions"]["code"] == code


async def test_a_stream_of_events_tells_what_a_socket_does(live: Live, poster: Poster) -> None:
    await poster.post(track("streamed"))
    query = 'subscription { events(after: "0", where: {userId: {eq: "streamed"}}) { messageId } }'
    async with a_stream(live.url, KEY, query) as events:
        name, told = await anext(events)
        assert (name, told["data"]) == ("next", {"events": {"messageId": "streamed-0"}})
        await poster.post(track("streamed", 1))
        assert (await anext(events))[1]["data"] == {"events": {"messageId": "streamed-1"}}
    async with a_stream(live.url, KEY, "{ viewer { scopes } }") as events:
        told = [each async for each in events]
    assert told[0][1]["data"] == {"viewer": {"scopes": ["ADMIN"]}}
    assert told[1:] == [("complete", None)]
    headers = {"Accept": "text/event-stream"}
    for sent in ({}, {"Authorization": "Bearer nobody"}):
        async with httpx.AsyncClient(headers=headers | sent) as client:
            answer = await client.post(f"{live.url}/graphql", json={"query": query})
        assert answer.status_code == 401


FIELDS = {
    "events": "events { id }",
    "customerChanged": 'customerChanged(userId: "USER") { kind }',
    "customersChanged": "customersChanged { kind }",
}


@pytest.mark.parametrize("scope", Scope)
async def test_each_subscription_answers_keys_of_its_scope_and_no_others(
    live: Live, poster: Poster, scope: Scope
) -> None:
    assert FIELDS.keys() == SCOPES["Subscription"].keys()
    async with opened(live.database_url) as database:
        tenant, _ = await keys.ensure_workspace(database, "default", NOON)
        key = await a_key(database, tenant.workspace, scope)
    async with writing(poster, f"scope-{scope}"), a_socket(live.url, key) as socket:
        for name, needed in SCOPES["Subscription"].items():
            field = FIELDS[name].replace("USER", f"scope-{scope}")
            await socket.subscribe(name, f"subscription {{ {field} }}")
            while (heard := await socket.hear())["id"] != name:
                pass
            if scope in {needed, Scope.ADMIN}:
                assert heard["type"] == "next"
                await socket.say(type="complete", id=name)
            else:
                assert heard["payload"][0]["extensions"]["code"] == "FORBIDDEN"


async def write_on(poster: Poster, user: str) -> None:
    """Post one event after the other, until cancelled."""
    for number in itertools.count():
        await poster.post(track(user, number))
        await asyncio.sleep(0.1)


@asynccontextmanager
async def writing(poster: Poster, user: str) -> AsyncIterator[None]:
    """See that there is always something to tell."""
    task = asyncio.create_task(write_on(poster, user))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_what_a_revoked_key_follows_ends_within_5_seconds(live: Live, poster: Poster) -> None:
    made = await poster.ask(
        'mutation { createApiKey(input: {name: "short", scopes: [READ]}) { secret apiKey { id } } }'
    )
    secret, number = made["createApiKey"]["secret"], made["createApiKey"]["apiKey"]["id"]
    async with (
        writing(poster, "written"),
        a_socket(live.url, secret) as socket,
        a_stream(live.url, secret, "subscription { events { id } }") as events,
    ):
        await socket.subscribe("1", 'subscription { customerChanged(userId: "nobody") { kind } }')
        await asyncio.sleep(0.2)
        began = time.monotonic()
        await poster.ask(
            f'mutation {{ revokeApiKey(input: {{id: "{number}"}}) {{ userErrors {{ message }} }} }}'
        )
        assert await socket.code() == 4403
        *told, last, completed = [each async for each in events]
        assert time.monotonic() - began < 5
    assert told
    assert last[1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert completed == ("complete", None)
