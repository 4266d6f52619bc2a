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

# The file that operators start from, with the addresses of this machine.
CONFIGURATION = Path(__file__).parents[2] / "deploy/haproxy.cfg"
_ADDRESSES = ("10.0.0.11:8000", "10.0.0.12:8000")


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
    text = CONFIGURATION.read_text().replace("bind :8000", f"bind 127.0.0.1:{port}")
    for address, node in zip(_ADDRESSES, nodes, strict=True):
        text = text.replace(address, f"127.0.0.1:{node}")
    (folder / "haproxy.cfg").write_text(text)
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
