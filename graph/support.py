"""Tells how far a text supports a sentence, and whether passages are near enough to a question to answer it."""

import math
from collections.abc import Sequence

from graph.contradictions import contradicts, counts_otherwise, is_single, strange_code
from graph.support_features import Features, measure, read, strange_numbers
from graph.types import Passage

COEFFICIENTS = Features(
    contained=1.84,
    ordered=1.82,
    pairs=0.57,
    strange_names=-4.17,
    strange_numbers=-1.24,
    length=0.59,
    long_evidence=1.57,
)
INTERCEPT = -4.36
"""A logistic regression. `python -m evals.fit.support --data FOLDER` fits both on sentences that people judged."""

DOUBTED = 0.35
"""A grounded sentence below this support is marked as unsupported. Chosen to err gently: a mark on what is right costs
more trust than a missing one. `website/docs/decisions/support-scorer.md` has the shares of both errors."""

CONTRADICTED = 0.3
"""The most that is left of a sentence that `contradicts` speaks against, so that it is always marked."""

FLOOR = 0.65
"""Nearness from which the docs cover a question. Of 138 questions asked on the site that answers them 6 % lay below it,
of 552 asked on another site 6 % above; fitted by `python -m evals.fit.floor`."""

COVERAGE_WEIGHT = 0.6
"""What it adds to a passage's cosine that it holds all of the question's terms: names that the docs never mention drag
a question down that is near their topic. Fitted together with the floor."""


def support(sentence: str, evidence: str) -> float:
    """Return how likely a reader finds that `evidence` supports `sentence`, from 0 to 1; 0 when they share no term.

    The logistic of the weighted features; 1 when all words stand there side by side and in order. Halved, and at most
    CONTRADICTED, when the sentence restates one of the evidence but contradicts it.
    """
    if read(sentence).vocabulary.isdisjoint(read(evidence).vocabulary):
        return 0.0
    found = measure(sentence, evidence)
    verbatim = found.ordered == found.pairs == 1
    likely = 1.0 if verbatim else likelihood(found)
    return min(likely / 2, CONTRADICTED) if contradicts(sentence, evidence) else likely


def is_doubted(sentence: str, evidence: str) -> bool:
    """Tell whether a sentence is to be marked: its support is below DOUBTED, or it has a number or code of its own.

    One that is made of the words of `evidence` alone is marked only when it is contradicted.
    """
    if is_single(sentence) and (
        strange_numbers(sentence, evidence) or counts_otherwise(sentence, evidence) or strange_code(sentence, evidence)
    ):
        return True
    said = read(sentence).vocabulary
    if said and said <= read(evidence).vocabulary:
        return contradicts(sentence, evidence)
    return support(sentence, evidence) < DOUBTED


def likelihood(found: Features) -> float:
    """Return the fitted probability of support for what was measured."""
    weighed = sum(weight * value for weight, value in zip(COEFFICIENTS, found, strict=True))
    return 1 / (1 + math.exp(-INTERCEPT - weighed))


def is_near(passages: Sequence[Passage]) -> bool:
    """Tell whether the best of `passages` is near enough to the question for an answer to rest on it."""
    return any(p.score + COVERAGE_WEIGHT * p.coverage >= FLOOR for p in passages)
