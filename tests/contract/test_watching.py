"""What watches Calyx speaks of numbers there are: the operator's page, the dashboard and the alarms."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.graph.failures import Code
from api.observe import Metrics
from ingest.accept import Committed
from models.connection import Readers
from models.values import Outcome, Receipt

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operate.md").read_text()
ALERTS = (ROOT / "deploy/alerts.yaml").read_text()
DASHBOARD = json.loads((ROOT / "deploy/grafana.json").read_text())

RULE = re.compile(
    r"      - alert: (?P<name>Calyx\w+)\n"
    r"        expr: (?P<expr>[^\n#]+)\n"
    r"        for: \d+[mh]\n"
    r"        labels: \{severity: (?P<severity>page|ticket)\}\n"
    r'        annotations: \{summary: "[^"\n]+"\}\n'
)
# What Prometheus adds to all it reads, and to the pieces of a histogram.
ADDED = {"job", "instance", "le"}


def counted() -> Metrics:
    """Return numbers of which each has been told once."""
    metrics = Metrics()
    metrics.request("/segment", "POST", 200, 0.1)
    with metrics.graphql.timed("query", "Page"):
        pass
    metrics.graphql.error(Code.INTERNAL)
    metrics.graphql.watch_readers("primary", lambda: Readers(1, 0))
    metrics.receipt(Receipt("m", Outcome.APPLIED, 0))
    metrics.commit(Committed(1, 0.1, []))
    metrics.watch_replica(lambda: 0.0)
    return metrics


def series() -> dict[str, set[str]]:
    """Return each series by its name, with its labels."""
    return {
        sample.name: set(sample.labels)
        for family in counted().registry.collect()
        for sample in family.samples
    }


def rules() -> list[re.Match[str]]:
    return list(RULE.finditer(ALERTS))


def expressions() -> Iterator[str]:
    """Yield whatever the dashboard and the alarms ask of Prometheus."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))
    yield from (rule["expr"] for rule in rules())


@pytest.mark.parametrize("asked", list(expressions()))
def test_what_is_asked_of_prometheus_is_there_with_these_labels(asked: str) -> None:
    known = series() | {"up": set()}
    named = set(re.findall(r"\b(?:calyx_\w+|up\b)", asked))
    assert named
    assert named <= known.keys()
    labels = set(re.findall(r"[{,](\w+)[=!]", asked))
    labels |= {
        word.strip() for by in re.findall(r"by \(([^)]*)\)", asked) for word in by.split(",")
    }
    assert labels <= ADDED.union(*(known[name] for name in named))


def test_each_number_is_on_the_dashboard() -> None:
    asked = "\n".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", ()))  # fmt: skip
    counted_as = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in counted().registry.collect()
    }
    assert {
        name for name in counted_as if not re.search(rf"\b{name}(_bucket|_count)?\b", asked)
    } == set()


def test_the_page_tells_the_labels_of_each_metric() -> None:
    told = {
        name: set(re.findall(r"\w+", labels))
        for name, labels in re.findall(r"^\| `(calyx_\w+)` \|([^|]*)\|", PAGE, re.MULTILINE)
    }
    assert told
    known = series()
    for name, labels in told.items():
        assert known.get(name, known.get(f"{name}_count")) == labels, name


def test_outcomes_and_codes_that_are_watched_are_some_there_are() -> None:
    asked = " ".join(expressions())
    for label, known in (("outcome", set(Outcome)), ("code", set(Code))):
        named = {one for found in re.findall(rf'{label}=~?"([^"]+)"', asked) for one in found.split("|")}  # fmt: skip
        assert named
        assert named <= {each.value for each in known}


def test_each_alarm_is_told_with_its_severity_and_no_other() -> None:
    assert len(rules()) == ALERTS.count("- alert:"), "write each rule as the others are written"
    told = re.findall(r"^\| `(Calyx\w+)` \| (page|ticket) \|", PAGE, re.MULTILINE)
    assert told == [(rule["name"], rule["severity"]) for rule in rules()]
