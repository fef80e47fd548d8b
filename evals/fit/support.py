"""Fits the coefficients of `graph.support` on judged claims: `python -m evals.fit.support --data FOLDER [--write]`.

A logistic regression with ridge penalty on standardised features. Prints AUROC by source, cross-validated and in
sample, and the effect of leaving each feature out; writes nothing into graph/ unless asked. Needs scikit-learn.
"""

import argparse
import random
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from evals.external import DataUnusable
from evals.external.binary import auroc
from evals.external.support import Judged, judged
from graph import support as scorer
from graph.contradictions import contradicts
from graph.support_features import Features, measure

C = 0.3
"""Inverse strength of the penalty: from 0.1 to 1 the cross-validated AUROC is the same within 0.002."""

FOLDS = 5
REPEATS = 10
"""Cross-validations with other folds, seeds 0 to 9; their AUROCs are averaged."""

_FITTED = re.compile(r"COEFFICIENTS = Features\(.*?\)\nINTERCEPT = [-\d.]+\n", re.DOTALL)

_Scores = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, print, and with --write replace the numbers in `graph/support.py`. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m evals.fit.support", description="Fit the coefficients of graph.support."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with grounding.jsonl")
    parser.add_argument("--write", action="store_true", help="write the coefficients into graph/support.py")
    options = parser.parse_args(arguments)
    try:
        cases = [case for case in judged(options.data) if case.supported is not None]
        truth = np.array([case.supported is True for case in cases])
        features = np.array([measure(case.claim, case.passage) for case in cases])
        against = np.array([contradicts(case.claim, case.passage) for case in cases])
        coefficients, intercept = fit(features, truth)
        print(f"{len(cases)} judged claims, {len(set(groups(cases)))} groups\n")
        _report(cases, features, truth, against)
    except DataUnusable as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"\n{written(coefficients, intercept)}")
    if options.write:
        file = Path(scorer.__file__)
        file.write_text(replaced(file.read_text(encoding="utf-8"), coefficients, intercept), encoding="utf-8")
        print(f"written to {file}")
    return 0


def fit(features: np.ndarray, truth: np.ndarray) -> tuple[Features, float]:
    """Return coefficients and intercept for features as they are measured, rounded to two digits."""
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=C, max_iter=1_000).fit(scaler.transform(features), truth)
    weights = model.coef_[0] / scaler.scale_
    intercept = float(model.intercept_[0] - weights @ scaler.mean_)
    return Features(*(round(float(w), 2) for w in weights)), round(intercept, 2)


def groups(cases: Sequence[Judged]) -> list[int]:
    """Return a number for each case, the same for cases that share a passage or a question, also through others."""
    parent = list(range(len(cases)))

    def root(at: int) -> int:
        while parent[at] != at:
            at = parent[at]
        return at

    first: dict[tuple[str, str], int] = {}
    for at, case in enumerate(cases):
        for key in [("passage", case.passage), *([("question", case.question)] if case.question else [])]:
            parent[root(at)] = root(first.setdefault(key, at))
    return [root(at) for at in range(len(cases))]


def cross_validated(
    cases: Sequence[Judged], features: np.ndarray, truth: np.ndarray, against: np.ndarray | None = None
) -> _Scores:
    """Return the AUROC overall and by source of claims scored by models that saw none of their group.

    `against` tells which claims are contradicted; without it the bare regression is scored.
    """
    of = groups(cases)
    found: list[_Scores] = []
    for seed in range(REPEATS):
        shuffled = sorted(set(of))
        random.Random(seed).shuffle(shuffled)
        fold = np.array([shuffled.index(group) % FOLDS for group in of])
        scores = np.zeros(len(cases))
        for held_out in range(FOLDS):
            fitted = fit(features[fold != held_out], truth[fold != held_out])
            scores[fold == held_out] = _scores(features[fold == held_out], *fitted)
        found.append(_by_source(cases, truth, scores if against is None else _ruled(features, scores, against)))
    return {name: float(np.mean([each[name] for each in found])) for name in found[0]}


def _scores(features: np.ndarray, coefficients: Features, intercept: float) -> np.ndarray:
    return 1 / (1 + np.exp(-(features @ np.array(coefficients)) - intercept))


def _ruled(features: np.ndarray, likely: np.ndarray, against: np.ndarray) -> np.ndarray:
    """Apply the rules of `graph.support.support` to bare likelihoods."""
    found = [Features(*row) for row in features]
    likely = np.where([f.ordered == f.pairs == 1 for f in found], 1.0, likely)
    return np.where(against, np.minimum(likely / 2, scorer.CONTRADICTED), likely)


def _by_source(cases: Sequence[Judged], truth: np.ndarray, scores: np.ndarray) -> _Scores:
    found = {"all": auroc(truth.tolist(), scores.tolist())}
    for source in sorted({case.source for case in cases}):
        own = np.array([case.source == source for case in cases])
        found[source] = auroc(truth[own].tolist(), scores[own].tolist())
    return found


def _report(cases: Sequence[Judged], features: np.ndarray, truth: np.ndarray, against: np.ndarray) -> None:
    bare = _scores(features, *fit(features, truth))
    in_sample = _by_source(cases, truth, bare)
    print("AUROC".ljust(42), *(name.rjust(12) for name in in_sample))
    _line("cross-validated", cross_validated(cases, features, truth))
    _line("cross-validated, rules applied", cross_validated(cases, features, truth, against))
    _line("in sample", in_sample)
    _line("in sample, rules applied", _by_source(cases, truth, _ruled(features, bare, against)))
    for at, name in enumerate(Features._fields):
        blind = features.copy()
        blind[:, at] = 0
        _line(f"cross-validated without {name}", cross_validated(cases, blind, truth))
    marked = np.array([scorer.is_doubted(case.claim, case.passage) for case in cases])
    print(f"\nmarked as it stands: {marked[truth].mean():.0%} of supported, {marked[~truth].mean():.0%} of unsupported")


def _line(name: str, scores: _Scores) -> None:
    print(name.ljust(42), *(f"{value:12.3f}" for value in scores.values()), flush=True)


def written(coefficients: Features, intercept: float) -> str:
    """Return the fitted numbers as they stand in `graph/support.py`."""
    lines = "".join(f"    {name}={value},\n" for name, value in coefficients._asdict().items())
    return f"COEFFICIENTS = Features(\n{lines})\nINTERCEPT = {intercept}\n"


def replaced(source: str, coefficients: Features, intercept: float) -> str:
    """Return the source of `graph/support.py` with other numbers. Raises ValueError when they stand there not once."""
    found, count = _FITTED.subn(written(coefficients, intercept), source)
    if count != 1:
        raise ValueError(f"graph/support.py holds the fitted numbers {count} times, not once")
    return found


if __name__ == "__main__":
    raise SystemExit(main())
