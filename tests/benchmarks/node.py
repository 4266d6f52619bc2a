"""The peers that run on Node: what they need is installed beside them, once, as their lock has it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

_INSTALL = ("npm", "ci", "--no-audit", "--no-fund")
# One of the packages may have to be compiled.
_INSTALL_SECONDS_MAX = 900
_WORDS_SHOWN = 300


def absence(peer: Path, say: Callable[[str], None], *, installs: bool) -> str | None:
    """Return why a peer cannot run; None once it can, its packages installed if need be."""
    if shutil.which("node") is None:
        return "there is no `node` on this machine"
    stamp = peer / "node_modules" / "installed"
    wanted = _wanted(peer)
    if stamp.exists() and stamp.read_text() == wanted:
        return None
    if not installs:
        return "its packages are not installed; a run without --quick does that"
    say(f"installing what {peer.name} needs, once; this may take minutes")
    if (failure := _install(peer)) is None:
        stamp.write_text(wanted)
    return failure


def _install(peer: Path) -> str | None:
    """Install the packages of a peer; return what went wrong, if anything did."""
    if shutil.which("npm") is None:
        return "there is no `npm` on this machine"
    try:
        done = subprocess.run(
            _INSTALL,
            cwd=peer,
            capture_output=True,
            text=True,
            check=False,
            timeout=_INSTALL_SECONDS_MAX,
        )
    except subprocess.TimeoutExpired:
        return f"`{' '.join(_INSTALL)}` took longer than {_INSTALL_SECONDS_MAX} s"
    if done.returncode:
        # One line: it becomes one of a list.
        words = " ".join(done.stderr.split())
        return f"`{' '.join(_INSTALL)}` failed: {words[-_WORDS_SHOWN:]}"
    return None


def versions(peer: Path) -> dict[str, str]:
    """Return the version of Node and of each package that a peer names."""
    packages: dict[str, str] = json.loads((peer / "package.json").read_text())["dependencies"]
    return {"Node": _node().removeprefix("v"), **packages}


def _wanted(peer: Path) -> str:
    """Return what tells one installation from another: the lock, and the Node it was compiled for."""
    lock = hashlib.sha256((peer / "package-lock.json").read_bytes()).hexdigest()
    return f"{lock} {_node()}"


def _node() -> str:
    asked = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()
