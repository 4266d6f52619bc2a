"""What the documents say is there is there: paths, tests, decisions, types, verbs, settings."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from api import cli
from api.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
ARCHITECTURE = ROOT / "docs/architecture.md"
DECISIONS = sorted((ROOT / "docs/decisions").glob("*.md"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISION_LINES_MAX = 22

_FOLDERS = "api|ingest|models|tests|docs|\\.ci"
_PATHS = (
    re.compile(rf"(?<![\w/.-])(?:{_FOLDERS})/[\w./-]*"),
    re.compile(r"`([\w.-]+\.(?:py|md|toml|lock|graphql|yaml))`"),
)
_LINK = re.compile(r"\]\(([^)\s]+)[^)]*\)")
_TEST = re.compile(r"(?<!/)\btest_\w+\b(?!\.py)")
_TEST_FILE = re.compile(r"tests/[\w/]+/test_\w+\.py")
_PARTS = ("What", "Why", "Cost", "What would change our mind")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
each_decision = pytest.mark.parametrize("record", DECISIONS, ids=lambda record: record.name[:4])


def section(page: str, *titles: str) -> str:
    """Return the text below these headings of a page of `docs`."""
    text = (ROOT / "docs" / page).read_text()
    parts = {part.split("\n", 1)[0]: part for part in text.split("\n## ")}
    return "\n".join(parts[title] for title in titles)


@each_page
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    named = {found.strip("`").rstrip(".") for one in _PATHS for found in one.findall(text)}
    linked = {found.split("#")[0] for found in _LINK.findall(text) if ":" not in found}
    missing = {path for path in named if not (ROOT / path).exists()}
    missing |= {path for path in linked if not (page.parent / path).exists()}
    assert missing == set()


@each_page
def test_every_test_that_a_page_names_is_in_the_files_beside_it_or_anywhere(page: Path) -> None:
    everywhere = list((ROOT / "tests").rglob("test_*.py"))
    for line in page.read_text().splitlines():
        if names := _TEST.findall(line):
            files = [ROOT / file for file in _TEST_FILE.findall(line)] or everywhere
            tests = "".join(file.read_text() for file in files)
            for name in names:
                assert f"def {name}(" in tests, name


@each_page
def test_every_name_that_a_page_places_in_a_file_is_there(page: Path) -> None:
    text = " ".join(page.read_text().split())
    for name, file in re.findall(r"`([\w.]+)` in `([\w/.]+\.py)`", text):
        assert re.search(rf"\b{re.escape(name)}\b", (ROOT / file).read_text()), f"{name}: {file}"


@each_page
def test_every_setting_that_a_page_names_is_one(page: Path) -> None:
    settings = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", page.read_text())) - settings == set()


def test_decisions_are_numbered_without_gaps_and_architecture_leads_to_each() -> None:
    numbers = [record.name[:4] for record in DECISIONS]
    assert numbers == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]
    linked = re.findall(r"\]\(decisions/([^)]+)\)", ARCHITECTURE.read_text())
    assert sorted(set(linked)) == [record.name for record in DECISIONS]


@each_decision
def test_a_decision_says_what_why_the_cost_and_what_would_change_our_mind(record: Path) -> None:
    title, date, *parts = record.read_text().strip().split("\n\n")
    assert re.fullmatch(rf"# {record.name[:4]}: \S.+", title)
    assert re.fullmatch(r"20\d\d-\d\d, (?:accepted|superseded by \d{4})\.", date)
    assert [part.split(".**")[0].removeprefix("**") for part in parts] == list(_PARTS)
    assert len(record.read_text().splitlines()) <= DECISION_LINES_MAX


def test_each_decision_of_the_architecture_says_the_same_four_things() -> None:
    _, *decisions = section("architecture.md", "Decisions").split("\n### ")
    assert decisions
    for decision in decisions:
        assert re.findall(r"^- \*\*(.+?)\.\*\*", decision, re.MULTILINE) == list(_PARTS), decision


def test_each_law_names_the_files_and_the_tests_that_hold_it() -> None:
    rows = re.findall(
        r"^\| (.+) \| (.+) \| (.+) \|$",
        section("architecture.md", "What holds it"),
        re.MULTILINE,
    )
    laws = [row for row in rows if row[0] != "Law"]
    assert laws
    for law, files, tests in laws:
        assert re.search(r"`[\w./]+`", files), law
        assert _TEST.search(tests), law
        assert _TEST_FILE.search(tests), law


def test_the_glossary_has_each_type_of_the_schema_and_no_other() -> None:
    schema = (ROOT / "schema.graphql").read_text()
    types = re.findall(r"^(?:type|interface|input|enum|scalar|union) (\w+)", schema, re.MULTILINE)
    told = section("glossary.md", "What there is", "What there is to choose from", "Forms")
    assert sorted(re.findall(r"`([A-Z][A-Za-z]+)`", told)) == sorted(types)


def test_each_verb_of_the_glossary_is_a_function_where_it_says() -> None:
    rows = re.findall(
        r"^\| (\w+) \| .+ \| `(\S+)` \|$",
        section("glossary.md", "What the house does"),
        re.MULTILINE,
    )
    assert rows
    for verb, file in rows:
        code = (ROOT / file).read_text()
        assert re.search(rf"\bdef _?{verb}(?:_\w+)?\(", code), verb


def test_the_changelog_names_each_query_mutation_and_command() -> None:
    schema = (ROOT / "schema.graphql").read_text()
    roots = re.findall(r"^type (?:Query|Mutation) \{\n(.+?)^\}", schema, re.MULTILINE | re.DOTALL)
    fields = [name for root in roots for name in re.findall(r"^  (\w+)[(:]", root, re.MULTILINE)]
    group: Any = typer.main.get_command(cli.app)
    told = (ROOT / "CHANGELOG.md").read_text()
    for name in fields:
        assert f"`{name}`" in told, name
    for name in group.commands:
        assert re.search(rf"`calyx {name}\b", told), name
