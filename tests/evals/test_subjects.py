"""Cases from elsewhere: every subject is told beside baseline and goal, or written for other scoring scripts."""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

from evals.command import Eval
from evals.external import DataUnusable, Figure, Tell, rows, subjects
from evals.external.subjects import Runs, Subject
from server.settings import Settings


async def _measure(folder: Path, tell: Tell) -> list[Figure]:
    tell("counting")
    return [Figure("squad2", "AUROC", 0.7, 300, 0.63, 0.65), Figure("squad2", "F1", 0.5, 300, goal=0.6)]


async def _runs(module: ModuleType, folder: Path, tell: Tell) -> Runs:
    return {"sufficiency_squad2": [{"id": name, "score": 1.0} for name in module.NAMES]}


@pytest.fixture(autouse=True)
def _a_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("evals.external.made_up")
    module.__dict__.update(measure=_measure, NAMES=["ä", "b"])
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(subjects, "SUBJECTS", (Subject("made_up", _runs),))


def run(settings: Settings, *words: str) -> int:
    """Run the command with words."""
    parser = argparse.ArgumentParser()
    Eval().add_arguments(parser)
    return Eval().run(parser.parse_args(words), settings)


def test_figures_stand_beside_baseline_and_goal(
    plain_settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(plain_settings, "--data", str(tmp_path)) == 0
    told = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert told == [
        ["set", "metric", "measured", "baseline", "goal", "cases"],
        ["squad2", "AUROC", "0.7000", "0.6300", "0.6500", "300", "reached"],
        ["squad2", "F1", "0.5000", "0.6000", "300", "missed"],
        [],
        ["Goals", "missed:", "squad2", "F1."],
    ]


def test_run_files_are_written_for_other_scripts(plain_settings: Settings, tmp_path: Path) -> None:
    assert run(plain_settings, "--data", str(tmp_path), "--runs", str(tmp_path / "runs")) == 0
    lines = (tmp_path / "runs" / "sufficiency_squad2.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"id": "ä", "score": 1.0}, {"id": "b", "score": 1.0}]


def test_a_missing_folder_is_told(plain_settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataUnusable, match="There is no folder"):
        run(plain_settings, "--data", str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("name", "line", "told"),
    [
        ("docs_retrieval.queries", {"qid": "1"}, "site: Field required"),
        (
            "docs_retrieval.pages",
            {"site": "a", "page": "b", "title": "c", "sections": [{}]},
            "sections.0.anchor: Field",
        ),
        ("sufficiency_clapnq", {"answerable": "false"}, "answerable: Input should be a valid boolean"),
        ("sufficiency_mtragun", {"label": "ANSWERABEL"}, "label: Input should be 'ANSWERABLE' or 'PARTIAL'"),
        ("grounding", {"claim": 7}, "claim: Input should be a valid string"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_with_its_field(
    tmp_path: Path, name: str, line: dict[str, object], told: str
) -> None:
    texts = dict.fromkeys(("id", "title", "question", "context", "source", "passage"), "x")
    known = {"answers": [], "history": [], "contexts": [], "label": "supported"}
    (tmp_path / f"{name}.jsonl").write_text("\n" + json.dumps(texts | known | line if "site" not in line else line))
    with pytest.raises(DataUnusable, match=rf"{name}\.jsonl, line 2: {told}"):
        rows(tmp_path, f"{name}.jsonl")


@pytest.mark.anyio
async def test_all_files_are_looked_at_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = subjects.SUBJECTS[0]
    monkeypatch.setattr(subjects, "SUBJECTS", (first, Subject("made_up", _runs, ("grounding.jsonl",))))
    (tmp_path / "grounding.jsonl").write_text("{}")
    measured: list[str] = []
    with pytest.raises(DataUnusable, match=r"grounding\.jsonl, line 1"):
        await subjects.measure_all(tmp_path, measured.append)
    assert measured == []
