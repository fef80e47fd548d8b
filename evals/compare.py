"""Compares two runs case by case, so that a difference is told from noise."""

from collections.abc import Sequence
from math import comb, isnan
from typing import NamedTuple

import numpy as np

from evals.results import MADE, METRICS, RESAMPLES, Results, Row, Score, scores_of
from graph.errors import CitesideError


class Difference(NamedTuple):
    """A metric of the same cases in two runs: what changed, and how sure that is.

    `p` is that of McNemar's exact test, for metrics that are right or wrong in each case; `low` and `high` bound the
    difference of the metric (paired bootstrap, 95 %).
    """

    metric: str
    cases: int
    before: float
    after: float
    better: int
    worse: int
    p: float | None
    low: float
    high: float
    verdict: str


class Compared(NamedTuple):
    """Two runs on the cases that were asked alike in both; `told` says how many those are, and what is left out."""

    told: str
    differences: tuple[Difference, ...]


def compare(before: Results, after: Results) -> Compared:
    """Compare all metrics over the cases that both runs have, asked alike, and scored by them.

    Raises CitesideError when there is none.
    """
    former = {_asked(row): row for row in before.rows}
    latter = {_asked(row): row for row in after.rows}
    pairs = [(former[key], row) for key, row in latter.items() if key in former]
    if not pairs:
        raise CitesideError("The two runs have no case in common: there is nothing to compare.")
    alone = [
        f"{len(own.keys() - other.keys())} only {when}"
        for own, other, when in ((former, latter, "before"), (latter, former, "after"))
        if own.keys() - other.keys()
    ]
    told = f"{len(pairs)} cases were compared." + (f" Not compared: {', '.join(alone)}." if alone else "")
    seed = int(after.about["seed"])
    found = (_difference(suite, score, pairs, seed) for suite, scores in METRICS.items() for score in scores)
    return Compared(told, tuple(difference for difference in found if difference))


def _asked(row: Row) -> tuple[object, ...]:
    """Return what makes a case the same one in two runs."""
    return row.suite, row.case, row.question, row.earlier, row.selection, row.expected


def _difference(suite: str, score: Score, pairs: Sequence[tuple[Row, Row]], seed: int) -> Difference | None:
    both = [(a, b) for a, b in pairs if a.suite == suite and score.of(a) and score.of(b)]
    if not both:
        return None
    before, after = (scores_of(rows, score) for rows in zip(*both, strict=True))
    made = MADE[score.made]
    if isnan(made(before)):
        return None

    def change(picks: np.ndarray | slice) -> float:
        return made(after[picks]) - made(before[picks])

    change_of_case = after - before if before.ndim == 1 else after[:, 0] - before[:, 0]
    if score.made == "auroc":  # a low score is the better one of a sentence without support
        change_of_case = change_of_case * (2 * before[:, 1] - 1)
    up, down = int((change_of_case > 0).sum()), int((change_of_case < 0).sum())
    picks = np.random.default_rng(seed).integers(0, len(both), (RESAMPLES if before.ndim == 1 else 200, len(both)))
    low, high = (float(bound) for bound in np.nanpercentile([change(pick) for pick in picks], [2.5, 97.5]))
    decides_by_case = score.made == "mean" and bool(np.isin((before, after), (0, 1)).all())
    p = _mcnemar(up, down) if decides_by_case else None
    sure = p < 0.05 if p is not None else low > 0 or high < 0
    improved = (up > down if decides_by_case else change(slice(None)) > 0) == (score.better == "higher")
    verdict = "no difference that can be told from chance" if not sure else "better" if improved else "worse"
    better, worse = (up, down) if score.better == "higher" else (down, up)
    return Difference(
        f"{suite}.{score.name}", len(both), made(before), made(after), better, worse, p, low, high, verdict
    )


def _mcnemar(up: int, down: int) -> float:
    """Return the two-sided exact p-value: of the cases that changed, each way is as likely (McNemar, 1947)."""
    changed = up + down
    tail = sum(comb(changed, n) for n in range(min(up, down) + 1)) / 2**changed
    return min(1.0, 2 * tail)
