"""The cluster, what is done to it while clients post and read, and what it must have left."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from models.migrate import upgrade
from tests.cluster.balancer import balancing
from tests.cluster.load import PACE_SECONDS, Load, Tally
from tests.cluster.nodes import Broken, Node, stop
from tests.cluster.oracle import Verdict, judge, longest_gap
from tests.cluster.relay import Relay
from tests.postgres import Server, free_port, primary, replica

Say = Callable[[str], None]

KEY = "key-of-the-cluster"
STALL_SECONDS = 0.5
"""For how long the link to the standby passes nothing on before the primary dies: the worst moment."""

OUTAGE_SECONDS = 1.0
"""From a death to what is done about it: what watches over servers must first be sure."""

_QUIET_SECONDS = 1.0
_SYNCHRONOUS_SECONDS_MAX = 20
# What is shared in files is gone with the folder, also after kill -9.
_DURABLE = (
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "dynamic_shared_memory_type=mmap",
)
# Customers of whom the state is not what the newest message in the log says.
_STALE = """
select count(*) from (
  select distinct on (whom) whom, body::jsonb #>> '{traits,mark}' as mark
  from events where type = 1 order by whom, at desc
) newest
join identities i on i.id = newest.whom
join customers c on c.id = i.customer_id
where c.traits::jsonb ->> 'mark' is distinct from newest.mark
"""


@dataclass(frozen=True)
class Plan:
    """What the command was asked for."""

    seed: int
    seconds: float
    synchronous: bool = True
    balancer: str | None = None
    nodes: int = 2
    outage_seconds: float = OUTAGE_SECONDS
    pace_seconds: float = PACE_SECONDS


@dataclass(frozen=True)
class Result:
    """One scenario: what clients saw and what the log has."""

    name: str
    verdict: Verdict
    reads: int
    gap_s: float
    read_gap_s: float
    tally: Tally

    @property
    def is_well(self) -> bool:
        """Return whether nothing was lost or doubled, and nobody got an answer that nobody should."""
        return self.verdict.is_well and not self.tally.unexpected


@dataclass
class Cluster:
    """Two nodes behind a balancer, and two databases of which one follows the other."""

    plan: Plan
    say: Say
    first: Server
    second: Server
    link: Relay
    nodes: list[Node]
    port: int

    async def leave_alone(self) -> None:
        """Do nothing."""

    async def kill_node(self) -> None:
        """Kill a node and start it again."""
        node = self.nodes[0]
        await asyncio.to_thread(node.kill)
        self.say(f"{node.name} is killed (kill -9)")
        await asyncio.sleep(self.plan.outage_seconds)
        await node.start()
        self.say(f"{node.name} serves again")

    async def kill_primary(self) -> None:
        """Kill the primary while its link to the standby stalls, then promote the standby."""
        self.link.stall()
        self.say("the link between the databases stalls")
        await asyncio.sleep(STALL_SECONDS)
        await asyncio.to_thread(self.first.kill)
        self.link.cut()
        self.say("the primary is killed (kill -9); what was on the link is lost")
        await asyncio.sleep(self.plan.outage_seconds)
        await asyncio.to_thread(self.second.promote)
        self.say("the standby is promoted")

    async def errors(self) -> list[str]:
        """Return what the nodes logged as faults of their own."""
        return [line for node in self.nodes for line in node.errors()]

    async def run(self, name: str, disturb: Callable[[], Awaitable[None]]) -> Result:
        """Disturb the cluster under load; return what became of it."""
        self.say(f"{name}: load begins")
        seed = f"{self.plan.seed}.{name.replace(' ', '-')}"
        load = Load(self.port, KEY, seed, self.plan.pace_seconds)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            await asyncio.sleep(self.plan.seconds * 0.3)
            await disturb()
            over_at = load.tally.began + self.plan.seconds
            await asyncio.sleep(max(_QUIET_SECONDS, over_at - time.monotonic()))
            load.stop()
        return await self._result(name, load.tally)

    async def stale(self) -> int:
        """Return of how many customers the state is not what the log says."""
        return int((await _ask(self._writable, _STALE))[0][0])

    @property
    def _writable(self) -> str:
        alive = (self.first.folder / "postmaster.pid").exists()
        return (self.first if alive else self.second).url + "/calyx"

    async def _result(self, name: str, tally: Tally) -> Result:
        prefix = tally.sent[0][0].rsplit(".", 2)[0]
        sql = "select message_id from events where starts_with(message_id, $1)"
        rows = await _ask(self._writable, sql, f"{prefix}.")
        return Result(
            name,
            judge(tally.sent, tally.acknowledged, [row[0] for row in rows]),
            len(tally.read_at),
            longest_gap(tally.acknowledged_at, tally.began, tally.ended),
            longest_gap(tally.read_at, tally.began, tally.ended),
            tally,
        )


@asynccontextmanager
async def cluster(plan: Plan, say: Say) -> AsyncIterator[Cluster]:
    """Start everything in temporary folders; stop it all in the end."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="calyx-cluster-")))
        first, second, link = await _databases(plan, stack)
        say(f"PostgreSQL: primary at {first.port}, standby at {second.port}")
        settings = _settings(first, second)
        await upgrade(settings["CALYX_DATABASE_URL"])
        names = [f"node {n}" for n in range(1, plan.nodes + 1)]
        nodes = [Node(name, free_port(), folder, settings) for name in names]
        stack.callback(stop, nodes)
        async with asyncio.TaskGroup() as tasks:
            for node in nodes:
                tasks.create_task(node.start())
        ports = [node.port for node in nodes]
        port = await stack.enter_async_context(balancing(plan.balancer, ports, folder))
        say(f"calyx serve at {ports}, balanced at {port}")
        yield Cluster(plan, say, first, second, link, nodes, port)


