"""Starts servers within milliseconds: a process that has everything imported, and forks.

A thousand kills need a thousand servers, and importing Calyx takes longer than killing it. It reads a
line of JSON for each on its standard input and answers with a line: a process id, or an exit code.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from api import cli
from tests.chaos import planted


def main() -> None:
    """Start and await servers until nobody asks any more."""
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _forked(asked) if "command" in asked else _ended(asked["wait"])
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _forked(asked: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        code = _serve(asked)
    finally:
        # Whatever happens, there must not be two nurseries.
        os._exit(code)


def _serve(asked: dict[str, Any]) -> int:
    os.setsid()
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for place, file in enumerate((nothing, log, log)):
        os.dup2(file, place)
    os.chdir(asked["folder"])
    os.environ.update(asked["settings"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if asked["planted"]:
        planted.plant(asked["planted"])
    try:
        cli.app(asked["command"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def _ended(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
