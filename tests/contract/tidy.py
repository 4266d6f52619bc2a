"""The house rules that no other tool checks: each takes one file and says what to do instead."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 50
BANNED = {
    "manager": "what it keeps or decides",
    "helper": "what it does",
    "util": "the one idea in it",
    "process": "a verb of the glossary: accept, parse, fold, merge, save, plan, compile, render",
    "handle": "what happens: accept, refuse, answer, render",
    "data": "the noun it is: body, row, message, traits",
    "info": "the noun it is: key, version, phase",
}
PRODUCT = ("api/", "ingest/", "models/")
# A migration is a list of steps: made by Alembic, read once, never edited.
REVISIONS = "models/migrations/versions/"
DIALECT_HOMES = ("models/dialect", "models/database", "models/migrations/")
DRIVERS = {"aiosqlite", "asyncpg", "psycopg", "sqlite3"}
# Libraries and Relay call these by their names, so they cannot have better ones.
FOREIGN = {
    "data_received",
    "handle_exit",
    "handle_async_request",
    "process_bind_param",
    "process_result_value",
    "PageInfo",
    "_page_info",
}

# The hosts are put together here, or this file would hold what it looks for.
_HOSTS = (
    ("pypi", "org"),
    ("python_hosted".replace("_", ""), "org"),
    ("registry", "npmjs"),
    ("registry", "yarnpkg"),
    ("deb", "debian"),
    ("proxy", "golang"),
)
_REGISTRY = re.compile("|".join(re.escape(".".join(host)) for host in _HOSTS))
_MACHINE = re.compile(r"(?<![\w.~*-])/(?:work|root|tmp|home/\w+|Users/\w+)/")
_IGNORE = re.compile(r"# *(?:noqa|type: *ignore)\b")
_ARGUED = re.compile(
    r"# *(?:noqa: *[A-Z]+\d+(?:, *[A-Z]+\d+)*|type: *ignore\[[\w, -]+\])\W+\S+ \S+"
)
_DATABASE = re.compile("sqlite|postgres", re.IGNORECASE)
_IDENTITY = re.compile(r"\bdialect\.name$|\bdrivername$|\bget_backend_name$")
_TESTING = {"testing", "is_test", "is_testing", "pytest", "hypothesis"}


@dataclass(frozen=True)
class Source:
    """One file of the repository."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """Return its syntax."""
        return ast.parse(self.text)

    @cached_property
    def nodes(self) -> list[ast.stmt | ast.expr]:
        """Return its statements and expressions, flat."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.stmt | ast.expr)]

    @property
    def is_python(self) -> bool:
        """Return whether it is a module."""
        return self.path.endswith(".py")

    @property
    def is_product(self) -> bool:
        """Return whether it is a module that ships."""
        return self.is_python and self.path.startswith(PRODUCT)


Function = ast.FunctionDef | ast.AsyncFunctionDef
Rule = Callable[[Source], Iterator[str]]


def files_fit_in_one_sitting(source: Source) -> Iterator[str]:
    """Say so where a file is too long."""
    lines = len(source.text.splitlines())
    if source.is_python and not source.path.startswith(REVISIONS) and lines > FILE_LINES_MAX:
        yield f"{lines} lines: find the second idea and move it out"


def functions_fit_on_one_screen(source: Source) -> Iterator[str]:
    """Say where a function is too long."""
    if source.is_python and not source.path.startswith(REVISIONS):
        for node in source.nodes:
            if isinstance(node, Function):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    yield f"{node.lineno}: `{node.name}` has {lines} lines: split it"


def names_say_what_a_thing_is(source: Source) -> Iterator[str]:
    """Say where a file, a class or a function has a name that would fit anything."""
    if not source.is_python:
        return
    named = [(1, part) for part in PurePosixPath(source.path).with_suffix("").parts]
    named += [
        (node.lineno, node.name)
        for node in source.nodes
        if isinstance(node, Function | ast.ClassDef)
        # The name of a test is a sentence, in which each word has company.
        and not node.name.startswith("test_")
        and node.name not in FOREIGN
    ]
    for line, name in named:
        for word in re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().split("_"):
            if instead := BANNED.get(word) or BANNED.get(word.removesuffix("s")):
                yield f"{line}: `{name}` says {word!r}: say {instead}"


