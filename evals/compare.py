"""Compares two runs case by case, so that a difference is told from noise."""

from collections.abc import Sequence
from math import comb
from typing import NamedTuple

import numpy as np

from evals.results import METRICS, RESAMPLES, Results, Row, Score
from graph.errors import CitesideError


class Difference(NamedTuple):
    """A metric of the same cases in two runs: what changed, and how sure that is.

    `p` is that of McNemar's exact test, for metrics that are right or wrong in each case; for others `low` and `high`
    bound the mean difference (paired bootstrap, 95 %).
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


def compare(before: Results, after: Results) -> Sequence[Difference]:
    """Return the differences of metrics that are means over cases, of cases that both runs have, asked alike.

    Raises CitesideError when there is none.
    """
    former = {_asked(row): row for row in before.rows}
    pairs = [(former[key], row) for row in after.rows if (key := _asked(row)) in former]
    if not pairs:
        raise CitesideError("The two runs have no case in common: there is nothing to compare.")
    seed = int(after.about["seed"])
    found = (_difference(suite, score, pairs, seed) for suite, scores in METRICS.items() for score in scores)
    return [difference for difference in found if difference]


def unpaired(before: Results, after: Results) -> str:
    """Say how many cases were compared and how many were not, because one run lacks them or asked something else."""
    former, latter = ({_asked(row) for row in results.rows} for results in (before, after))
    alone = [
        f"{len(own - other)} only {when}"
        for own, other, when in ((former, latter, "before"), (latter, former, "after"))
        if own - other
    ]
    told = f" Not compared: {', '.join(alone)}." if alone else ""
    return f"{len(former & latter)} cases were compared.{told}"


def _asked(row: Row) -> tuple[object, ...]:
    """Return what makes a case the same one in two runs."""
    return row.suite, row.case, row.question, row.earlier, row.selection, row.expected


def _difference(suite: str, score: Score, pairs: Sequence[tuple[Row, Row]], seed: int) -> Difference | None:
    if score.made not in {"mean", "median"}:
        return None
    name = score.name
    values = np.array(
        [
            (a.scores[name], b.scores[name])
            for a, b in pairs
            if a.suite == suite and name in a.scores and name in b.scores
        ]
    )
    if not len(values):
        return None
    change = values[:, 1] - values[:, 0]
    up, down = int((change > 0).sum()), int((change < 0).sum())
    picks = np.random.default_rng(seed).integers(0, len(change), (RESAMPLES, len(change)))
    low, high = (float(bound) for bound in np.percentile(change[picks].mean(axis=1), [2.5, 97.5]))
    is_binary = bool(np.isin(values, (0, 1)).all())
    p = _mcnemar(up, down) if is_binary else None
    sure = p < 0.05 if p is not None else low > 0 or high < 0
    improved = (change.mean() > 0) == (score.better == "higher")
    verdict = "no difference that can be told from chance" if not sure else "better" if improved else "worse"
    better, worse = (up, down) if score.better == "higher" else (down, up)
    means = values.mean(axis=0)
    return Difference(
        f"{suite}.{name}", len(values), float(means[0]), float(means[1]), better, worse, p, low, high, verdict
    )


def _mcnemar(up: int, down: int) -> float:
    """Return the two-sided exact p-value: of the cases that changed, each way is as likely (McNemar, 1947)."""
    changed = up + down
    tail = sum(comb(changed, n) for n in range(min(up, down) + 1)) / 2**changed
    return min(1.0, 2 * tail)
