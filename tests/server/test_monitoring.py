"""The page on monitoring and the dashboard: they name what is counted, all of it and nothing else."""

import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

from persistence.index import Keywords, Manifest
from server.metrics import Meters, _looked_up
from tests.server.test_docs import DOCS, ROOT, _rows

PAGE = "guides/monitoring.md"
DASHBOARD = ROOT / "website" / "static" / "grafana" / "citeside.json"


@cache
def told() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the kind and the labels of each metric by its name."""
    meters = Meters()
    counted = [(each._name, each._type, each._labelnames) for each in meters._own._collector_to_names]  # pyright: ignore
    manifest = Manifest(
        generation="g",
        created_at=datetime.now(UTC),
        embedding_model="m",
        dimensions=0,
        base_url="/",
        default_locale=None,
        locales=(),
        routes=(),
        pages={},
        keywords=Keywords(passages=0, average_length=1.0, frequencies={}),
    )
    looked_up = [(each.name, each.type, tuple(each.samples[0].labels)) for each in _looked_up(manifest, True)]
    counters = {
        name: (kind, labels) for name, kind, labels in [*counted, *looked_up, ("citeside_workers", "gauge", ())]
    }
    return {f"{name}_total" if kind == "counter" else name: (kind, labels) for name, (kind, labels) in counters.items()}


def in_queries(text: str) -> set[str]:
    """Return the metrics that queries name, histograms without their suffix."""
    found = set(re.findall(r"\bciteside_[a-z_]+", text))
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def test_the_page_lists_every_metric_with_its_kind_and_labels() -> None:
    rows = _rows(PAGE, "Metrics")
    listed = {name.strip("`"): (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels, _ in rows}
    assert listed == told()


def test_alerts_ask_for_metrics_that_exist() -> None:
    rules = re.search(r'```yaml title="citeside.rules.yml"\n(.*?)```', (DOCS / PAGE).read_text(), re.DOTALL)
    assert rules
    assert in_queries(rules[1]) - told().keys() == set()


def _queries() -> list[str]:
    dashboard: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    assert in_queries(" ".join(_queries())) == told().keys()


def test_the_dashboard_groups_by_labels_that_exist() -> None:
    for query in _queries():
        for by in re.findall(r"by \(([^)]*)\)", query):
            (name,) = {*re.findall(r"\bciteside_[a-z_]+?(?=_bucket\b|\{)", query)}
            assert set(by.replace(" ", "").split(",")) - {"le"} <= set(told()[name][1]), query


def test_panels_do_not_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells
