"""Fits the sentence scorer of `graph.sentences` on ClapNQ's answers: `python -m evals.fit.sentences --data DIR`.

Prints the coefficients for `graph/sentences.py` and what they reach in five-fold cross-validation.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
from sklearn.linear_model import LogisticRegression

from evals.external import rows
from evals.rouge import rouge_l, words
from graph.extractive import MOST_SENTENCES
from graph.sentences import FEATURES, ask, features, worth_saying
from graph.units import quotable

_FOLDS = 5
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Case:
    """A text's sentences with their features, and which of them make the answer nearest to the gold one."""

    sentences: tuple[str, ...]
    gold: tuple[str, ...]
    features: np.ndarray
    chosen: np.ndarray


def cases(folder: Path) -> list[Case]:
    """Return the answerable cases of ClapNQ."""
    found: list[Case] = []
    for row in rows(folder, "sufficiency_clapnq.jsonl"):
        if row["answerable"]:
            text, gold = row["context"], tuple(row["answers"])
            sentences = tuple(text[u.start : u.end] for u in quotable(text))
            best = nearest_choice(sentences, gold)
            table = np.array(features(ask(row["question"], [text]), sentences))
            found.append(Case(sentences, gold, table, np.array([i in best for i in range(len(sentences))])))
    return found


def nearest_choice(sentences: Sequence[str], gold: Sequence[str]) -> set[int]:
    """Return the sentences that, taken one by one as long as ROUGE-L grows, come nearest to a gold answer."""
    chosen: set[int] = set()
    reached = 0.0
    while rest := set(range(len(sentences))) - chosen:
        score, best = max((rouge_l(_joined(sentences, chosen | {i}), gold), i) for i in rest)
        if score <= reached:
            break
        reached = score
        chosen.add(best)
    return chosen


def _joined(sentences: Sequence[str], chosen: set[int]) -> str:
    return " ".join(sentences[i] for i in sorted(chosen))


def fitted(known: Sequence[Case]) -> LogisticRegression:
    """Return the regression over all sentences of `known`."""
    model = LogisticRegression(C=1.0, max_iter=1_000)
    return model.fit(np.vstack([c.features for c in known]), np.concatenate([c.chosen for c in known]))


def reached(model: LogisticRegression, unseen: Sequence[Case]) -> list[float]:
    """Return ROUGE-L of what is chosen by `model` for each case."""
    found: list[float] = []
    for case in unseen:
        chance = model.predict_proba(case.features)[:, 1].tolist()
        chosen = worth_saying(chance, [len(words(s)) for s in case.sentences], MOST_SENTENCES)
        found.append(rouge_l(_joined(case.sentences, set(chosen)), case.gold))
    return found


def main() -> None:
    """Print the coefficients fitted on everything, and the ratio to the first three sentences on what was held out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder that holds sufficiency_clapnq.jsonl")
    known = cases(parser.parse_args().data)
    lead = mean(rouge_l(" ".join(c.sentences[:3]), c.gold) for c in known)
    held_out: list[float] = []
    for round_ in range(_ROUNDS):
        order = np.random.default_rng(round_).permutation(len(known))
        for fold in range(_FOLDS):
            unseen = set(order[fold::_FOLDS].tolist())
            model = fitted([c for i, c in enumerate(known) if i not in unseen])
            held_out += reached(model, [known[i] for i in unseen])
    model = fitted(known)
    print(f"first three sentences {lead:.4f}, held out {mean(held_out):.4f}, ratio {mean(held_out) / lead:.3f}")
    print(f"the same on what was fitted {mean(reached(model, known)):.4f}")
    for name, value in zip(FEATURES, model.coef_[0], strict=True):
        print(f"{name:16} {value:+.2f}")
    print(f"{'intercept':16} {float(np.ravel(model.intercept_)[0]):+.2f}")


if __name__ == "__main__":
    main()
