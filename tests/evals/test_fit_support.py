"""The fit of the support scorer and its scoring on a folder, with claims made up here."""

import json
from pathlib import Path

import numpy as np
import pytest

from evals.external import DataUnusable
from evals.external.support import Judged, judged, measure, run_rows
from evals.fit.support import cross_validated, fit, groups, main, replaced, written
from graph import support as scorer
from graph.support_features import Features
from graph.support_features import measure as features_of

pytestmark = pytest.mark.anyio

THINGS = ["kettle", "lantern", "bicycle", "harbour", "notebook", "orchard", "violin", "compass", "ladder", "teapot"]


def row(at: int, *, supported: bool, **changes: object) -> dict[str, object]:
    thing, other = THINGS[at % 10], THINGS[(at + 3) % 10]
    claim = f"The {thing} number {at} stands beside the old {other}."
    passage = f"Everybody knows that the {thing} number {at} stands right beside the old {other} in town."
    if not supported:
        passage = f"Nobody ever counted the {thing} that was lent to the people of the valley."
    label = "supported" if supported else "unsupported"
    return {"id": f"c{at}", "source": "ab"[at % 2], "claim": claim, "passage": passage, "label": label} | changes


def folder(tmp_path: Path, rows: list[dict[str, object]]) -> Path:
    (tmp_path / "grounding.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return tmp_path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return folder(
        tmp_path, [row(i, supported=i % 4 < 2) for i in range(40)] + [row(99, supported=True, label="partial")]
    )


def test_the_fit_prints_the_same_twice_and_writes_nothing_unasked(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evals.fit.support.REPEATS", 2)
    before = Path(scorer.__file__).read_bytes()
    assert main(["--data", str(data)]) == 0
    first = capsys.readouterr().out
    assert main(["--data", str(data)]) == 0
    assert capsys.readouterr().out == first
    assert "40 judged claims" in first and "COEFFICIENTS = Features(" in first and "cross-validated" in first
    assert Path(scorer.__file__).read_bytes() == before


def test_what_is_written_replaces_only_the_numbers() -> None:
    source = Path(scorer.__file__).read_text(encoding="utf-8")
    other = Features(*(float(i) for i in range(len(Features._fields))))
    changed = replaced(source, other, -1.5)
    assert written(other, -1.5) in changed and changed != source
    assert replaced(changed, scorer.COEFFICIENTS, scorer.INTERCEPT) == source
    with pytest.raises(ValueError, match="0 times"):
        replaced("nothing here", other, 0.0)


def test_the_fit_learns_what_tells_the_claims_apart(data: Path) -> None:
    cases = [case for case in judged(data) if case.supported is not None]
    features = np.array([features_of(case.claim, case.passage) for case in cases])
    truth = np.array([case.supported is True for case in cases])
    coefficients, _ = fit(features, truth)
    assert coefficients.contained > 0 > coefficients.strange_numbers
    assert cross_validated(cases, features, truth) == {"all": 1.0, "a": 1.0, "b": 1.0}


def test_claims_that_share_a_passage_or_a_question_stay_in_one_fold() -> None:
    def case(question: str | None, passage: str) -> Judged:
        return Judged("i", "s", question, "claim", passage, supported=True)

    of = groups([case("q", "p"), case(None, "r"), case("q", "s"), case("t", "s"), case(None, "u"), case("t", "r")])
    assert [of[0] == each for each in of] == [True, True, True, True, False, True]


async def test_a_folder_is_scored_overall_and_by_source(data: Path) -> None:
    told: list[str] = []
    figures = await measure(data, told.append)
    assert [(f.set, f.metric, f.cases, f.goal) for f in figures] == [
        ("grounding", "AUROC", 40, 0.84),
        ("grounding a", "AUROC", 20, None),
        ("grounding b", "AUROC", 20, None),
        ("grounding", "balanced accuracy", 40, None),
    ]
    assert [f.value for f in figures] == [1.0] * 4
    assert told == ["support: 40 judged claims"]


def test_a_run_has_a_row_for_each_claim_partly_supported_ones_too(data: Path) -> None:
    rows = run_rows(data)
    assert [r["id"] for r in rows] == [f"c{i}" for i in [*range(40), 99]]
    assert [r["pred"] for r in rows[:4]] == [True, True, False, False]
    assert all(0 <= r["score"] <= 1 for r in rows)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"label": "maybe"}, "line 2: label: "),
        ({"claim": None}, "line 2: claim: "),
        ({"passage": 3}, "line 2: passage: "),
    ],
)
def test_a_row_that_is_not_what_it_should_be_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], named: str
) -> None:
    bad = folder(tmp_path, [row(0, supported=True), row(1, supported=False, **changes)])
    with pytest.raises(DataUnusable, match=named):
        judged(bad)
    assert main(["--data", str(bad)]) == 2
    assert named in capsys.readouterr().err


async def test_a_folder_without_the_file_or_of_one_kind_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataUnusable, match="is missing"):
        judged(tmp_path)
    with pytest.raises(DataUnusable, match="one kind"):
        await measure(folder(tmp_path, [row(i, supported=True) for i in range(4)]), print)
