"""The benchmark of scale measures each cost once and derives the rest by formulas that are checked here; no time is
asserted."""

import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from evals.bench.scale.report import PAGE, as_text, rewrite_page
from evals.bench.scale.results import Passages, Results, Turns, extrapolate, fleet, qdrant_gb
from graph.errors import CitesideError
from persistence.postgres import POOL_SIZE
from server.cli.child import CITESIDE

TURNS = Turns(worker_ms=40, postgres_ms=5, wal_kib=28, kept_kib=10, kib_per_stream=100, worker_mb=240)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a quick run writes down."""
    file = tmp_path_factory.mktemp("scale") / "scale.json"
    words = [*CITESIDE, "bench", "scale", "--quick", "--json", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(file.read_text())


def test_a_quick_run_measures_every_cost(quick: dict[str, Any]) -> None:
    assert [passages["count"] for passages in quick["passages"]] == [500, 1_000]
    turns = dict(quick["turns"])
    assert turns.pop("kept_kib") >= 0  # so few turns may find room on a page
    assert min([*turns.values(), *(passages["write_s"] for passages in quick["passages"])]) > 0


def test_the_terminal_tells_what_was_extrapolated_and_the_page_takes_no_quick_figures(quick: dict[str, Any]) -> None:
    results = Results.model_validate(quick)
    assert "1,000,000 (extrapolated)" in as_text(results)
    with pytest.raises(CitesideError, match="--quick"):
        rewrite_page(results)


def _passages(count: int) -> Passages:
    time = 1 + math.log(count)
    return Passages(
        count=count,
        write_s=count**1.1,
        disk_mb=3 + count / 500,
        memory_mb=7 + count / 200,
        median_ms=time,
        p95_ms=2 * time,
        cpu_ms=time,
    )


def test_an_index_that_grows_as_assumed_is_extrapolated_exactly() -> None:
    found = extrapolate([_passages(10_000), _passages(30_000), _passages(100_000)], 1_000_000)
    wanted = _passages(1_000_000).model_copy(update={"extrapolated": True})
    assert found.model_dump() == pytest.approx(wanted.model_dump())


def test_figures_that_shrank_by_chance_are_not_extrapolated_downwards() -> None:
    small, large = _passages(30_000), _passages(100_000).model_copy(update={"p95_ms": 1.0})
    assert extrapolate([small, large], 1_000_000).p95_ms == 1.0


def test_a_fleet_is_half_loaded() -> None:
    found = fleet(6_000, TURNS, search_ms=10)
    assert (found.turns_per_s, found.streams) == (100, 1_000)
    assert (found.worker_cores, found.workers, found.connections) == (5.0, 10, 10 * POOL_SIZE)
    assert (found.postgres_cores, found.neon_cu) == (0.5, 1)


def test_few_readers_need_one_worker_and_some_more_need_a_second_that_stands_in() -> None:
    assert [fleet(readers, TURNS, 10).workers for readers in (10, 1_000)] == [1, 2]


def test_no_compute_is_named_where_none_is_enough() -> None:
    assert fleet(1_000_000, TURNS, 10).neon_cu is None


def test_a_million_vectors_need_what_qdrant_says() -> None:
    assert qdrant_gb(1_000_000) == pytest.approx(2.304)


def test_the_page_has_a_place_for_both_parts(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    page.write_text(PAGE.read_text())
    about = {
        "quick": False,
        "at": "now",
        "cores": 2,
        "processor": "one",
        "load_average_before": (0, 0, 0),
        "load_average_after": (0, 0, 0),
        "versions": {},
    }
    results = Results(about=about, turns=TURNS, passages=(_passages(10_000), _passages(100_000)))
    rewrite_page(results, page)
    told = page.read_text()
    assert "| 100,000 |" in told and "| turns a second |" in told
