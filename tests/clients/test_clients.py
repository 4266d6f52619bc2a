"""What Calyx ships for dashboards is taken by the compilers that dashboards are built with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, parse, print_ast

from api.graph.schema import print_schema
from tests.clients.packages import HERE, SECONDS_MAX, installed, run

DOCUMENTS = sorted((HERE.parents[1] / "docs" / "documents").glob("*.graphql"))
SCALARS = {"DateTime": "string", "Duration": "string", "JSON": "unknown"}

pytestmark = pytest.mark.timeout(2 * SECONDS_MAX + 20)


@pytest.fixture(scope="module")
def compilers() -> Path:
    """Give the folder of the compilers."""
    return installed() / ".bin"


def project(folder: Path, documents: dict[str, str]) -> Iterator[str]:
    """Write a project as Relay wants it; yield the names of its operations and fragments."""
    (folder / "src").mkdir()
    (folder / "schema.graphql").write_text(print_schema())
    for module, text in documents.items():
        (folder / f"{module}.graphql").write_text(text)
        tags = []
        for each in parse(text).definitions:
            assert isinstance(each, OperationDefinitionNode | FragmentDefinitionNode)
            assert each.name is not None
            tags.append(f"graphql`\n{print_ast(each)}\n`;")
            yield each.name.value
        code = "\n".join(['import { graphql } from "relay-runtime";', *tags])
        (folder / "src" / f"{module}.ts").write_text(code + "\n")


def relay(compilers: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile a project with Relay."""
    config = {
        "src": "./src",
        "schema": "./schema.graphql",
        "language": "typescript",
        "customScalarTypes": SCALARS,
    }
    (folder / "relay.config.json").write_text(json.dumps(config))
    (folder / "package.json").write_text("{}")
    return run(str(compilers / "relay-compiler"), "relay.config.json", where=folder)


def codegen(compilers: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile a project with GraphQL Code Generator."""
    plugins = ["typescript", "typescript-operations"]
    config = {
        "schema": str(folder / "schema.graphql"),
        "documents": str(folder / "!(schema).graphql"),
        "generates": {str(folder / "types.ts"): {"plugins": plugins}},
        "config": {"scalars": SCALARS, "strictScalars": True},
    }
    (folder / "codegen.json").write_text(json.dumps(config))
    # From the folder of its plugins, which it looks for where it is run.
    return run(str(compilers / "graphql-codegen"), "-c", str(folder / "codegen.json"), where=HERE)


def test_relay_and_codegen_compile_each_document(compilers: Path, tmp_path: Path) -> None:
    names = list(project(tmp_path, {path.stem: path.read_text() for path in DOCUMENTS}))
    done = relay(compilers, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    made = {file.name.split(".")[0] for file in (tmp_path / "src" / "__generated__").iterdir()}
    assert made == set(names)
    done = codegen(compilers, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    types = (tmp_path / "types.ts").read_text()
    assert all(path.stem in types for path in DOCUMENTS)


def test_both_refuse_a_field_that_is_not_there(compilers: Path, tmp_path: Path) -> None:
    assert list(project(tmp_path, {"Wrong": "query WrongQuery { viewer { nothing } }"}))
    for done in (relay(compilers, tmp_path), codegen(compilers, tmp_path)):
        assert done.returncode != 0
        assert "nothing" in done.stdout + done.stderr
