"""What several kinds of test stand on: a database of their own, already migrated."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.databases import Template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A migrated database with the workspace `default`, to be copied for each test."""
    made = Template(tmp_path_factory.mktemp("template") / "calyx.db")
    asyncio.run(made.make())
    return made


@pytest.fixture
def database_url(template: Template, tmp_path: Path) -> str:
    """A database of this test's own."""
    return template.copy(tmp_path / "calyx.db")
