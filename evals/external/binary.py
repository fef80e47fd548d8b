"""Measures how well a score tells yes from no, by the same rules as the scorer that comes with the external cases."""

from collections.abc import Sequence

import numpy as np


def auroc(labels: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the probability that a yes scores above a no, ties counted half."""
    yes = np.asarray(labels, dtype=bool)
    values = np.asarray(scores, dtype=float)
    above = values[yes][:, None] > values[~yes][None, :]
    equal = values[yes][:, None] == values[~yes][None, :]
    return float((above + equal / 2).mean())


def balanced_accuracy(labels: Sequence[bool], predicted: Sequence[bool]) -> float:
    """Return the mean of the shares of yes and of no that were told right."""
    yes, said = np.asarray(labels, dtype=bool), np.asarray(predicted, dtype=bool)
    return float((said[yes].mean() + (~said[~yes]).mean()) / 2)


def fitted_threshold(labels: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the least score from which saying yes gives the best balanced accuracy."""
    values = np.asarray(scores, dtype=float)
    found = sorted(set(values.tolist()))
    return max(found, key=lambda least: (balanced_accuracy(labels, (values >= least).tolist()), -least))
