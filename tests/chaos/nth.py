"""Every write path, with each of its SQL calls failing once: the same requests again, and nothing shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from api.auth import Scope
from ingest.replay import dump
from tests.chaos.crew import a_crew
from tests.chaos.grounds import Ground
from tests.chaos.logs import watched_logs
from tests.chaos.plan import Outcome, Plan, Scenario, a_database
from tests.chaos.planted_faults import Faults, When, plant_faults
from tests.cluster.nodes import Broken
from tests.databases import DEFAULT
from tests.http.running import Running, a_calyx
from tests.laws.test_law import plain

TRIES_MAX = 5
# One for each kind of fault on each kind of database: most of the time is waiting for new databases.
_PROCESSES = 6
_AT = "2026-11-23T11:00:00Z"
_LATER = (b'"UNAVAILABLE"', b'"TIMEOUT"')
_ERRORS = "userErrors { code message }"


class Step(NamedTuple):
    """One request, which is sent until it is answered well."""

    path: str
    body: Any


def _event(number: int, **fields: Any) -> dict[str, Any]:
    return {"messageId": f"m{number}", "timestamp": _AT, **fields}


def _mutation(field: str, kind: str, /, **given: Any) -> Step:
    query = f"mutation($i: {kind}!) {{ {field}(input: $i) {{ {_ERRORS} }} }}"
    return Step("/graphql", {"query": query, "variables": {"i": given}})


_FLAG = {"context": {"personas": {"computation_key": "buyers", "computation_class": "audience"}}}
STEPS: Sequence[Step] = (
    Step(
        "/v1/batch",
        {
            "batch": [
                _event(1, type="identify", userId="u1", anonymousId="a1", traits={"plan": "pro"}),
                _event(2, type="track", userId="u1", event="Signed Up", properties={"name": "Ada"}),
                _event(3, type="group", userId="u1", groupId="g1", traits={"name": "Acme"}),
                _event(4, type="track", anonymousId="a2", event="Opened"),
            ]
        },
    ),
    Step("/segment", [_event(1, type="identify", userId="u1", traits={"plan": "other"}), _event(5, type="x")]),
    Step("/v1/alias", _event(6, userId="u1", previousId="a2")),
    Step("/segment", [_event(7, type="identify", userId="u1", traits={"buyers": True}, **_FLAG)]),
    Step(
        "/segment",
        [_event(8, type="identify", userId="u1", traits={"buyers": False}, **_FLAG) | {"timestamp": "2026-11-23T10:00:00Z"}],
    ),
    _mutation("identify", "IdentifyInput", userId="u2", traits={"plan": "pro"}, messageId="m9", timestamp=_AT),
    _mutation("addUserToAccount", "AddUserToAccountInput", userId="u2", groupId="g1", role="admin", messageId="m10", timestamp=_AT),
    _mutation("indexTrait", "IndexTraitInput", key="plan", entity="CUSTOMER", indexed=True),
    Step("/v1/identify", _event(11, userId="u2", traits={"plan": "basic", "seats": 3})),
    _mutation("createApiKey", "CreateApiKeyInput", name="for a page", scopes=["READ"]),
    _mutation("eraseCustomer", "EraseCustomerInput", userId="u1", messageId="m12", timestamp=_AT),
    Step("/segment", [_event(1, type="identify", userId="u1", traits={"plan": "pro"})]),
    Step("/v1/track", _event(13, userId="u2", groupId="g1", event="Account Deleted", context={"groupId": "g1"})),
)  # fmt: skip


async def fail_each(plan: Plan, outcome: Outcome) -> None:
    """Fail each call of the write paths, on both databases, before and after its effect."""
    async with a_crew(plan, alone=plan.quick, processes=_PROCESSES) as (crew, files, rows):
        # A plan of several processes says nothing meanwhile: what it says with is no business of theirs.
        mine = replace(plan, say=_silent)
        asked = [
            (ground, when, mine, Outcome(outcome.name)) for when in When for ground in (rows, files)
        ]
        for part in await crew.do(fail_all_of, asked):
            outcome.did += part.did
            outcome.troubles += part.troubles
    outcome.notes.append(
        f"{len(STEPS)} requests through every door and kind of mutation in each run"
    )


def _silent(_line: str) -> None:
    pass


async def fail_all_of(ground: Ground, when: When, plan: Plan, outcome: Outcome) -> Outcome:
    """Fail one call after the other, on one side of its effect, until there are no more; return what came of it."""
    expected, calls = await without_faults(ground)
    # Where there are to be fewer faults than calls, it is every so-many-th, beginning anywhere.
    step = max(1, 6 * calls // plan.times(60, 6 * calls))
    place = plan.rng(f"{outcome.name}/{when.value}").randrange(step) + 1
    while True:
        faults = Faults(place, when)
        trouble = await fail_one(ground, faults, expected)
        if trouble:
            outcome.troubles.append(f"{ground.name}, call {place} {when.value}: {trouble}")
        if not faults.fired or len(outcome.troubles) > 20:
            return outcome
        outcome.did[f"faults on {ground.name}"] += 1
        place += step


async def fail_one(ground: Ground, faults: Faults, expected: Any) -> str | None:
    """Send everything with one call failing; return what is wrong afterwards, if anything is."""
    async with a_database(ground) as url:
        with watched_logs() as seen:
            async with a_calyx(url) as running:
                plant_faults(running.database, faults)
                faults.armed = True
                trouble = await _send(running)
                faults.armed = False
                told = plain(await dump(running.database, DEFAULT))
        if trouble or seen.lines:
            return trouble or seen.lines[0]
        if told != expected:
            return "the state is not that of a run without faults"
        broken = await ground.broken(url)
        return broken[0] if broken else None


async def without_faults(ground: Ground) -> tuple[Any, int]:
    """Return the state without faults, and how many calls that took."""
    faults = Faults(0, When.BEFORE, armed=True)
    async with a_database(ground) as url, a_calyx(url) as running:
        plant_faults(running.database, faults)
        with watched_logs():
            trouble = await _send(running)
        if trouble:
            raise Broken(f"even without a fault: {trouble}")
        return plain(await dump(running.database, DEFAULT)), faults.calls


async def _send(running: Running) -> str | None:
    """Send every step until it is answered well; return what is wrong if one never is."""
    for step in STEPS:
        trouble = await _send_one(running, step)
        if trouble:
            return f"{step.path} {trouble}"
    return None


async def _send_one(running: Running, step: Step) -> str | None:
    headers = running.key(Scope.ADMIN if step.path == "/graphql" else Scope.INGEST)
    said = ""
    for _ in range(TRIES_MAX):
        answer = await running.post(step.path, json=step.body, headers=headers)
        said = answer.text[:300]
        if answer.status_code == 503 or any(word in answer.content for word in _LATER):
            continue
        is_well = answer.status_code == 200 and b'"errors"' not in answer.content
        return None if is_well else f"was answered {answer.status_code}: {said}"
    return f"never came through: {said}"


SCENARIOS = (
    Scenario(
        "nth-fault",
        "a fault at every SQL call of every write path, before and after its effect",
        "1,000 faults, 0 bad",
        fail_each,
        "log-apart-from-fold",
    ),
)
