"""Global ids: read if they are such, whether or not there is such a thing."""

from __future__ import annotations

import pytest

from api.graph.ids import BadId, GlobalId, key_of_kind, read, workspace_key
from models.values import Entity

KEY = bytes(range(16))


def test_a_key_and_its_kind_are_read() -> None:
    assert read(f"cus_{KEY.hex()}") == GlobalId("cus", KEY)
    assert key_of_kind(f"cus_{KEY.hex()}", "cus") == KEY
    assert key_of_kind(f"acc_{KEY.hex()}", "cus") == b""


@pytest.mark.parametrize(("letter", "entity"), [("c", Entity.CUSTOMER), ("a", Entity.ACCOUNT)])
def test_an_audience_is_named_by_entity_and_key(letter: str, entity: Entity) -> None:
    found = read("aud_" + f"{letter}ключ's".encode().hex())
    assert (found.prefix, found.entity, found.name) == ("aud", entity, "ключ's")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cus",
        "cus_",
        f"cus_{KEY.hex()}0",
        f"CUS_{KEY.hex()}",
        f"xyz_{KEY.hex()}",
        "aud_7a",
        "aud_6",
        "aud_63ff",
        "aud_6300",
        f"cus_{KEY.hex().upper()}",
        f" cus_{KEY.hex()}",
        f"cus_{KEY.hex()}\n",
    ],
)
def test_anything_else_is_no_id(text: str) -> None:
    with pytest.raises(BadId):
        read(text)


def test_workspaces_are_told_apart_by_name() -> None:
    assert workspace_key("default") != workspace_key("other")
    assert len(workspace_key("default")) == 16
