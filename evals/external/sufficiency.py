"""Scores the judgement by words on questions whose texts answer them or do not: SQuAD 2.0, ClapNQ and MTRAG-UN."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evals.external import DataUnusable, Figure, Tell, rows
from evals.external.binary import auroc, balanced_accuracy, fitted_threshold
from graph.condense import condense
from graph.sufficiency import WordSufficiency, answers
from graph.types import Exchange

SETS = ("sufficiency_squad2", "sufficiency_clapnq", "sufficiency_mtragun")
BASELINES = {"sufficiency_squad2": 0.63, "sufficiency_clapnq": 0.76}
GOALS = {"sufficiency_squad2": 0.65, "sufficiency_clapnq": 0.80}


class Case(NamedTuple):
    """A question, a text and whether the text answers; cases of one `group` share an article or a conversation."""

    id: str
    group: str
    question: str
    text: str
    answered: bool


def cases(folder: Path, name: str) -> list[Case]:
    """Return the cases of one of `SETS`. Raises DataUnusable, naming the file and what it lacks."""
    file = f"{name}.jsonl"
    try:
        return [_case(name, row) for row in rows(folder, file)]
    except (KeyError, TypeError) as error:
        raise DataUnusable(f"{folder / file}: a row lacks what a case of {name} has: {error}") from error


def _case(name: str, row: dict[str, Any]) -> Case:
    if name == "sufficiency_mtragun":
        history = [exchange for exchange in _exchanges(row["history"])]
        text = "\n\n".join(row["contexts"])
        return Case(row["id"], row["id"], condense(row["question"], history), text, row["label"] == "ANSWERABLE")
    group = row["article"] if name == "sufficiency_squad2" else row["title"]
    return Case(row["id"], group, row["question"], row["context"], bool(row["answerable"]))


def _exchanges(history: Sequence[dict[str, str]]) -> list[Exchange]:
    said = [turn["text"] for turn in history]
    return [Exchange(question=asked, answer=told) for asked, told in zip(said[::2], said[1::2], strict=False)]


async def run_rows(folder: Path, name: str) -> list[dict[str, object]]:
    """Return rows for the external scorer: the probability that the text answers, and whether it is `sufficient`."""
    judge = WordSufficiency()
    found: list[dict[str, object]] = []
    for case in cases(folder, name):
        verdict = await judge.assess(case.question, case.text, locale="en")
        score = answers(case.question, case.text)
        found.append({"id": case.id, "score": score, "pred": verdict.verdict == "sufficient"})
    return found


async def measure(folder: Path, tell: Tell) -> list[Figure]:
    """Return AUROC and balanced accuracy of each set: with a threshold of its own, with one for all, and as judged.

    The thresholds are fitted on `folder` itself, as the goals are meant for the half to develop against.
    """
    judged: dict[str, tuple[list[bool], list[float], list[bool]]] = {}
    for name in SETS:
        tell(f"sufficiency: {name}")
        labels = [case.answered for case in cases(folder, name)]
        told = await run_rows(folder, name)
        judged[name] = (labels, [float(str(row["score"])) for row in told], [row["pred"] is True for row in told])
    shared = _shared_threshold([judged[name] for name in GOALS])
    figures: list[Figure] = []
    for name, (labels, scores, verdicts) in judged.items():
        own = fitted_threshold(labels, scores)
        accuracy = balanced_accuracy(labels, [score >= own for score in scores])
        together = balanced_accuracy(labels, [score >= shared for score in scores])
        n = len(labels)
        figures += [
            Figure(name, "AUROC", auroc(labels, scores), n),
            Figure(name, "balanced accuracy", accuracy, n, BASELINES.get(name), GOALS.get(name)),
            Figure(name, "balanced accuracy, one threshold", together, n),
            Figure(name, "balanced accuracy of the verdict", balanced_accuracy(labels, verdicts), n),
        ]
    return figures


def _shared_threshold(judged: Sequence[tuple[list[bool], list[float], list[bool]]]) -> float:
    found = sorted({score for _, scores, _ in judged for score in scores})
    return max(
        found,
        key=lambda least: sum(balanced_accuracy(labels, [s >= least for s in scores]) for labels, scores, _ in judged),
    )
