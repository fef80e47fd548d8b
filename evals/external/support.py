"""Scores `graph.support` on sentences whose support people judged: `grounding.jsonl` of a folder of cases."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.external import Figure, Tell, rows
from evals.external.binary import auroc, balanced_accuracy
from graph.support import is_doubted, support

FILE = "grounding.jsonl"

_BASELINES = {"begin_wow": 0.88, "expertqa": 0.65, "mtrag_human": 0.99, "wice": 0.94}
"""Best AUROC of the simple scorers (term containment, ROUGE-L precision, sentence cosines) on the development half."""

_GOALS = {"expertqa": 0.70}


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim, its evidence and what people said of it; None of one that they found supported in part."""

    id: str
    source: str
    question: str | None
    claim: str
    passage: str
    supported: bool | None


def judged(folder: Path) -> list[Judged]:
    """Return the judged claims of a folder. Raises DataUnusable."""
    labels = {"supported": True, "unsupported": False, "partial": None}
    return [
        Judged(r["id"], r["source"], r.get("question"), r["claim"], r["passage"], labels[r["label"]])
        for r in rows(folder, FILE)
    ]


def run_rows(folder: Path) -> list[dict[str, Any]]:
    """Return `{"id", "score", "pred"}` for each claim, as score_binary.py reads them."""
    return [
        {
            "id": case.id,
            "score": support(case.claim, case.passage),
            "pred": not is_doubted(case.claim, case.passage),
        }
        for case in judged(folder)
    ]


async def measure(folder: Path, tell: Tell) -> list[Figure]:
    """Return AUROC overall and by source, and balanced accuracy of the marks; partly supported claims are left out."""
    cases = [case for case in judged(folder) if case.supported is not None]
    tell(f"support: {len(cases)} judged claims")
    truth = [case.supported is True for case in cases]
    scores = [support(case.claim, case.passage) for case in cases]
    figures = [Figure("grounding", "AUROC", auroc(truth, scores), len(cases), baseline=0.78, goal=0.84)]
    for source in sorted({case.source for case in cases}):
        own = [i for i, case in enumerate(cases) if case.source == source]
        value = auroc([truth[i] for i in own], [scores[i] for i in own])
        baseline, goal = _BASELINES.get(source), _GOALS.get(source)
        figures.append(Figure(f"grounding {source}", "AUROC", value, len(own), baseline=baseline, goal=goal))
    value = balanced_accuracy(truth, [not is_doubted(case.claim, case.passage) for case in cases])
    return [*figures, Figure("grounding", "balanced accuracy", value, len(cases), baseline=0.72)]
