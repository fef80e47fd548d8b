"""Fits the coefficients of `graph.sufficiency` on SQuAD 2.0 and ClapNQ, and prints what they are worth.

    python -m evals.fit.sufficiency --data FOLDER

The sets weigh the same. Each is centred for itself, so that only what tells answers apart within a set counts: how
much of a question its text repeats differs between sets by how the questions came about. Balanced accuracy is of
cases whose article or page was left out, with the threshold of the others.
"""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.external.binary import auroc, balanced_accuracy, fitted_threshold
from evals.external.sufficiency import Case, cases
from graph.errors import CitesideError
from graph.sufficiency import answers
from graph.sufficiency_features import Features, measure, read

STRICT, LENIENT = "sufficiency_squad2", "sufficiency_clapnq"
"""Near misses, and other passages of the right page. Probabilities are told so that the former divide at one half."""

PENALTY = 10.0
"""Of the squared coefficients (of features of unit variance); 3 to 30 differ by less than the folds do."""

FOLDS = 8
SEEDS = (0, 1, 2)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Samples:
    """Features (n, k), labels, sets and groups of n cases."""

    features: Floats
    labels: NDArray[np.bool_]
    sets: NDArray[np.str_]
    groups: NDArray[np.str_]

    def of(self, chosen: NDArray[np.bool_]) -> "Samples":
        """Return the chosen ones."""
        return Samples(self.features[chosen], self.labels[chosen], self.sets[chosen], self.groups[chosen])


def samples(found: Mapping[str, Sequence[Case]]) -> Samples:
    """Measure the cases of each set."""
    listed = [(name, case) for name, cases_of in found.items() for case in cases_of]
    return Samples(
        np.array([measure(case.question, read(case.text)).features for _, case in listed], dtype=np.float64),
        np.array([case.answered for _, case in listed]),
        np.array([name for name, _ in listed]),
        np.array([f"{name} {case.group}" for name, case in listed]),
    )


def fit(train: Samples) -> Floats:
    """Return the coefficients (k,) of a logistic regression with an intercept for each set, by Newton's method."""
    x = train.features.copy()
    weights = np.zeros(len(x))
    for name in set(train.sets):
        here = train.sets == name
        x[here] -= x[here].mean(axis=0)
        weights[here] = len(x) / len(set(train.sets)) / here.sum()
    spread = x.std(axis=0)
    spread[spread == 0] = 1
    x /= spread
    b = np.zeros(x.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-x @ b))
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x + PENALTY * np.eye(len(b))
        b += np.linalg.solve(hessian, x.T @ (weights * (train.labels - p)) - PENALTY * b)
    return b / spread


def cross_validated(all_samples: Samples, seed: int) -> dict[str, tuple[float, float]]:
    """Return AUROC and balanced accuracy of each set on groups that were left out."""
    left_out = folds(all_samples.groups, seed)
    scores = np.zeros(len(all_samples.labels))
    predicted = np.zeros(len(all_samples.labels), dtype=bool)
    names = sorted(set(all_samples.sets))
    for fold in range(FOLDS):
        train, test = left_out != fold, left_out == fold
        scored = all_samples.features @ fit(all_samples.of(train))
        scores[test] = scored[test]
        for name in names:
            here = all_samples.sets == name
            least = fitted_threshold(all_samples.labels[train & here].tolist(), scored[train & here].tolist())
            predicted[test & here] = scored[test & here] >= least
    result: dict[str, tuple[float, float]] = {}
    for name in names:
        here = all_samples.sets == name
        labels = all_samples.labels[here].tolist()
        result[name] = (auroc(labels, scores[here].tolist()), balanced_accuracy(labels, predicted[here].tolist()))
    return result


def folds(groups: NDArray[np.str_], seed: int) -> NDArray[np.int_]:
    """Return the fold (n,) of each case; a group is in one fold, and the groups of a set are spread over all folds."""
    names: list[str] = np.unique(groups).tolist()
    order = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    fold_of: dict[str, int] = {}
    for of in {name.split(" ")[0] for name in names}:
        mine = [name for name in order if name.split(" ")[0] == of]
        fold_of |= {name: n % FOLDS for n, name in enumerate(mine)}
    return np.array([fold_of[name] for name in groups])


def report(all_samples: Samples) -> str:
    """Return the figures and the coefficients as they stand in `graph.sufficiency`."""
    runs = [cross_validated(all_samples, seed) for seed in SEEDS]
    lines = ["Left out by article or page, mean of three orders:"]
    for name in runs[0]:
        mean = np.mean([run[name] for run in runs], axis=0)
        lines.append(f"  {name}: AUROC {mean[0]:.3f}, balanced accuracy {mean[1]:.3f}")
    coefficients = fit(all_samples)
    scores = all_samples.features @ coefficients
    least: dict[str, float] = {}
    lines.append("On the cases themselves, with the threshold that is best there:")
    for name in runs[0]:
        here = all_samples.sets == name
        labels, values = all_samples.labels[here].tolist(), scores[here].tolist()
        least[name] = fitted_threshold(labels, values)
        accuracy = balanced_accuracy(labels, [value >= least[name] for value in values])
        lines.append(f"  {name}: AUROC {auroc(labels, values):.3f}, balanced accuracy {accuracy:.3f}")
    lines.append(f"INTERCEPT = {-least[STRICT]:.2f}")
    lines += [f"{name} = {value:.2f}" for name, value in zip(Features._fields, coefficients, strict=True)]
    return "\n".join(lines)


def thresholds(found: Mapping[str, Sequence[Case]]) -> str:
    """Return the best probabilities to say yes from, with the coefficients as they stand in the code."""
    labels = {name: [case.answered for case in listed] for name, listed in found.items()}
    scores = {name: [answers(case.question, case.text) for case in listed] for name, listed in found.items()}
    lines = ["Thresholds with the coefficients that stand in the code:"]
    lines += [f"  {name}: {_below(fitted_threshold(labels[name], scores[name]))}" for name in found]
    one = max(
        sorted({score for listed in scores.values() for score in listed}),
        key=lambda least: sum(balanced_accuracy(labels[n], [s >= least for s in scores[n]]) for n in found),
    )
    return "\n".join([*lines, f"  one for both: {_below(one)}"])


def _below(least: float) -> float:
    """Round down, so that the case that set the threshold stays above it."""
    return math.floor(least * 1000) / 1000


def main() -> None:
    """Fit on the folder named by --data."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with sufficiency_squad2.jsonl and others")
    folder = parser.parse_args().data
    try:
        found = {name: cases(folder, name) for name in (STRICT, LENIENT)}
    except CitesideError as error:
        raise SystemExit(str(error)) from None
    print(report(samples(found)))
    print(thresholds(found))


if __name__ == "__main__":
    main()
