"""Store one event, and single identifies meanwhile: `python -m tests.benchmarks.heavy_one URL EVENT`."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from typing import cast

from ingest.accept import Door, Ingest
from models.database import Database, open_database, spare_memory_statistics
from models.values import Workspace
from tests.store.between import Between

SENDERS = 4
_BEFORE_S = 1.0


class Others:
    """Those who send one message after the other, and how long each of them waited at most."""

    def __init__(self, ingest: Ingest, workspace: Workspace) -> None:
        self._ingest = ingest
        self._workspace = workspace
        self.stopped = False
        self.sent = 0
        self.longest_s = 0.0

    async def send(self, sender: int) -> None:
        """Send until it is stopped."""
        while not self.stopped:
            user = f"beside-{sender}-{self.sent}"
            body = {"type": "identify", "userId": user, "traits": {"plan": "pro"}}
            begun = time.perf_counter()
            await post(self._ingest, self._workspace, body)
            self.longest_s = max(self.longest_s, time.perf_counter() - begun)
            self.sent += 1


async def post(ingest: Ingest, workspace: Workspace, body: object) -> None:
    """Store one message as Segment's door does."""
    now = time.time_ns() // 1_000
    said = json.dumps(body).encode()
    await ingest.deliver(workspace, said, door=Door.SEGMENT, received_at=now)


async def measure(url: str, event: object) -> dict[str, float]:
    """Return what an event comes to in the database at `url`."""
    database = await open_database(url)
    try:
        return await _measured(database, event)
    finally:
        await database.close()


async def _measured(database: Database, event: object) -> dict[str, float]:
    between = Between(database)
    ingest = Ingest(cast("Database", between))
    ingest.start()
    [(number, name)] = await database.read("SELECT id, name FROM workspaces")
    workspace = Workspace(number, name)
    others = Others(ingest, workspace)
    sending = [asyncio.create_task(others.send(sender)) for sender in range(SENDERS)]
    # Until all that is made for the first is there.
    await asyncio.sleep(_BEFORE_S)
    others.longest_s, others.sent, before = 0.0, 0, memory_mb()
    begun = time.perf_counter()
    await post(ingest, workspace, event)
    seconds = time.perf_counter() - begun
    others.stopped = True
    await asyncio.gather(*sending)
    await ingest.close()
    return {
        "seconds": seconds,
        "longest_wait_ms": 1_000 * others.longest_s,
        "others": others.sent,
        "rows": sum(rows for _, rows in between.read_rows),
        "memory_mb": memory_mb(),
        "memory_before_mb": before,
    }


def memory_mb() -> float:
    """Return the most memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    spare_memory_statistics()
    print(json.dumps(asyncio.run(measure(sys.argv[1], json.loads(sys.argv[2])))))
