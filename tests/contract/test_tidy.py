"""The house rules hold in every file, and each rule is seen to bite."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.contract import tidy
from tests.contract.tidy import RULES, Rule, Source

ROOT = Path(__file__).parents[2]

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)


def tracked() -> list[Source]:
    """Return the files that git keeps, as they are on disk now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = (ROOT / name for name in listed.stdout.split("\0") if name)
    return [
        Source(file.relative_to(ROOT).as_posix(), file.read_text(errors="replace"))
        for file in files
        if file.is_file()
    ]


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return tracked()


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@each_rule
def test_every_file_keeps_the_rule(rule: Rule, sources: list[Source]) -> None:
    breaches = [f"{source.path}:{breach}" for source in sources for breach in rule(source)]
    assert not breaches, "\n".join(["", *breaches])


BREACHES = [
    ("files_fit_in_one_sitting", "ingest/fold.py", '"""It folds."""\n' * 401),
    ("functions_fit_on_one_screen", "tests/law.py", "async def f():\n" + "    g()\n" * 50),
    ("names_say_what_a_thing_is", "api/utils.py", ""),
    ("names_say_what_a_thing_is", "api/data/rows.py", ""),
    ("names_say_what_a_thing_is", "api/rows.py", "class RowManager: ..."),
    ("names_say_what_a_thing_is", "api/rows.py", "def _process_row(): ..."),
    ("first_lines_say_the_idea", "api/rows.py", "import re"),
    ("first_lines_say_the_idea", "api/rows.py", '"""Rows"""'),
    ("packages_only_introduce_their_folder", "api/__init__.py", '"""Api."""\nimport re'),
    ("databases_differ_in_one_place", "ingest/store.py", "import sqlite3"),
    ("databases_differ_in_one_place", "ingest/store.py", "from sqlalchemy.dialects import sqlite"),
    ("databases_differ_in_one_place", "ingest/store.py", "a = engine.dialect.name"),
    ("databases_differ_in_one_place", "ingest/store.py", "a = 1 if is_sqlite else 2"),
    ("databases_differ_in_one_place", "ingest/store.py", "a = name == 'postgresql'"),
    ("databases_differ_in_one_place", "ingest/store.py", "if url.startswith('sqlite'): ..."),
    ("databases_differ_in_one_place", "api/a.py", "match name:\n  case 'sqlite': ..."),
    ("nothing_knows_that_it_is_tested", "api/app.py", "if settings.testing: ..."),
    ("nothing_knows_that_it_is_tested", "api/app.py", "import pytest"),
    ("exceptions_to_rules_are_argued", "api/app.py", "a = 1  # " + "noqa"),
    ("exceptions_to_rules_are_argued", "api/app.py", "a = 1  # " + "noqa: S101"),
    ("exceptions_to_rules_are_argued", "api/app.py", "a = 1  # type" + ": ignore[misc]"),
    ("tests_pass_fakes_and_do_not_patch", "tests/a.py", "monkeypatch.setattr(a, 'b', 1)"),
    ("files_hold_on_every_machine", "README.md", "cd /" + "root/calyx"),
    ("files_hold_on_every_machine", "requirements.lock", "https://pypi." + "org/simple"),
]


@pytest.mark.parametrize(("name", "path", "text"), BREACHES)
def test_a_breach_is_found(name: str, path: str, text: str) -> None:
    rule = getattr(tidy, name)
    assert list(rule(Source(path, text)))


def test_every_rule_is_seen_to_bite() -> None:
    assert {name for name, _, _ in BREACHES} == {rule.__name__ for rule in RULES}


LAWFUL = [
    ("api/rows.py", '"""Rows, as they are.\n\nMore of it\n"""\n\ndef dataclass_of(): ...'),
    ("models/dialect.py", '"""The differences."""\nif name == "sqlite": ...'),
    ("api/a.py", '"""A."""\nsql = binder.dialect.text_of(column)'),
    ("api/settings.py", '"""The environment."""\nURL = "sqlite+aiosqlite:///calyx.db"'),
    ("api/app.py", '"""The app."""\nimport re  # ' + "noqa: F401 (it fills the registry)"),
    ("tests/a.py", '"""A."""\ndef test_a_new_process_finds_what_was_left(): ...'),
    ("docs/operate.md", "Back it up: cp calyx.db /mnt/backup/"),
    (tidy.REVISIONS + "0001.py", '"""The first tables."""\n' + "a = 1\n" * 401),
]


@pytest.mark.parametrize(("path", "text"), LAWFUL, ids=[path for path, _ in LAWFUL])
def test_what_is_lawful_passes_every_rule(path: str, text: str) -> None:
    assert [breach for rule in RULES for breach in rule(Source(path, text))] == []


def test_a_module_that_says_it_is_pure_is_held_to_it(
    sources: list[Source], project: dict[str, Any]
) -> None:
    contracts = project["tool"]["importlinter"]["contracts"]
    held = next(c["source_modules"] for c in contracts if c["name"].startswith("pure files"))
    promised = {
        source.path.removesuffix(".py").replace("/", ".")
        for source in sources
        if source.is_product and tidy.says_it_is_pure(source)
    }
    assert promised <= set(held), "add the module to the contract `pure files` in pyproject.toml"


def test_types_are_ignored_at_most_once_in_a_thousand_lines(sources: list[Source]) -> None:
    shipped = [line for s in sources if s.is_product for line in s.text.splitlines()]
    ignored = sum("type: " + "ignore" in line for line in shipped)
    assert ignored <= len(shipped) / 1000
