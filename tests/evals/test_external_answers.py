"""Answers without a model are measured on cases from elsewhere; these are small ones of our own."""

import json
from pathlib import Path
from typing import Any

import pytest

from evals.external import DataUnusable
from evals.external.answers import answer, measure
from evals.fit.sentences import cases, fitted, nearest_choice, reached
from graph.types import Passage

pytestmark = pytest.mark.anyio

TEA = "Leaves grow on hills.\n\nMilk spoils.\n\nWater at 80 degrees suits green tea.\n\nCups break."


def _write(folder: Path, name: str, *rows: dict[str, Any]) -> None:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _page(path: str, title: str, text: str) -> dict[str, Any]:
    section = {"anchor": "", "heading": "", "level": 1, "path": [], "text": text}
    return {"site": "tea", "page": f"tea:/{path}", "title": title, "sections": [section]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as `--data` wants it, with one question of each set."""
    _write(tmp_path, "docs_retrieval.pages.jsonl", _page("green", "Green", TEA), _page("cups", "Cups", "Wash the cup."))
    gold = [{"page": "tea:/green", "anchor": ""}]
    issue = "How warm is the water for green tea?"
    _write(
        tmp_path,
        "docs_retrieval.queries.jsonl",
        {"qid": "1", "site": "tea", "title": issue, "query": issue, "gold": gold},
    )
    piece = {
        "chunk": "https://x.example/mint#a",
        "page": "https://x.example/mint",
        "heading": "Mint",
        "text": "Mint\n\nCut it.",
    }
    _write(tmp_path, "docs_qa_anthropic.chunks.jsonl", piece)
    asked = {"qid": "2", "query": "How do I cut mint?", "gold_pages": [piece["page"]], "reference_answer": "Cut it."}
    _write(tmp_path, "docs_qa_anthropic.queries.jsonl", asked)
    telling = {"id": "3", "question": issue, "title": "Tea", "context": TEA, "answerable": True}
    other = {"id": "4", "question": "Who is he?", "title": "Tea", "context": TEA, "answerable": False, "answers": []}
    _write(
        tmp_path,
        "sufficiency_clapnq.jsonl",
        telling | {"answers": ["water at 80 degrees suits green tea"]},
        other,
    )
    return tmp_path


async def test_where_answers_point_and_how_near_they_come_is_measured(folder: Path, tmp_path: Path) -> None:
    figures = await measure(folder, lambda line: None, cache=tmp_path / "cache")
    assert [(f.set, f.metric, f.cases, f.goal) for f in figures] == [
        ("docs_retrieval", "first citation", 1, 0.6),
        ("docs_retrieval", "first citation where found", 1, None),
        ("docs_qa_anthropic", "ROUGE-L to first three", 1, None),
        ("ClapNQ", "ROUGE-L", 1, None),
        ("ClapNQ", "ROUGE-L to first three", 1, 1.3),
        ("ClapNQ as a passage", "ROUGE-L to first three", 1, 1.3),
    ]
    assert [f.value for f in figures[:4]] == [1.0, 1.0, 1.0, 1.0]
    assert all(f.value > 1.3 for f in figures[4:])


async def test_a_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "sufficiency_clapnq.jsonl").unlink()
    with pytest.raises(DataUnusable, match=r"sufficiency_clapnq\.jsonl is missing"):
        await measure(folder, lambda line: None, cache=tmp_path / "cache")


async def test_questions_about_sites_without_pages_are_told_and_left_out(folder: Path, tmp_path: Path) -> None:
    questions = folder / "docs_retrieval.queries.jsonl"
    known = questions.read_text()
    questions.write_text(known + known.replace('"tea"', '"coffee"').replace('"qid": "1"', '"qid": "5"'))
    told: list[str] = []
    figures = await measure(folder, told.append, cache=tmp_path / "cache")
    assert figures[0].cases == 1
    assert "docs_retrieval: 1 of 2 questions are left out: there are no pages of coffee" in told
    questions.write_text(known.replace('"tea"', '"coffee"'))
    with pytest.raises(DataUnusable, match="1 of 1 questions are left out"):
        await measure(folder, told.append, cache=tmp_path / "cache")


async def test_markers_are_no_words_of_an_answer() -> None:
    tea = Passage(id="p", url="", path="", title="Tea", text=TEA, score=1.0)
    made = await answer("How warm is the water for green tea?", [tea])
    assert (made.text, [c.quote for c in made.citations]) == (
        "Water at 80 degrees suits green tea.",
        ["Water at 80 degrees suits green tea."],
    )


def test_the_scorer_is_fitted_to_the_choice_nearest_to_a_persons_answer(folder: Path) -> None:
    (case,) = cases(folder)
    assert case.chosen.tolist() == [False, False, True, False]
    assert reached(fitted([case]), [case])[0] > 0.5


def test_sentences_are_taken_as_long_as_they_bring_the_answer_nearer() -> None:
    assert nearest_choice(["It rains.", "It snows.", "Birds sing."], ["it rains and birds sing"]) == {0, 2}
