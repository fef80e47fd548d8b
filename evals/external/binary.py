"""Measures how well a score tells yes from no, by the same rules as the scorer that comes with the external cases."""

from collections.abc import Sequence

from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from evals.external import DataUnusable


def auroc(labels: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the probability that a yes scores above a no, ties half. Raises DataUnusable for cases of one kind."""
    _both_kinds(labels)
    return float(roc_auc_score(labels, scores))


def balanced_accuracy(labels: Sequence[bool], said: Sequence[bool]) -> float:
    """Return the mean of the shares of yes and of no told right. Raises DataUnusable for cases of one kind."""
    _both_kinds(labels)
    return float(balanced_accuracy_score(labels, said))


def fitted_threshold(labels: Sequence[bool], scores: Sequence[float]) -> float:
    """Return the least score from which saying yes gives the best balanced accuracy."""
    found = sorted(set(scores))
    return max(found, key=lambda least: (balanced_accuracy(labels, [s >= least for s in scores]), -least))


def _both_kinds(labels: Sequence[bool]) -> None:
    if len(set(labels)) != 2:
        raise DataUnusable(f"all {len(labels)} judged cases are of one kind; cases of both kinds are wanted")
