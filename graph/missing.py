"""Words what a selection lacks, so that no answerer can state a fact there.

An answerer may name a kind of fact from a closed set and words of the question it is about; the sentences are
ours. Anything else it says about what is missing has no field to travel in.
"""

import re
from collections.abc import Mapping

from graph.citations import find_verbatim
from graph.ports import Lack, MissingKind
from graph.terms import STOP_WORDS, content_terms, question_terms, stem, words
from graph.texts import say
from graph.types import Missing

_PATTERNS: Mapping[MissingKind, str] = {
    "number": r"\bhow (?:many|much|long|large|big|often|fast|old|far|high)\b|\bwie ?(?:viele?[nr]?|lange|groß|oft|schnell|alt|hoch)\b|\b(?:maximum|minimum|limit|number of|size|price|cost|percentage)\b",
    "time": r"\bwhen\b|\bwhat (?:date|time|year|day)\b|\bwann\b|\bseit wann\b",
    "place": r"\bwhere\b|\bwo(?:hin|her)?\b|\bin which (?:file|folder|directory)\b",
    "person": r"\bwho(?:m|se)?\b|\bwe[rm]\b|\bwessen\b",
    "reason": r"\bwhy\b|\bhow come\b|\bwarum\b|\bwieso\b|\bweshalb\b|\bwhat (?:is|are) the reasons?\b",
    "code": r"\b(?:which|what) (?:command|flag|option|function|snippet)\b|\bexample\b|\bsyntax\b|\bwelcher befehl\b|\bbeispiel\b",
    "steps": r"\bhow (?:do|does|can|should|to|would)\b|\bsteps\b|\bwie (?:kann|mache|macht|soll|richte|geht|installiere)\b",
    "choice": r"\bwhich\b|\bdifference\b|\bbetter\b|\bversus\b|\bvs\b|\bwelche[rsnm]?\b|\bunterschied\b",
    "list": r"\bwhat (?:are|kinds|types)\b|\blist\b|\bwas sind\b",
    "definition": r"^\W*(?:what|who) (?:is|does)\b|\bmeaning\b|\bdefine\b|\bwas (?:ist|bedeutet|heißt)\b",
    "yes_no": r"^\W*(?:is|are|was|were|do|does|did|can|could|should|will|would|has|have|may|must|ist|sind|kann|darf|muss|hat|wird|gibt)\b",
}
"""Question patterns, English and German, most telling first."""


def asked_kind(question: str) -> MissingKind:
    """Return the kind of fact that `question` asks for; `fact` when it cannot be told."""
    for kind, pattern in _PATTERNS.items():
        if re.search(pattern, question, re.IGNORECASE):
            return kind
    return "fact"


def lacking(question: str, known: frozenset[str]) -> Lack:
    """Return what `question` asks beyond the terms `known`, in its own words; all it asks when nothing is beyond."""
    beyond = question_terms(question) - known or question_terms(question)
    return Lack(kind=asked_kind(question), about=_phrase(question, beyond))


def _phrase(question: str, terms: frozenset[str]) -> str:
    """Return the shortest run of the question's words that holds all of `terms`, at most 400 characters."""
    hits = [m.span() for m in re.finditer(r"\S+", question) if _holds(m[0], terms)]
    if not hits:
        return question.strip().strip("?!. ")[:400]
    return question[hits[0][0] : hits[-1][1]].strip("?!.,;: \"'“”„()")[:400]


def _holds(token: str, terms: frozenset[str]) -> bool:
    return any(stem(word) in terms for word in words(token) if word.casefold() not in STOP_WORDS)


def admissible(lack: Lack, question: str) -> bool:
    """Tell whether a lack is about words that stand in the question one after the other, as a model must quote them."""
    return bool(content_terms(lack.about)) and find_verbatim(lack.about.casefold(), question.casefold()) is not None


def describe(lack: Lack, locale: str, *, mentioned: bool) -> Missing:
    """Return the words for a lack; `mentioned` tells whether the selection speaks of it without giving the fact."""
    kind, about = say(f"kind_{lack.kind}", locale), " ".join(lack.about.split())
    return Missing(
        what=say("what", locale, kind=kind, about=about),
        why=say("why_kind" if mentioned else "why", locale, kind=kind, about=about),
        minimal_text=say("minimal", locale, kind=kind, about=about),
    )
