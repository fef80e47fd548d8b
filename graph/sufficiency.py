"""Judges by its words whether a text answers a question."""

import re
from dataclasses import dataclass

from graph.missing import asked_kind, describe, lacking
from graph.ports import MissingKind
from graph.terms import content_terms, numbers, question_terms
from graph.types import Span, Verdict, Widening
from graph.units import Unit, quotable

WIDER: tuple[Widening, ...] = ("section", "page", "docs")

_BEST = 3
"""Sentences looked at together; an answer that is spread wider is not found by words."""

_TIME = re.compile(
    r"\d|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday"
    r"|wednesday|thursday|friday|saturday|sunday|daily|hourly|weekly|monthly|yearly|always|never|before|after|during|when"
    r"|januar|februar|märz|mai|juni|juli|oktober|dezember|täglich|stündlich|wenn|nachdem|bevor)\b",
    re.IGNORECASE,
)
_NUMBER_WORD = re.compile(
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|hundred|thousand|million|twice|once|no|unlimited"
    r"|eins?|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|zwölf|hundert|tausend|keine?|unbegrenzt)\b",
    re.IGNORECASE,
)
_CODE = re.compile(r"[(){}=<>$`_/\\]|--?\w")


@dataclass(frozen=True, slots=True)
class WordSufficiency:
    """Compares the question's content words with the best sentences of the text.

    From `sufficient` of the words on, and with a fact of the kind asked for, the text suffices; from `partial` on it
    answers a part.
    """

    sufficient: float = 0.6
    partial: float = 0.4

    async def assess(self, question: str, text: str, *, locale: str) -> Verdict:
        """Return the verdict; a question without content words ("What does this mean?") is about the text itself."""
        found = quotable(text)
        terms = question_terms(question)
        if not terms:
            return Verdict(verdict="sufficient", used=_spans(found[:_BEST]))
        best = _best(text, found, terms)
        known = content_terms(" ".join(text[u.start : u.end] for u in best))
        covered = len(terms & known) / len(terms)
        gives = any(_gives(asked_kind(question), text[u.start : u.end]) for u in best)
        if covered >= self.sufficient and gives:
            return Verdict(verdict="sufficient", used=_spans(best))
        missing = (describe(lacking(question, known), locale, mentioned=not terms - known),)
        if covered >= self.partial and gives:
            return Verdict(verdict="partial", used=_spans(best), missing=missing, widen=WIDER)
        return Verdict(verdict="insufficient", missing=missing, widen=WIDER)


class Abstaining:
    """Leaves the judgement to the answerer: a model reads better than words can be compared, also across languages."""

    async def assess(self, question: str, text: str, *, locale: str) -> None:
        """Return None."""


def _best(text: str, found: list[Unit], terms: frozenset[str]) -> list[Unit]:
    """Return up to `_BEST` sentences that share the most words, each adding one, in the order of the text."""
    chosen: list[Unit] = []
    open_terms = set(terms)
    for _ in range(_BEST):
        best = max(found, key=lambda u: len(open_terms & content_terms(text[u.start : u.end])), default=None)
        if best is None or not (gained := open_terms & content_terms(text[best.start : best.end])):
            break
        chosen.append(best)
        open_terms -= gained
    return sorted(chosen, key=lambda u: u.start)


def _spans(found: list[Unit]) -> tuple[Span, ...]:
    return tuple(Span(start=u.start, end=u.end) for u in found)


def _gives(kind: MissingKind, sentence: str) -> bool:
    """Tell whether a sentence may hold a fact of the kind; only kinds that show on the surface are refused."""
    match kind:
        case "number":
            return bool(numbers(sentence)) or _NUMBER_WORD.search(sentence) is not None
        case "time":
            return _TIME.search(sentence) is not None
        case "code":
            return _CODE.search(sentence) is not None
        case _:
            return True
