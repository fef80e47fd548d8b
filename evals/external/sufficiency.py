"""Scores the judgement by words on questions whose texts answer them or do not: SQuAD 2.0, ClapNQ and MTRAG-UN."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evals.external import Figure, Tell, rows
from evals.external.binary import auroc, balanced_accuracy
from graph.condense import condense
from graph.sufficiency import WordSufficiency, answers
from graph.types import Exchange

SETS = ("sufficiency_squad2", "sufficiency_clapnq", "sufficiency_mtragun")
BASELINES = {"sufficiency_squad2": 0.63, "sufficiency_clapnq": 0.76}
GOALS = {"sufficiency_squad2": 0.65, "sufficiency_clapnq": 0.80}

THRESHOLDS = {"sufficiency_squad2": 0.501, "sufficiency_clapnq": 0.313}
"""Probability from which a text of a set counts as answering, fitted on the half to develop against."""

ONE_THRESHOLD = 0.313
"""The same for both sets together; `python -m evals.fit.sufficiency` prints all three."""


class Case(NamedTuple):
    """A question, a text and whether the text answers; cases of one `group` share an article or a conversation."""

    id: str
    group: str
    question: str
    text: str
    answered: bool


def cases(folder: Path, name: str) -> list[Case]:
    """Return the cases of one of `SETS`. Raises DataUnusable."""
    return [_case(name, row) for row in rows(folder, f"{name}.jsonl")]


def _case(name: str, row: dict[str, Any]) -> Case:
    if name == "sufficiency_mtragun":
        history = [exchange for exchange in _exchanges(row["history"])]
        text = "\n\n".join(row["contexts"])
        return Case(row["id"], row["id"], condense(row["question"], history), text, row["label"] == "ANSWERABLE")
    group = row["article"] if name == "sufficiency_squad2" else row["title"]
    return Case(row["id"], group, row["question"], row["context"], row["answerable"])


def _exchanges(history: Sequence[dict[str, str]]) -> list[Exchange]:
    said = [turn["text"] for turn in history]
    return [Exchange(question=asked, answer=told) for asked, told in zip(said[::2], said[1::2], strict=False)]


def run_rows(folder: Path, name: str) -> list[dict[str, object]]:
    """Return rows for the external scorer: the probability that the text answers, and what the one threshold says."""
    scored = ((case.id, answers(case.question, case.text)) for case in cases(folder, name))
    return [{"id": id, "score": score, "pred": score >= ONE_THRESHOLD} for id, score in scored]


async def measure(folder: Path, tell: Tell) -> list[Figure]:
    """Return AUROC and balanced accuracy of each set: with its own threshold, with one for all, and of the verdict."""
    judge = WordSufficiency()
    figures: list[Figure] = []
    for name in SETS:
        tell(f"sufficiency: {name}")
        found = cases(folder, name)
        labels = [case.answered for case in found]
        scores = [answers(case.question, case.text) for case in found]
        verdicts = [await judge.assess(case.question, case.text, locale="en") for case in found]
        accuracy = {
            "one threshold": balanced_accuracy(labels, [score >= ONE_THRESHOLD for score in scores]),
            "of the verdict": balanced_accuracy(labels, [verdict.verdict == "sufficient" for verdict in verdicts]),
        }
        figures.append(Figure(name, "AUROC", auroc(labels, scores), len(found)))
        if name in THRESHOLDS:
            own = balanced_accuracy(labels, [score >= THRESHOLDS[name] for score in scores])
            figures.append(
                Figure(name, "balanced accuracy", own, len(found), baseline=BASELINES[name], goal=GOALS[name])
            )
        figures += [Figure(name, f"balanced accuracy, {how}", value, len(found)) for how, value in accuracy.items()]
    return figures
