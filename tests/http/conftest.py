"""Fixtures of the tests of HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.http.running import Running, a_calyx


@pytest.fixture
async def calyx(sqlite_url: str) -> AsyncIterator[Running]:
    """Give a running Calyx with a key of each scope."""
    async with a_calyx(sqlite_url) as running:
        yield running


@pytest.fixture
async def anywhere(database_url: str) -> AsyncIterator[Running]:
    """Give a running Calyx on either kind of database, for what it asks of databases itself."""
    async with a_calyx(database_url) as running:
        yield running