async def _databases(plan: Plan, stack: AsyncExitStack) -> tuple[Server, Server, Relay]:
    """Start a primary and a standby that follows it over a link which can fail."""
    first = await asyncio.to_thread(stack.enter_context, primary(*_DURABLE))
    await _tell(first, "CREATE DATABASE calyx")
    link, port = Relay([first.port]), free_port()
    await stack.enter_async_context(link.listening(port))
    source = f"host=127.0.0.1 port={port} user=calyx application_name=standby"
    following = replica(first, *_DURABLE, f"primary_conninfo={source}")
    second = await asyncio.to_thread(stack.enter_context, following)
    # Not before it is there: until then nothing could be committed.
    names = "standby" if plan.synchronous else ""
    await _tell(first, f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
    await _tell(first, "SELECT pg_reload_conf()")
    wanted = "sync" if plan.synchronous else "async"
    for _ in range(_SYNCHRONOUS_SECONDS_MAX * 10):
        rows = await _ask(f"{first.url}/postgres", "SELECT sync_state FROM pg_stat_replication")
        if [row[0] for row in rows] == [wanted]:
            return first, second, link
        await asyncio.sleep(0.1)
    raise Broken("the standby does not follow the primary")


def _settings(first: Server, second: Server) -> dict[str, str]:
    """Return the settings of a node: it knows both databases, and finds the one that may be written."""
    both = f"host=127.0.0.1:{first.port},127.0.0.1:{second.port}"
    url = f"postgresql+asyncpg://calyx@/calyx?{both}&target_session_attrs="
    return {
        "CALYX_DATABASE_URL": url + "primary",
        "CALYX_READ_DATABASE_URL": url + "prefer-standby",
        "CALYX_ADMIN_KEY": KEY,
        "CALYX_LOG_FORMAT": "json",
        "CALYX_LOG_LEVEL": "warning",
    }


async def _tell(server: Server, sql: str) -> None:
    await _ask(f"{server.url}/postgres", sql)


async def _ask(url: str, sql: str, *args: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        return await connection.fetch(sql, *args)
    finally:
        await connection.close()
