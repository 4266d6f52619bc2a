"""GraphQL over HTTP is spoken as the audit of its specification has it."""

from __future__ import annotations

import json
from pathlib import Path

from tests.clients.packages import installed, node
from tests.http.serving import serving

KEY = "chosen-by-the-operator"


def test_the_audit_of_graphql_over_http_has_no_error_and_no_warning(tmp_path: Path) -> None:
    installed()
    with serving(tmp_path, settings={"CALYX_ADMIN_KEY": KEY}) as served:
        found = json.loads(node("audit.mjs", f"{served.url}/graphql", KEY))
    assert len(found) > 50
    assert [each for each in found if each["status"] != "ok"] == []
