"""The packages of npm that tests run, installed as their lock has them."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SECONDS_MAX = 100


def run(*command: str, where: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder."""
    return subprocess.run(
        command, cwd=where, capture_output=True, text=True, check=False, timeout=SECONDS_MAX
    )


def installed() -> Path:
    """Return the folder of the packages; skip the test, and say so, without Node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node: NOT CHECKED by the programs that clients use")
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        done = run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", where=HERE)
        if done.returncode:
            pytest.skip(f"npm ci failed, so clients did NOT check anything: {done.stderr[-300:]}")
        stamp.write_text(wanted)
    return HERE / "node_modules"


def node(program: str, *words: str) -> str:
    """Return what a program of ours prints; fail with what it says where it fails."""
    done = run("node", str(HERE / "programs" / program), *words, where=HERE)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
