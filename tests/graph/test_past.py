"""A customer or an account as of a moment is the fold of what happened up to then, whatever came later."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.limits import GraphLimits
from tests.databases import DEFAULT
from tests.graph.graphs import Asking, a_graph, add_workspace
from tests.graph.oracle_types import moment
from tests.graph.test_history import filled
from tests.laws import model
from tests.laws.histories import BASE_US, SECOND_US

SEEDS = range(8)
MOMENTS = (5, 20, 30, 45, 60, 5_000)
SHARED = """id name firstSeenAt lastSeenAt traits traitEntries { key setAt messageId origin }
  audiences { key member since origin computationId intervals { enteredAt leftAt } }"""
CUSTOMER = f"""{SHARED} userId anonymousIds aliases email firstName lastName phone title avatar signedUpAt
  accounts(first: 50) {{ edges {{ role joinedAt node {{ {SHARED} groupId }} }} }}
  events(first: 50) {{ nodes {{ id position timestamp customer {{ userId }} account {{ groupId }} }} }}"""
ACCOUNT = f"""{SHARED} groupId website industry employees plan createdAt deletedAt
  members(first: 50) {{ edges {{ role joinedAt node {{ {SHARED} userId anonymousIds aliases }} }} }}"""
THEN = f"""query($user: String, $device: String, $at: DateTime) {{
  customer(userId: $user, anonymousId: $device, asOf: $at) {{ {CUSTOMER} }} }}"""
FIRM = f"query($group: String!, $at: DateTime) {{ account(groupId: $group, asOf: $at) {{ {ACCOUNT} }} }}"
USERS, DEVICES, GROUPS = ("u1", "u2", "u3"), ("a1", "a2", "a3"), ("g1", "g2", "g")
MOMENTS_OF = ("firstSeenAt", "lastSeenAt", "signedUpAt", "createdAt", "deletedAt")


def shared(known: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return what the model knows of a profile, as the API tells it."""
    told = {name: known[name] for name in names}
    told |= {name: moment(known[name]) for name in MOMENTS_OF if name in names}
    told["traits"] = {key: each["value"] for key, each in known["traits"].items()}
    told["traitEntries"] = [
        {"key": k, "setAt": moment(e["setAt"]), "messageId": e["messageId"], "origin": e["origin"]}
        for k, e in sorted(known["traits"].items(), key=lambda one: one[0].encode())
    ]
    told["audiences"] = [
        {
            "key": key,
            **{name: flag[name] for name in ("member", "origin", "computationId")},
            "since": moment(flag["since"]),
            "intervals": [
                {"enteredAt": moment(start), "leftAt": moment(end)}
                for start, end in flag["intervals"]
            ],
        }
        for key, flag in sorted(known["audiences"].items(), key=lambda one: one[0].encode())
    ]
    return told


PERSON = ("userId", "anonymousIds", "aliases", "name", "firstSeenAt", "lastSeenAt")
PERSON_ALL = (*PERSON, "email", "firstName", "lastName", "phone", "title", "avatar", "signedUpAt")
COMPANY = ("name", "firstSeenAt", "lastSeenAt")
COMPANY_ALL = (*COMPANY, "website", "industry", "employees", "plan", "createdAt", "deletedAt")


def plain(value: Any) -> str:
    """Return a value as JSON with its keys in order."""
    return json.dumps(value, sort_keys=True)


def edges(found: Any, name: str) -> list[str]:
    """Return the rows of a list, in no order."""
    return sorted(plain(edge) for edge in found[name]["edges"])


def without_ids(value: Any) -> Any:
    """Return an answer without what the model has no name for."""
    if isinstance(value, list):
        return [without_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: without_ids(each) for key, each in value.items() if key != "id"}


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_customer_then_is_the_fold_of_what_happened_until_then(
    database_url: str, seed: int
) -> None:
    async with a_graph(database_url) as asking:
        history = await filled(asking, seed)
        for second in MOMENTS:
            at = BASE_US + second * SECOND_US
            known = model.as_of(history, at)
            for name in (*USERS, *DEVICES):
                key = "user" if name in USERS else "device"
                data = await asking.get(THEN, {key: name, "at": moment(at)})
                who = [
                    each
                    for rep, each in known["customers"].items()
                    if name in ([each["userId"], *each["aliases"]] if key == "user" else [])
                    or (key == "device" and (name in each["anonymousIds"]))
                ]
                found = without_ids(data["customer"])
                if not who:
                    # Named by an alias alone, or by nothing yet.
                    assert found is None or name not in found["anonymousIds"]
                    continue
                [expected] = who
                accounts = [
                    {
                        "role": place["role"],
                        "joinedAt": moment(place["joinedAt"]),
                        "node": {**shared(known["accounts"][group], COMPANY), "groupId": group},
                    }
                    for group, place in expected["accounts"].items()
                ]
                assert edges(found, "accounts") == sorted(map(plain, accounts))
                found.pop("accounts"), found.pop("events")
                assert plain(found) == plain(shared(expected, PERSON_ALL)), (name, second)