def first_lines_say_the_idea(source: Source) -> Iterator[str]:
    """Say so where a module does not begin with one sentence."""
    if source.is_python:
        said = (ast.get_docstring(source.tree) or "").split("\n\n")[0]
        if not said:
            yield "1: begin with a docstring of one sentence: the idea of this file"
        elif not said.endswith((".", "?")):
            yield "1: end the first sentence of the docstring with a full stop"


def packages_only_introduce_their_folder(source: Source) -> Iterator[str]:
    """Say so where an `__init__.py` does something."""
    if source.path.endswith("__init__.py") and len(source.tree.body) > 1:
        yield "keep it to its docstring, and import from the module that has the thing"


def databases_differ_in_one_place(source: Source) -> Iterator[str]:
    """Say where a driver is imported, or the database is asked which one it is, out of place."""
    if not source.is_product or source.path.startswith(DIALECT_HOMES):
        return
    for node in source.nodes:
        for module in _imported(node):
            if module.split(".")[0] in DRIVERS or module.startswith("sqlalchemy.dialects"):
                yield f"{node.lineno}: imports {module}: let models.dialect or models.database do it"
        if isinstance(node, ast.Attribute) and _IDENTITY.search(ast.unparse(node)):
            yield f"{node.lineno}: asks which one it is: put the difference into models.dialect"
        if asked := next(_asked_of_the_database(node), None):
            yield f"{node.lineno}: branches on {asked!r}: put the difference into models.dialect"


def nothing_knows_that_it_is_tested(source: Source) -> Iterator[str]:
    """Say where shipped code could behave otherwise in tests."""
    if source.is_product:
        for node in source.nodes:
            names = [*_imported(node), *_names(node)]
            if found := _TESTING.intersection(names):
                yield f"{node.lineno}: `{found.pop()}`: pass in what differs, the code is one"


def exceptions_to_rules_are_argued(source: Source) -> Iterator[str]:
    """Say where a check is switched off without its code and a reason."""
    if source.is_python:
        for number, line in enumerate(source.text.splitlines(), 1):
            if _IGNORE.search(line) and not _ARGUED.search(line):
                yield f"{number}: name the code that is ignored, and why, on the same line"


def tests_pass_fakes_and_do_not_patch(source: Source) -> Iterator[str]:
    """Say where a test replaces a part of the code under it."""
    if source.path.startswith("tests/") and source.is_python:
        for node in source.nodes:
            if isinstance(node, ast.Attribute) and node.attr == "setattr":
                yield f"{node.lineno}: patches: pass a fake in"


def files_hold_on_every_machine(source: Source) -> Iterator[str]:
    """Say where a file names a folder of one machine or the host of a package index."""
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := _MACHINE.search(line):
            yield f"{number}: {found[0]} is a folder of one machine: say it relative to the project"
        if found := _REGISTRY.search(line):
            yield f"{number}: {found[0]}: each machine has its own index: leave the address out"


RULES: tuple[Rule, ...] = (
    files_fit_in_one_sitting,
    functions_fit_on_one_screen,
    names_say_what_a_thing_is,
    first_lines_say_the_idea,
    packages_only_introduce_their_folder,
    databases_differ_in_one_place,
    nothing_knows_that_it_is_tested,
    exceptions_to_rules_are_argued,
    tests_pass_fakes_and_do_not_patch,
    files_hold_on_every_machine,
)


def says_it_is_pure(source: Source) -> bool:
    """Return whether the docstring of a module promises that it is pure."""
    return bool(re.search(r"\bPure\b", ast.get_docstring(source.tree) or ""))


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr


def _asked_of_the_database(node: ast.AST) -> Iterator[str]:
    """Yield the names and texts that tell databases apart in what a branch depends on."""
    tests: list[ast.expr] = []
    if isinstance(node, ast.If | ast.IfExp | ast.While):
        tests = [node.test]
    elif isinstance(node, ast.Compare):
        tests = [node]
    elif isinstance(node, ast.Match):
        tests = [
            case.pattern.value for case in node.cases if isinstance(case.pattern, ast.MatchValue)
        ]
    for part in (part for test in tests for part in ast.walk(test)):
        texts = [*_names(part)]
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            texts.append(part.value)
        yield from (text for text in texts if _DATABASE.search(text))
