"""The numbers of several processes, told as those of one."""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Iterable, Iterator, Mapping
from math import isnan

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

BOARD_BYTES = 1024 * 1024
"""Room for the numbers of one process; what does not fit is not told."""

_HEAD_BYTES = 8


class Board:
    """Where a process writes its numbers for the others to read. Make it before they part."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, BOARD_BYTES)

    def write(self, text: bytes) -> None:
        """Put up a text in place of the last."""
        if len(text) + _HEAD_BYTES <= BOARD_BYTES:
            head = len(text).to_bytes(4) + zlib.crc32(text).to_bytes(4)
            self._memory[: _HEAD_BYTES + len(text)] = head + text

    def read(self) -> bytes:
        """Return what stands here; nothing while it is being written."""
        size = int.from_bytes(self._memory[:4])
        text = self._memory[_HEAD_BYTES : _HEAD_BYTES + size]
        whole = zlib.crc32(text) == int.from_bytes(self._memory[4:_HEAD_BYTES])
        return text if whole else b""


def added(texts: Iterable[bytes]) -> bytes:
    """Return the sum of what each text says, in the form it came in.

    Of a lag only the greatest says something, and when something was made says nothing of a sum.
    """
    registry = CollectorRegistry()
    registry.register(_Sum(text.decode() for text in texts))
    return generate_latest(registry)


def counted(text: bytes) -> bytes:
    """Return of a text only what is counted: that stays when the process is gone that counted it."""
    registry = CollectorRegistry()
    registry.register(_Sum([text.decode()], without={"gauge"}))
    return generate_latest(registry)


class _Sum(Collector):
    def __init__(self, texts: Iterable[str], without: Iterable[str] = ()) -> None:
        self._families: dict[str, Metric] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for text in texts:
            for family in text_string_to_metric_families(text):
                if family.type not in without and not family.name.endswith("_created"):
                    self._add(family)

    def collect(self) -> Iterator[Metric]:
        """Yield each sum."""
        for name, family in self._families.items():
            told = Metric(name, family.documentation, family.type)
            for (sample, labels), value in self._values[name].items():
                told.add_sample(sample, dict(labels), value)
            yield told

    def _add(self, family: Metric) -> None:
        self._families.setdefault(family.name, family)
        values = self._values.setdefault(family.name, {})
        for sample in family.samples:
            key = (sample.name, _sorted(sample.labels))
            held = values.get(key)
            if held is None or isnan(held):
                values[key] = sample.value
            elif not isnan(sample.value):
                lag = family.name.endswith("_lag_seconds")
                values[key] = max(held, sample.value) if lag else held + sample.value


def _sorted(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))
