"""Tells which sentences of a text answer a question, by the words they share and the kind of fact they hold."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graph.missing import asked_kind
from graph.notation import MOMENTS, NUMBER_WORDS, RHYTHMS
from graph.ports import MissingKind
from graph.terms import content_terms, numbers, question_terms, words
from graph.units import quotable

FEATURES = ("covered", "gives", "beside")

COEFFICIENTS = (1.44, 0.21, -1.07)
INTERCEPT = -0.90
"""Of a logistic regression, one for each of `FEATURES`, fitted on the 150 answerable texts of ClapNQ's public half;
`python -m evals.fit.sentences --data DIR` prints them."""

_LEAST_SHARED = 4
_SHARED = 0.66
"""Letters that two forms of a word share from the beginning: so many, and this share of the longer one."""

_FAR = 32
"""Sentences to either side that are looked at: what stands farther away weighs less than 0.03."""

_PLACE = re.compile(
    r"[\w.-]+/[\w./-]+|\b(?:located|lies|situated|border(?:s|ed)?|northern|southern|eastern|western|based in"
    r"|found in|held in|takes place|folder|directory|file|liegt|befindet|ordner|verzeichnis|datei)\b",
    re.IGNORECASE,
)
_REASON = re.compile(
    r"\b(?:because|since|due to|so that|in order to|therefore|as a result|reason|caus(?:e|es|ed)|led to|otherwise"
    r"|weil|damit|wegen|deshalb|daher|denn|sonst|grund)\b",
    re.IGNORECASE,
)
_DEFINES = re.compile(
    r"^.{0,150}?\b(?:is|are|was|were|means?|refers to|consists? of|describes?|ist|sind|war|bedeutet|heißt|bezeichnet"
    r"|besteht aus)\b",
    re.IGNORECASE | re.DOTALL,
)
_NAME = re.compile(r"(?<=[a-zäöüß,)(] )[A-Z][\w-]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as sentences are compared with it.

    `weight` is how rare a term is in the texts at hand, `words` all it says, `forms` maps their terms to its own.
    """

    terms: frozenset[str]
    kind: MissingKind
    weight: Mapping[str, float]
    words: frozenset[str]
    forms: Mapping[str, str]

    def covered(self, text: str) -> float:
        """Return the share of the question's terms that `text` holds, by weight; terms that no text holds count not."""
        total = sum(self.weight.values())
        return sum(self.weight.get(term, 0.0) for term in self.held(text)) / total if total else 0.0

    def held(self, text: str) -> frozenset[str]:
        """Return the question's terms that `text` holds, in whatever form."""
        return frozenset(self.forms[term] for term in content_terms(text) if term in self.forms)


def ask(question: str, texts: Sequence[str]) -> Asked:
    """Read a question for comparing it with the sentences of `texts`.

    A term weighs ln(1 + N / df), where N counts their sentences and df those that hold it.
    """
    terms = question_terms(question)
    sentences = [content_terms(text[u.start : u.end]) for text in texts for u in quotable(text)]
    forms = _forms(terms, frozenset[str]().union(*sentences))
    frequency = Counter(term for held in sentences for term in {forms[word] for word in held if word in forms})
    return Asked(
        terms=terms,
        kind=asked_kind(question),
        weight={term: math.log(1 + len(sentences) / count) for term, count in frequency.items()},
        words=content_terms(question),
        forms=forms,
    )


def _forms(terms: frozenset[str], known: frozenset[str]) -> dict[str, str]:
    """Return for each term of the texts that is a form of a term of the question which it is; a term is its own form.

    English stems tell forms apart that are one word, in German above all ("notizbuch", "notizbüch"): a term that
    stands nowhere as it is has for its forms the terms that begin alike.
    """
    forms = {term: term for term in terms}
    for term in terms - known:
        forms |= {word: term for word in known - terms if _begin_alike(term, word)}
    return forms


def _begin_alike(one: str, other: str) -> bool:
    wanted = max(_LEAST_SHARED, math.ceil(_SHARED * max(len(one), len(other))))
    return len(one) >= wanted and one[:wanted] == other[:wanted]


def chances(asked: Asked, sentences: Sequence[str]) -> list[float]:
    """Return for each of a passage's sentences, given in their order, the chance that it belongs into the answer."""
    return [
        1 / (1 + math.exp(-INTERCEPT - sum(map(float.__mul__, COEFFICIENTS, row))))
        for row in features(asked, sentences)
    ]


def features(asked: Asked, sentences: Sequence[str]) -> list[tuple[float, ...]]:
    """Return a row of `FEATURES` for each of a passage's sentences.

    `covered`: share of the question's terms, by weight; `gives`: 1 when it holds a fact of the kind asked for, -1 when
    not, 0 when that does not show; `beside`: the most that another sentence covers, divided by 1 + its distance.
    """
    covered = [asked.covered(sentence) for sentence in sentences]
    return [(covered[i], gives(asked, sentence), _beside(covered, i)) for i, sentence in enumerate(sentences)]


def _beside(covered: Sequence[float], at: int) -> float:
    near = range(max(0, at - _FAR), min(len(covered), at + _FAR + 1))
    return max((covered[i] / (1 + abs(i - at)) for i in near if i != at), default=0.0)


def worth_saying(chance: Sequence[float], length: Sequence[int], most: int) -> list[int]:
    """Return which sentences make the best answer, in their order: those with the highest expected F1.

    From the likeliest on, as long as 2 * sum(chance * length) / (length so far + expected length of the true answer)
    grows; at most `most`, at least one. What is likelier than half of the F1 reached is worth taking
    (Lewis, "Evaluating and optimizing autonomous text classification systems", SIGIR 1995).
    """
    expected = sum(c * n for c, n in zip(chance, length, strict=True))
    likeliest = sorted(range(len(chance)), key=lambda i: -chance[i])[:most]
    best, taken, shared, total = 0.0, 0, 0.0, 0
    for count, i in enumerate(likeliest, 1):
        shared += chance[i] * length[i]
        total += length[i]
        f1 = 2 * shared / (total + expected)
        if f1 > best:
            best, taken = f1, count
    return sorted(likeliest[:taken])


def gives(asked: Asked, sentence: str) -> float:
    """Return 1 when a sentence holds a fact of the kind asked for, -1 when not, 0 for kinds that do not show."""
    match asked.kind:
        case "number":
            found = _new_numbers(asked, sentence) or _folded(sentence) & NUMBER_WORDS
        case "time":
            found = _new_numbers(asked, sentence) or _folded(sentence) & (MOMENTS | RHYTHMS)
        case "person":
            found = any(not content_terms(name) <= asked.words for name in _NAME.findall(sentence))
        case "place":
            found = _PLACE.search(sentence)
        case "reason":
            found = _REASON.search(sentence)
        case "definition":
            found = _DEFINES.search(sentence)
        case _:
            return 0.0
    return 1.0 if found else -1.0


def _folded(text: str) -> set[str]:
    return {word.casefold() for word in words(text)}


def _new_numbers(asked: Asked, sentence: str) -> set[str]:
    return numbers(sentence) - asked.words
