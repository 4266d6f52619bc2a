"""Fixtures of the tests of HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.held import database_url, held_to_the_log
from tests.http.running import Running, a_calyx

__all__ = ["database_url", "held_to_the_log"]


@pytest.fixture
async def calyx(database_url: str) -> AsyncIterator[Running]:
    """Give a running Calyx with a key of each scope: one on a file, two side by side on a server."""
    async with a_calyx(database_url) as running:
        yield running


@pytest.fixture
async def one_calyx(database_url: str) -> AsyncIterator[Running]:
    """Give a single one on a database of either kind, for what each counts and says of itself."""
    async with a_calyx(database_url, nodes=1) as running:
        yield running


@pytest.fixture
async def on_a_file(sqlite_url: str) -> AsyncIterator[Running]:
    """Give a running Calyx on a SQLite file, which the test has in its hands too."""
    async with a_calyx(sqlite_url) as running:
        yield running
