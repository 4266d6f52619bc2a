"""The balancer before the nodes: haproxy where it is installed, else one of our own."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from tests.cluster.nodes import Broken, begun, last_words
from tests.cluster.relay import Relay
from tests.postgres import free_port

KINDS = ("haproxy", "own")
_START_SECONDS_MAX = 5
_SBIN = ("/usr/sbin/haproxy", "/usr/local/sbin/haproxy")

# As docs/operate.md has it. Those that are not ready are last resort: they answer 503 themselves,
# and queries from a replica.
_HAPROXY = """\
defaults
  mode tcp
  timeout connect 1s
  timeout client 60s
  timeout server 60s
  retries 2
  option redispatch
  option allbackups
  default-server inter 500ms fall 2 rise 1

listen calyx
  bind 127.0.0.1:{port}
  balance leastconn
  option httpchk GET /readyz
  http-check expect status 200
{servers}
"""


def find_haproxy() -> str | None:
    """Return where haproxy is; None where it is not."""
    # Its folder is not on the path of everybody.
    found = shutil.which("haproxy")
    return found or next((place for place in _SBIN if Path(place).exists()), None)


@asynccontextmanager
async def balancing(kind: str | None, nodes: Sequence[int], folder: Path) -> AsyncIterator[int]:
    """Balance between ports; give the port that clients call. `kind` None takes what is there."""
    port = free_port()
    if kind == "own" or (kind is None and find_haproxy() is None):
        async with Relay(nodes).listening(port):
            yield port
        return
    binary = find_haproxy()
    if binary is None:
        raise Broken("no haproxy: install it (apt-get install haproxy), or say --balancer own")
    async with _haproxy(binary, port, nodes, folder):
        yield port


@asynccontextmanager
async def _haproxy(
    binary: str, port: int, nodes: Sequence[int], folder: Path
) -> AsyncIterator[None]:
    servers = [f"  server node{n} 127.0.0.1:{node} check" for n, node in enumerate(nodes, 1)]
    servers += [f"  server last{n} 127.0.0.1:{node} backup" for n, node in enumerate(nodes, 1)]
    (folder / "haproxy.cfg").write_text(_HAPROXY.format(port=port, servers="\n".join(servers)))
    log = folder / "haproxy.log"
    running = begun([binary, "-db", "-f", "haproxy.cfg"], log, folder)
    try:
        if not await _listens(running, port):
            raise Broken(f"haproxy does not start:\n{last_words(log)}")
        yield
    finally:
        running.kill()
        running.wait()


async def _listens(running: subprocess.Popen[bytes], port: int) -> bool:
    for _ in range(_START_SECONDS_MAX * 20):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return running.poll() is None
    return False
