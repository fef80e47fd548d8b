"""Tells whether a text supports a sentence, and whether passages are near enough to a question to answer it.

The values below were set by hand on two documentation sites; each errs towards doubt.
"""

from collections.abc import Sequence

from graph.terms import content_terms, names, negated, numbers
from graph.types import Passage
from graph.units import quotable

DOUBTED = 0.5
"""A grounded sentence below this support is marked as unsupported."""

FLOOR = 0.6
"""Nearness from which the docs cover a question. Of 46 questions that two sites should answer 42 lay above it (the
others had one to five words); of 30 that they do not answer 29 lay below (the other was next to the docs' topic)."""

COVERAGE_WEIGHT = 0.35
"""What it adds to a passage's cosine that it holds all of the question's terms: names that the docs never mention drag
a question down that is near their topic."""


def support(sentence: str, evidence: str) -> float:
    """Return how far `evidence` supports `sentence`, from 0 to 1.

    The share of the sentence's content terms that the evidence contains; 0 when a number of the sentence is
    missing from it, halved when a name is missing, a third of it when either it or the nearest sentence denies alone.
    """
    terms = content_terms(sentence)
    shared = terms & content_terms(evidence)
    if not shared:
        return 0.0
    score = len(shared) / len(terms)
    if numbers(sentence) - numbers(evidence):
        return 0.0
    if strange_names(sentence, evidence):
        score /= 2
    if negated(sentence) != negated(_nearest(terms, evidence)):
        score /= 3
    return score


def _nearest(terms: frozenset[str], text: str) -> str:
    """Return the sentence of `text` that shares the most terms: a "not" elsewhere in it denies nothing here."""
    found = [text[u.start : u.end] for u in quotable(text)]
    return max(found, key=lambda words: len(terms & content_terms(words)), default="")


def strange_names(sentence: str, evidence: str) -> set[str]:
    """Return the names of `sentence` that stand nowhere in `evidence`."""
    known = content_terms(evidence)
    folded = evidence.casefold()
    return {name for name in names(sentence) if name not in folded and not content_terms(name) <= known}


def is_near(passages: Sequence[Passage]) -> bool:
    """Tell whether the best of `passages` is near enough to the question for an answer to rest on it."""
    return any(p.score + COVERAGE_WEIGHT * p.coverage >= FLOOR for p in passages)
