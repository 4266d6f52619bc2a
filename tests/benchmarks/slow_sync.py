"""A disk that is slower than this one: a library that lets each sync take longer."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from tests.benchmarks.comparison import Broken
from tests.benchmarks.servers import environment

MORE_MS = 2

_SOURCE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int later(const char *name, int file) {
    struct timespec more = {0, MORE_NS};
    nanosleep(&more, 0);
    int (*sync)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    return sync(file);
}

int fsync(int file) { return later("fsync", file); }
int fdatasync(int file) { return later("fdatasync", file); }
"""
_SYNCS = """
import os, sys, time
with open(sys.argv[1], "wb") as file:
    for _ in range(20):
        file.write(bytes(4096))
        file.flush()
        begun = time.perf_counter()
        os.fdatasync(file.fileno())
        print(1_000 * (time.perf_counter() - begun))
"""


def settings(folder: Path) -> dict[str, str] | None:
    """Return the environment in which syncs take MORE_MS more; None where there is no C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    source, library = folder / "slow_sync.c", folder / "slow_sync.so"
    source.write_text(_SOURCE)
    command = [compiler, "-shared", "-fPIC", f"-DMORE_NS={MORE_MS * 1_000_000}L"]
    command += ["-o", str(library), str(source), "-ldl"]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode:
        raise Broken(f"the library that makes syncs slow does not compile: {made.stderr.strip()}")
    return {"LD_PRELOAD": str(library)}


def sync_ms(folder: Path, slow: dict[str, str]) -> float:
    """Return how long a small write takes to become durable in such an environment: the median."""
    command = [sys.executable, "-c", _SYNCS, str(folder / "slowly")]
    done = subprocess.run(
        command, env=environment(slow), capture_output=True, text=True, check=True
    )
    return median(float(line) for line in done.stdout.split())
