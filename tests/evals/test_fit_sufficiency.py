"""The coefficients of the judgement by words come from one command, the same ones each time."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evals.external import DataUnusable
from evals.external.binary import auroc, balanced_accuracy, fitted_threshold
from evals.external.sufficiency import SETS, Case, cases, measure, run_rows
from evals.fit.sufficiency import cross_validated, fit, folds, samples

pytestmark = pytest.mark.anyio

THINGS = ("lamp", "kettle", "tram", "violin", "bridge", "garden", "engine", "ferry", "tower", "clock", "mill", "lake")


def made(name: str) -> list[Case]:
    """Make cases whose texts answer when they speak of the thing asked about and give a number."""
    found: list[Case] = []
    for n, thing in enumerate(THINGS):
        text = f"The old {thing} of the town has {n + 2} visitors each spring. It is closed in winter."
        other = THINGS[(n + 5) % len(THINGS)]
        found.append(Case(f"{n}+", thing, f"How many visitors does the {thing} have each spring?", text, True))
        found.append(Case(f"{n}-", thing, f"How many painters built the {other} in Norway?", text, False))
    return [case._replace(id=f"{name}{case.id}") for case in found]


def test_the_same_cases_give_the_same_coefficients_and_they_tell_answers_apart() -> None:
    both = samples({"near": made("a"), "far": made("b")})
    assert fit(both).tolist() == fit(samples({"near": made("a"), "far": made("b")})).tolist()
    assert cross_validated(both, seed=0) == {"far": (1.0, 1.0), "near": (1.0, 1.0)}
    assert np.isfinite(fit(both)).all()


def test_cases_of_one_article_are_left_out_together() -> None:
    groups = samples({"near": made("a"), "far": made("b")}).groups
    left_out = folds(groups, seed=0)
    assert all(len(set(left_out[groups == group].tolist())) == 1 for group in set(groups.tolist()))
    assert [len(set(left_out[np.char.startswith(groups, name)].tolist())) for name in ("near", "far")] == [8, 8]


def test_scores_are_measured_as_the_field_does() -> None:
    labels = [True, True, False, False]
    assert auroc(labels, [0.9, 0.4, 0.4, 0.1]) == 0.875
    assert balanced_accuracy(labels, [True, False, False, False]) == 0.75
    assert fitted_threshold(labels, [0.9, 0.4, 0.3, 0.1]) == 0.4


def write(folder: Path, rows_by_set: dict[str, list[dict[str, Any]]]) -> None:
    for name, found in rows_by_set.items():
        lines = (json.dumps(row) + "\n" for row in found)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the three sets in the form of the external data, with our own cases."""
    squad, clap, mtrag = SETS
    context = [case._asdict() for case in made("")]
    write(
        tmp_path,
        {
            squad: [
                {"id": c["id"], "article": c["group"], "question": c["question"], "context": c["text"],
                 "answerable": c["answered"]} for c in context
            ],
            clap: [
                {"id": c["id"], "title": c["group"], "question": c["question"], "context": c["text"],
                 "answerable": c["answered"], "answers": []} for c in context
            ],
            mtrag: [
                {"id": c["id"], "question": "And how many visitors?", "contexts": [c["text"], "Whales sing."],
                 "history": [{"role": "user", "text": c["question"]}, {"role": "agent", "text": "It depends."}],
                 "label": "ANSWERABLE" if c["answered"] else "PARTIAL"} for c in context
            ],
        },
    )  # fmt: skip
    return tmp_path


async def test_each_set_is_scored_beside_its_baseline_and_goal(folder: Path) -> None:
    told: list[str] = []
    figures = await measure(folder, told.append)
    assert told == [f"sufficiency: {name}" for name in SETS]
    assert {(f.set, f.baseline, f.goal) for f in figures if f.metric == "balanced accuracy"} == {
        ("sufficiency_squad2", 0.63, 0.65),
        ("sufficiency_clapnq", 0.76, 0.80),
    }
    assert {(f.set, f.value, f.cases) for f in figures if f.metric == "AUROC" and "mtrag" not in f.set} == {
        ("sufficiency_squad2", 1.0, 24),
        ("sufficiency_clapnq", 1.0, 24),
    }


def test_the_external_scorer_gets_a_row_for_each_case(folder: Path) -> None:
    found = run_rows(folder, "sufficiency_clapnq")
    assert [row["id"] for row in found] == [case.id for case in made("")]
    assert [row["pred"] for row in found] == [case.answered for case in made("")]


def test_a_follow_up_is_read_with_the_question_before_it(folder: Path) -> None:
    assert cases(folder, "sufficiency_mtragun")[0].question == "And how many visitors?\nlamp spring"


def test_a_row_without_its_fields_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"sufficiency_squad2": [{"id": "1", "question": "Who?"}]})
    with pytest.raises(DataUnusable, match=r"sufficiency_squad2\.jsonl, line 1: context: Field required"):
        cases(tmp_path, "sufficiency_squad2")


def test_the_command_prints_figures_and_coefficients(folder: Path) -> None:
    command = [sys.executable, "-m", "evals.fit.sufficiency", "--data"]
    told = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=True).stdout
    assert re.search(r"sufficiency_squad2: AUROC 1\.000, balanced accuracy 1\.000", told)
    assert re.findall(r"^(unmet|absent) = -?\d", told, re.MULTILINE) == ["unmet", "absent"]
    away = subprocess.run([*command, str(folder / "nowhere")], capture_output=True, text=True, check=False)
    assert away.returncode == 1 and "sufficiency_squad2.jsonl is missing" in away.stderr