@pytest.mark.parametrize("seed", SEEDS)
async def test_an_account_then_is_the_fold_of_what_happened_until_then(
    database_url: str, seed: int
) -> None:
    async with a_graph(database_url) as asking:
        history = await filled(asking, seed)
        for second in MOMENTS:
            at = BASE_US + second * SECOND_US
            known = model.as_of(history, at)
            for group in GROUPS:
                data = await asking.get(FIRM, {"group": group, "at": moment(at)})
                found = without_ids(data["account"])
                if group not in known["accounts"]:
                    assert found is None
                    continue
                members = [
                    {
                        "role": each["accounts"][group]["role"],
                        "joinedAt": moment(each["accounts"][group]["joinedAt"]),
                        "node": shared(each, PERSON),
                    }
                    for each in known["customers"].values()
                    if group in each["accounts"]
                ]
                assert edges(found, "members") == sorted(map(plain, members))
                found.pop("members")
                expected = {**shared(known["accounts"][group], COMPANY_ALL), "groupId": group}
                assert plain(found) == plain(expected), (group, second)


@pytest.mark.parametrize("seed", range(2))
async def test_as_of_the_end_of_time_is_now_ids_and_places_in_the_log_included(
    database_url: str, seed: int
) -> None:
    async with a_graph(database_url) as asking:
        await filled(asking, seed)
        for query, variables in (
            *((THEN, {"user": name}) for name in USERS),
            *((THEN, {"device": name}) for name in DEVICES),
            *((FIRM, {"group": name}) for name in GROUPS),
        ):
            now = await asking.get(query, variables)
            then = await asking.get(query, {**variables, "at": "9999-01-01T00:00:00Z"})
            assert then == now


@pytest.mark.parametrize("seed", SEEDS)
async def test_who_was_in_an_audience_then_is_who_the_flags_of_now_say_was(
    database_url: str, seed: int
) -> None:
    async with a_graph(database_url) as asking:
        known = model.state(await filled(asking, seed))
        keys = {key for each in known["customers"].values() for key in each["audiences"]}
        query = """query($key: String!, $at: DateTime) { audience(key: $key) {
          customers(first: 50, asOf: $at) { edges { since node { userId anonymousIds } } } } }"""
        for key in sorted(keys):
            for second in MOMENTS:
                at = BASE_US + second * SECOND_US
                data = await asking.get(query, {"key": key, "at": moment(at)})
                expected = [
                    plain(
                        {
                            "since": moment(start),
                            "node": {name: each[name] for name in ("userId", "anonymousIds")},
                        }
                    )
                    for each in known["customers"].values()
                    if key in each["audiences"]
                    for start, end in each["audiences"][key]["intervals"]
                    if start <= at and (end is None or at < end)
                ]
                assert edges(data["audience"], "customers") == sorted(expected)


async def test_what_cannot_be_in_the_statement_leaves_the_rest_in_one(world: Asking) -> None:
    query = """query($at: DateTime!, $type: String!) {
      a: customers(first: 2) { nodes { id } }
      type: __type(name: $type) { name }
      then: customer(userId: "u7", asOf: $at) { id }
      type: __type(name: $type) { kind }
      b: viewer { workspace { name } }
      __typename
    }"""
    world.database.asked.clear()
    given = {"at": "2026-03-01T00:00:00Z", "type": "Customer"}
    answer = await world.answer(query, given)
    data = json.loads(answer.body)["data"]
    assert list(data) == ["a", "type", "then", "b", "__typename"]
    assert data["type"] == {"name": "Customer", "kind": "OBJECT"}
    assert data["b"] == {"workspace": {"name": DEFAULT.name}}
    # One for all that can be, and one that reads the log.
    assert len(world.database.asked) == 2


async def test_a_past_of_too_many_events_is_refused_with_the_number(database_url: str) -> None:
    async with a_graph(database_url, GraphLimits(history_events_max=3)) as asking:
        await add_workspace(asking.database.inner, DEFAULT)
        await asking.deliver(
            [
                {"type": "identify", "userId": "u", "messageId": f"m{n}", "timestamp": n + 10}
                for n in range(5)
            ]
        )
        query = 'query($at: DateTime!) { customer(userId: "u", asOf: $at) { id } }'
        found = await asking.ask(query, {"at": "2026-01-01T00:00:00Z"})
        assert found["errors"][0]["extensions"]["code"] == "COST_LIMIT"
        assert "5 events" in found["errors"][0]["message"]
        assert await asking.get(query, {"at": "1970-01-01T00:00:12Z"}) != {"customer": None}
        assert await asking.get(query, {"at": "1970-01-01T00:00:09Z"}) == {"customer": None}


async def test_a_past_that_takes_too_long_is_given_up(sqlite_url: str) -> None:
    async with a_graph(sqlite_url, GraphLimits(seconds_max=0.05)) as asking:
        await add_workspace(asking.database.inner, DEFAULT)
        await asking.deliver(
            [{"type": "page", "userId": "u", "timestamp": n} for n in range(4_000)]
        )
        query = 'query { customer(userId: "u", asOf: "2026-01-01T00:00:00Z") { id } }'
        assert await asking.code(query) == "TIMEOUT"
