"""What installs, documents and starts the project agrees with itself."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import dev

ROOT = Path(__file__).parents[2]
OURS = "calyx-cdp"


def named(requirements: list[str]) -> set[str]:
    """Return the distributions that requirements name, ours left out."""
    names = {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in requirements}
    return names - {OURS}


def project() -> dict[str, Any]:
    """Return the `[project]` table."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return table


def locked() -> dict[str, str]:
    """Return each pinned distribution with its version."""
    pins = re.findall(
        r"^([a-z0-9-]+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE
    )
    return dict(pins)


def test_the_lock_pins_every_dependency_that_tests_need() -> None:
    extras = project()["optional-dependencies"]
    wanted = named(project()["dependencies"]) | named(extras["postgres"]) | named(extras["dev"])
    assert wanted - locked().keys() == set(), "python3 dev.py lock"


def test_every_pin_has_a_hash() -> None:
    entries = re.split(r"^(?=[a-z])", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE)[
        1:
    ]
    assert len(entries) == len(locked())
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_says_nothing_but_pins_and_hashes() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    odd = [line for line in lines if not re.match(r"[a-z0-9-]+==|    --hash=sha256:", line)]
    assert odd == []


def test_a_floor_is_no_higher_than_what_the_tests_run_with() -> None:
    requirements = [
        *project()["dependencies"],
        *project()["optional-dependencies"]["dev"],
        *project()["optional-dependencies"]["postgres"],
    ]
    for requirement in requirements:
        if name := "".join(named([requirement])):
            floor = re.search(r">=([\d.]+)", requirement)
            assert floor, f"{requirement}: say the lowest version that was tried"
            assert _numbers(floor[1]) <= _numbers(locked()[name]), requirement


def test_every_dependency_says_why_it_is_here() -> None:
    lists = [project()["dependencies"], *project()["optional-dependencies"].values()]
    told = re.findall(
        r"^- `([\w-]+)`: \S", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE
    )
    assert sorted(told) == sorted(set().union(*map(named, lists)))


def test_every_recipe_is_a_command_of_dev_py() -> None:
    text = (ROOT / "justfile").read_text()
    recipes = set(re.findall(r"^([a-z]+)(?: \*\w+)?:", text, re.MULTILINE))
    assert recipes == {*dev.COMMANDS, "help"}
    assert set(re.findall(r"python3 dev\.py ([a-z]+)", text)) == recipes


def test_hooks_and_ci_call_commands_of_dev_py_and_nothing_else() -> None:
    hooks = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text())
    ci = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line.startswith("python")]
    assert hooks
    assert ci
    for command in (*hooks, *ci):
        assert command.removeprefix("python3 dev.py ") in dev.COMMANDS, command


def test_ci_ends_with_the_test_command_of_the_readme() -> None:
    last = (ROOT / ".ci/run").read_text().splitlines()[-1]
    assert re.search(rf"{re.escape(last)}(?!\w)", (ROOT / "README.md").read_text())


def test_check_does_all_that_ci_does_in_the_same_order() -> None:
    ci = re.findall(r"^python3 dev\.py ([a-z]+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert dev.COMMANDS["check"][1] == [step for name in ci for step in dev.COMMANDS[name][1]]


def test_commands_do_without_what_only_serves() -> None:
    heavy = ("api.app", "fastapi", "strawberry", "uvicorn")
    asked = f"import sys, api.cli; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", asked], cwd=ROOT, capture_output=True, check=True)
    assert told.stdout == b"[]\n"


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
