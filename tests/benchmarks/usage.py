"""What processes cost besides time: bytes that they wrote, and memory that they held."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def written_bytes(pid: int) -> int:
    """Return what a process and those it started, while they live, gave to the disks."""
    return sum(_number(one / "io", "write_bytes") for one in _with_children(pid))


def peak_memory_mb(pid: int) -> float:
    """Return the most that a process, or one of those it started, ever held, in MB."""
    most = max(_number(one / "status", "VmHWM") for one in _with_children(pid))
    return most / 1024


def _with_children(pid: int) -> Iterator[Path]:
    process = Path(f"/proc/{pid}")
    yield process
    # One that ends meanwhile is left out.
    with suppress(FileNotFoundError, ProcessLookupError):
        for thread in (process / "task").iterdir():
            for child in (thread / "children").read_text().split():
                yield from _with_children(int(child))


def _number(file: Path, name: str) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in file.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
    return 0
