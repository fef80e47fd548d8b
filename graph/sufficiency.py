"""Judges by its words whether a text answers a question."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from graph.missing import defined_in, describe, lacking
from graph.questions import parts
from graph.sufficiency_features import Features, Measured, Sentence, measure, read
from graph.terms import question_terms
from graph.types import Missing, Span, Verdict, Widening
from graph.units import Unit

WIDER: tuple[Widening, ...] = ("section", "page", "docs")

INTERCEPT = 3.84
COEFFICIENTS = Features(
    unmet_near=-1.95,
    unmet=-2.75,
    name_elsewhere=-1.57,
    other_number=-1.09,
    conflict=-2.47,
    denied=-2.97,
    length=-0.40,
    near=0.24,
    counted=1.16,
    last_unmet=-0.33,
    absent=-1.70,
)
"""Fitted by `python -m evals.fit.sufficiency`; what they are worth is told on the decision page about sufficiency."""

_MOST = 0.6
"""Share of the question that has to stand where the answer is: the more it says of its subject, the more is asked."""

_OPENING = 3
"""Units shown of a text that is asked about as a whole."""

_IDENTIFIER = re.compile(r"(?<![\w/-])(?:/[\w{}./-]*\w|--\w[\w-]*|[^\W_]+(?:_[^\W_]+)+)")
_DEFINING = (
    r"(?:\w{0,2}\W+(?:[^\s.;]+\s+){0,3}?(?:is|are|means?|refers?|stands?|describes?|lets?|allows?|provides?|ist|sind"
    r"|bedeutet|heißt|steht)\b|\w{0,2}[`'\"”)]*\s*[:\t–—])"
)


@dataclass(frozen=True, slots=True)
class WordSufficiency:
    """Weighs how the words of a text meet those of the question, with coefficients fitted on answered questions.

    From a probability of `sufficient` on the text suffices, from `partial` on it answers a part. Both were set on pages
    of documentation, where a wrong sentence costs more than an answer called partial.
    """

    sufficient: float = 0.6
    partial: float = 0.2

    async def assess(self, question: str, text: str, *, locale: str) -> Verdict:
        """Return the verdict; a question without content words ("What does this mean?") is about the text itself.

        Of a question with two parts ("How long does it last and how is it renewed?") each is judged alone.
        """
        sentences = read(text)
        if sentences and not question_terms(question):
            return Verdict(verdict="sufficient", used=_spans([s.unit for s in sentences[:_OPENING]]))
        judged = [self._judge(part, sentences, locale) for part in parts(question)]
        return judged[0] if len(judged) == 1 else _together(judged)

    def _judge(self, question: str, sentences: Sequence[Sentence], locale: str) -> Verdict:
        measured = measure(question, sentences)
        probability = _probability(measured.features)
        explained = defined_in(question)
        best = _definition(explained, sentences) if explained else measured.best
        likely = probability >= self.sufficient and measured.share >= _MOST
        is_there = not measured.features.absent and not _strange_identifiers(question, sentences)
        if (likely or _says_all(measured)) and is_there and best:
            return Verdict(verdict="sufficient", used=_spans(best))
        missing = (_lack(question, measured, locale),)
        if probability >= self.partial and not measured.features.absent and measured.best:
            return Verdict(verdict="partial", used=_spans(measured.best), missing=missing, widen=WIDER)
        return Verdict(verdict="insufficient", missing=missing, widen=WIDER)


class Abstaining:
    """Leaves the judgement to the answerer: a model reads better than words can be compared, also across languages."""

    async def assess(self, question: str, text: str, *, locale: str) -> None:
        """Return None."""


def answers(question: str, text: str) -> float:
    """Return the probability, by the words, that a text answers a question; of two parts that of the weaker."""
    sentences = read(text)
    return min(_probability(measure(part, sentences).features) for part in parts(question))


def _probability(features: Features) -> float:
    score = INTERCEPT + sum(weight * value for weight, value in zip(COEFFICIENTS, features, strict=True))
    return 1 / (1 + math.exp(-score))


def _says_all(measured: Measured) -> bool:
    """Tell whether a place holds all of the question's words with nothing against it, however long its sentences."""
    f = measured.features
    return measured.share == 1 and f.counted >= 0 and not (f.name_elsewhere or f.other_number or f.conflict or f.denied)


def _strange_identifiers(question: str, sentences: Sequence[Sentence]) -> list[str]:
    """Return the settings, options and paths of a question that stand nowhere as they are, whatever of them does."""
    return [
        name
        for name in _IDENTIFIER.findall(question)
        if not any(re.search(rf"(?<![\w/-]){re.escape(name)}(?![\w/-])", s.text, re.IGNORECASE) for s in sentences)
    ]


def _definition(what: str, sentences: Sequence[Sentence]) -> list[Unit]:
    """Return the first unit that says what something is; a text on a subject names it in every sentence."""
    named = r"\W+".join(map(re.escape, what.strip("?\"'`“”„").split()))
    defining = re.compile(rf"(?<!\w){named}{_DEFINING}", re.IGNORECASE)
    return [s.unit for s in sentences if defining.search(s.text)][:1]


def _lack(question: str, measured: Measured, locale: str) -> Missing:
    """Return what is missing: words the text has nowhere, else those it does not have together, else the fact asked."""
    unsaid = question_terms(question) - measured.anywhere
    return describe(lacking(question, measured.anywhere if unsaid else measured.here), locale, mentioned=not unsaid)


def _together(judged: list[Verdict]) -> Verdict:
    missing = tuple(dict.fromkeys(item for verdict in judged for item in verdict.missing))
    spans = {(s.start, s.end): s for verdict in judged for s in verdict.used}
    used = tuple(spans[at] for at in sorted(spans))
    if not missing:
        return Verdict(verdict="sufficient", used=used)
    return Verdict(verdict="partial" if used else "insufficient", used=used, missing=missing, widen=WIDER)


def _spans(found: Sequence[Unit]) -> tuple[Span, ...]:
    return tuple(Span(start=u.start, end=u.end) for u in found)
