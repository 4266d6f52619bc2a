"""README does what it says: its commands are there, and its examples are sent to a real server."""

import argparse
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer

import dev
from api import cli
from tests.contract.test_project import project
from tests.http.serving import Served, serving

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
LINES_MAX = 90
# What a reader puts their own in place of.
ADDRESS, KEY = "http://127.0.0.1:8000", "$KEY"
EXAMPLES = re.findall(r"```sh\n(.+?)\n```\n\n```json\n(.+?)\n```", README, re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("readme")) as found:
        yield found


def section(title: str) -> str:
    """Return the text below a heading."""
    found = re.search(rf"^## {title}\n(.+?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def curl(command: str, served: Served) -> httpx.Request:
    """Return what curl would send, by the options that README uses; another one fails."""
    [admin_key] = served.secrets
    name, *words = shlex.split(command.replace(ADDRESS, served.url).replace(KEY, admin_key))
    assert name == "curl"
    options = argparse.ArgumentParser("curl", allow_abbrev=False)
    options.add_argument("url")
    options.add_argument("-G", action="store_true")
    options.add_argument("-u", dest="user")
    options.add_argument("-H", dest="headers", action="append", default=[])
    options.add_argument("-d", dest="body")
    options.add_argument("--data-urlencode", dest="members", action="append", default=[])
    given = options.parse_args(words)
    request = httpx.Request(
        "GET" if given.G else "POST",
        given.url,
        params=dict(member.split("=", 1) for member in given.members),
        headers=[header.split(": ", 1) for header in given.headers],
        content=given.body,
    )
    if given.user is not None:
        return next(httpx.BasicAuth(*given.user.split(":")).auth_flow(request))
    return request


def send(command: str, served: Served) -> Any:
    """Return the answer to an example."""
    with httpx.Client(timeout=10) as client:
        answer = client.send(curl(command, served))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_each_example_answers_what_is_shown_and_again_when_repeated(served: Served) -> None:
    assert len(EXAMPLES) == README.count("```sh") == 2
    (say, told), (ask, shown) = EXAMPLES
    # As text, so that the order of members counts too.
    assert json.dumps(send(say, served)) == json.dumps(json.loads(told))
    assert json.dumps(send(ask, served)) == json.dumps(json.loads(shown))
    assert send(say, served)["receipts"][0]["outcome"] == "DUPLICATE"
    assert json.dumps(send(ask, served)) == json.dumps(json.loads(shown))


def test_an_example_names_the_address_and_the_key_in_one_way() -> None:
    for command, _ in EXAMPLES:
        assert command.count(ADDRESS) == command.count(KEY) == 1, command


def test_it_begins_with_the_commands_that_serve_the_demo_and_run_the_tests() -> None:
    first = re.findall(r"^    (\S.+?) +#", README, re.MULTILINE)
    assert first == ["python3 dev.py demo", "python3 dev.py test"]


def test_every_command_it_names_is_there() -> None:
    assert set(re.findall(r"python3 dev\.py (\w+)", README)) <= dev.COMMANDS.keys()
    extras = {re.split(r"[>=<\[]", each)[0] for each in project()["optional-dependencies"]["dev"]}
    runs = re.findall(r"`uv run ([^`]+)`", README)
    assert {each.split()[0] for each in runs} <= project()["scripts"].keys() | extras
    for words in re.findall(r"`(?:uv run )?calyx ([^`]+)`", README):
        name, *options = words.split()
        command = commands()[name]
        known = [option for each in command.params for option in each.opts]
        assert set(options) <= set(known), words


def test_each_promise_leads_to_the_test_that_holds_it() -> None:
    promises = re.findall(r"^- .+", section("What it promises"), re.MULTILINE)
    assert promises
    for promise in promises:
        linked = re.findall(r"\]\((\S+) \"(test_\w+)\"\)", promise)
        assert linked, promise
        for file, name in linked:
            assert f"def {name}(" in (ROOT / file).read_text(), name


def test_what_it_does_not_do_yet_is_not_there() -> None:
    schema = (ROOT / "schema.graphql").read_text()
    there = {*re.findall(r"^ +(\w+)[(:]", schema, re.MULTILINE), *commands()}
    missing = re.findall(r"`(\w+)`", section("What it does not do yet"))
    assert set(missing) & there == set()


def test_it_is_a_screen_and_a_half_without_a_wall_of_badges() -> None:
    assert len(README.splitlines()) <= LINES_MAX
    assert "![" not in README


def commands() -> dict[str, Any]:
    """Return the commands of `calyx` by name."""
    group: Any = typer.main.get_command(cli.app)
    found: dict[str, Any] = group.commands
    return found
