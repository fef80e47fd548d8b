"""Words what a selection lacks, so that no answerer can state a fact there.

An answerer may name a kind of fact from a closed set and words of the question it is about; the sentences are
ours. Anything else it says about what is missing has no field to travel in.
"""

import re
from collections.abc import Mapping

from graph.citations import find_verbatim
from graph.markdown import as_text
from graph.ports import Lack, MissingKind
from graph.terms import HOW_MUCH, STOP_WORDS, content_terms, question_terms, stem, words
from graph.texts import say
from graph.types import Missing, Verdict

_WORDS: Mapping[MissingKind, str] = {
    "number": rf"\b(?:{HOW_MUCH})\b",
    "time": r"\bwhen\b|\bwhat (?:date|time|year|day)\b|\bwann\b",
    "place": r"\bwhere\b|\bwo(?:hin|her)?\b|\bin which (?:file|folder|directory)\b",
    "person": r"\bwho(?:m|se)?\b|\bwe[rm]\b|\bwessen\b",
    "reason": r"\bwhy\b|\bhow come\b|\bwarum\b|\bwieso\b|\bweshalb\b|\bwhat (?:is|are) the reasons?\b",
    "code": r"\b(?:which|what) (?:command|flag|option|function|snippet)\b|\bwelcher befehl\b",
    "steps": r"\bhow (?:do|does|can|should|to|would)\b|\bwie (?:kann|mache|macht|soll|richte|geht|installiere)\b",
    "choice": r"\bwhich\b|\bwelche[rsnm]?\b",
    "list": r"\bwhat (?:are|kinds|types)\b|\bwas sind\b",
    "fact": r"\bwhat\b|\bhow\b|\bwas (?:ist|bedeutet|heißt|macht)\b|\bwie\b",
    "yes_no": r"^(?:is|are|was|were|do|does|did|can|could|should|will|would|has|have|may|must|ist|sind|kann|darf|muss|hat|wird|gibt)\b",
}
"""Words that ask, English and German; of those in a question the first one does, and of several there the first here."""

_SUBJECTS: Mapping[MissingKind, str] = {
    "definition": r"\bmeaning\b|\bdefine\b|^what does .* mean\b|\bwas (?:bedeutet|heißt)\b",
    "number": r"\b(?:maximum|minimum|number of|percentage|limit|size|price|cost|port|timeout|preis|größe|anzahl)\b",
    "code": r"\bexample\b|\bsyntax\b|\bbeispiel\b",
    "steps": r"\bsteps\b",
    "choice": r"\b(?:difference|better|versus|vs|unterschied)\b",
    "list": r"\blist\b",
}
"""What is asked for where the word that asks leaves it open, most telling first."""

_OPEN = frozenset[MissingKind]({"fact", "list", "yes_no"})

_INDIRECT = re.compile(
    r"^\W*(?:(?:(?:can|could|would) you (?:please )?(?:tell|show|explain)(?: to)?(?: me)?|do you know|(?:please )?(?:tell|show) me"
    r"|weißt du|kannst du mir sagen)\b[\s,:]*)?",
    re.IGNORECASE,
)

_ASKS_DEFINITION = re.compile(
    r"^\W*(?:what (?:is|are)|what does|was (?:ist|sind|bedeutet|heißt)) (?P<article>(?:an?|the|eine?|der|die|das) )?"
    r"(?P<what>\S+(?: (?!(?:of|for|in|on|to|from|with|by|von|für|zu) )\S+){0,2}?)(?: mean)? ?\?*$",
    re.IGNORECASE,
)
_INDEFINITE = frozenset({"a ", "an ", "ein ", "eine "})
_VALUE = re.compile(
    r"\b(?:default|maximum|minimum|current|first|last|most|best|worst|(?:lat|earli|new|old|young|larg|bigg|small|long|short"
    r"|high|low|fast|slow)est|standard\w*)\b"
    r"|\b(?:limit|size|price|cost|port|timeout|preis|größe|anzahl|dauer)$"
    r"|\b(?:name|version|url|address|path|value|length|date|time|format|password|colour|color|number|age|capital"
    r"|population|adresse|pfad|wert|datum|passwort|farbe|nummer|alter|hauptstadt)$",
    re.IGNORECASE,
)
"""What a text gives, and does not explain: "the default port", "the version"."""


def asked_kind(question: str) -> MissingKind:
    """Return the kind of fact that `question` asks for; `fact` when it cannot be told."""
    asked = _INDIRECT.sub("", question, count=1)
    found: list[tuple[int, MissingKind]] = [
        (m.start(), kind) for kind, words in _WORDS.items() if (m := re.search(words, asked, re.IGNORECASE))
    ]
    asking = min(found, key=lambda at: at[0])[1] if found else "fact"
    if asking not in _OPEN:
        return asking
    for kind, subject in _SUBJECTS.items():
        if re.search(subject, asked, re.IGNORECASE):
            return kind
    return "definition" if asking == "fact" and defined_in(question) else asking


def defined_in(question: str) -> str | None:
    """Return what `question` wants explained, as in "What is a session?"; None when it asks for something else."""
    asks = _ASKS_DEFINITION.search(question)
    if asks is None:
        return None
    indefinite = (asks["article"] or "").casefold() in _INDEFINITE
    return asks["what"] if indefinite or not _VALUE.search(asks["what"].rstrip("?")) else None


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


def say_missing(verdict: Verdict, locale: str) -> str:
    """Return how an answer ends whose selection does not suffice: that it does not, and what it lacks."""
    lines = [say(verdict.verdict, locale)]
    for item in verdict.missing:
        lines.append("\n- " + say("missing_line", locale, what=as_text(item.what), why=as_text(item.why)))
        lines.append("  " + say("minimal_line", locale, minimal_text=as_text(item.minimal_text)))
    return "\n".join(lines)
