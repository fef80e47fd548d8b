"""The page "How good is it" tells whole runs, and can be told again and again."""

from pathlib import Path

import pytest

from evals.cases import SUITES
from evals.external import Figure
from evals.gate import Bound, Judged
from evals.page import HOW_GOOD, rewrite_figures, rewrite_page
from evals.results import Results, Row, summarise
from graph.errors import CitesideError

ABOUT = {
    "suites": SUITES, "sites": ["docs", "synthetic"], "url": None,
    "seed": 1, "limit": None, "at": "2026-11-28", "models": ["extractive"], "seconds": 60, "cores": 2, "versions": {},
    "load_average": 0.1, "revision": "abc", "prompts": "def", "cases": {"retrieval": {"by hand": 3, "by rule": 4}},
}  # fmt: skip


@pytest.fixture
def results() -> Results:
    """A run of every suite with one case."""
    row = Row.model_validate({"suite": "retrieval", "case": "a", "site": "docs", "question": "?", "scores": {"mrr": 1}})
    return summarise(ABOUT, [row], SUITES)


def test_a_run_is_told_in_place_of_the_one_before(tmp_path: Path, results: Results) -> None:
    page = tmp_path / "how-good.md"
    page.write_text(HOW_GOOD.read_text())
    judged = [Judged("retrieval.mrr", Bound(at_least=0.5), 1.0), Judged("retrieval.wrong_version", Bound(at_most=0), 1)]
    rewrite_page(results, judged, page)
    once = page.read_text()
    rewrite_page(results, judged, page)
    rewrite_figures([Figure("squad2", "AUROC", 0.7, 300, 0.6, 0.65)], page)
    rewrite_figures([Figure("squad2", "AUROC", 0.7, 300, 0.6, 0.65)], page)
    told = page.read_text()
    assert "| retrieval | 3 | 4 |" in once
    assert told.count("`retrieval.mrr`") == 1
    assert "| 1.000 | 0.000 to 1.000 | 1 | >= 0.5 |" in told
    assert "| &lt;= 0, missed |" in told
    assert told.count("| squad2 | AUROC | 0.700 | 0.600 | 0.650 | 300 |") == 1


@pytest.mark.parametrize(
    "other",
    {
        "--limit": {"limit": 5},
        "--suite": {"suites": SUITES[:5]},
        "--url": {"url": "http://127.0.0.1:8000"},
        "--site": {"sites": ["site", "synthetic"]},
        "--synthetic-only": {"sites": ["synthetic"]},
    }.items(),
    ids=lambda other: other[0],
)
def test_only_a_whole_run_about_our_own_docs_is_told(
    tmp_path: Path, results: Results, other: tuple[str, dict[str, object]]
) -> None:
    changed = results.model_copy(update={"about": {**ABOUT, **other[1]}})
    with pytest.raises(CitesideError, match=f"tells whole runs .*{other[0]}"):
        rewrite_page(changed, [], tmp_path / "how-good.md")


def test_a_page_without_marks_is_left_alone(tmp_path: Path, results: Results) -> None:
    page = tmp_path / "how-good.md"
    page.write_text("Nothing.")
    with pytest.raises(CitesideError, match="lost the marks"):
        rewrite_page(results, [], page)
    assert page.read_text() == "Nothing."
