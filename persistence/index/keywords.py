"""Finds and weighs words: BM25 vectors for the index, and the share of a question's words that a passage contains.

Token ids equal those of fastembed's `Qdrant/bm25`, so that any sparse encoder of that kind can query the index.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from qdrant_edge import Bm25, Bm25Config, SparseVector, TokenizerType

from graph.terms import STOP_WORDS, composed
from graph.types import Frozen

if TYPE_CHECKING:
    from persistence.passages import IndexedPassage

# Written without spaces between words (or, Korean, with particles): the default tokenizer would keep whole clauses.
UNSPACED = {"zh", "ja", "ko", "th"}
_PUNCTUATION = ".,:;!?\"'()[]“”„"
_WORD = re.compile(r"\w+")
_INNER = re.compile(r"_+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_RUNS = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]+")
# Robertson's constants, as Qdrant has them. Others were no better; see website/docs/decisions/retrieval.md.
K = 1.2
B = 0.75
# With a saturation this high and no normalisation by length, the encoder says how often a term occurs.
_ENDLESS = 1e6


class Keywords(Frozen):
    """What BM25 knows of a corpus: its size, its mean length in terms, and in how many passages each term occurs."""

    passages: int
    average_length: float
    frequencies: dict[int, int]

    @classmethod
    def of(cls, passages: Iterable["IndexedPassage"]) -> Self:
        """Count the terms of a whole corpus."""
        number, length, frequencies = 0, 0.0, Counter[int]()
        for passage in passages:
            counted = _counted(_keyed(passage), passage.locale)
            number += 1
            length += counted.total()
            frequencies.update(counted.keys())
        return cls(passages=number, average_length=length / number if length else 1.0, frequencies=frequencies)

    def document(self, passage: "IndexedPassage") -> SparseVector:
        """Return the BM25 weights of a passage's terms, idf apart: the engine multiplies it in."""
        counted = _counted(_keyed(passage), passage.locale)
        norm = K * (1 - B + B * counted.total() / self.average_length)
        return SparseVector(list(counted), [count * (K + 1) / (count + norm) for count in counted.values()])

    def coverage(self, question: Collection[int], passage: Collection[int]) -> float:
        """Return which share of the question's terms, weighted by idf, the passage contains: 0 to 1.

        A term that no passage contains weighs most, so a question about something else covers little.
        """
        weights = {term: self._idf(term) for term in question}
        return sum(weights[term] for term in weights.keys() & passage) / sum(weights.values()) if weights else 0.0

    def relevance(self, question: Mapping[int, float], passage: Mapping[int, float]) -> float:
        """Return the BM25 score by which an engine ranks, from the weights of both sides' terms."""
        shared = [term for term in question if term in passage]
        return sum(question[term] * passage[term] * self._idf(term) for term in shared)

    def _idf(self, term: int) -> float:
        """Robertson and Sparck Jones' weight as Qdrant computes it: ln(1 + (N - n + 0.5) / (n + 0.5))."""
        frequency = self.frequencies.get(term, 0)
        return math.log1p((self.passages - frequency + 0.5) / (frequency + 0.5))


FIRST_LINE = 2.0
"""What a term of a question's first line weighs: what follows it is detail, such as an error or an earlier turn."""


def question_terms(text: str, locale: str | None) -> dict[int, float]:
    """Return the ids of a question's terms and what they weigh, without stop words; may be empty.

    Stop words of all languages known here are left out, not only the locale's: pages of a locale that are not
    translated yet are asked about in their own language.
    """
    first = text.strip().partition("\n")[0]
    return dict.fromkeys(_telling(text, locale), 1.0) | dict.fromkeys(_telling(first, locale), FIRST_LINE)


def _telling(text: str, locale: str | None) -> Iterable[int]:
    telling = [word for word in text.split() if word.strip(_PUNCTUATION).casefold() not in STOP_WORDS]
    return _counted(" ".join(telling), locale).keys()


def _keyed(passage: "IndexedPassage") -> str:
    """Return what a passage is found by: its text and headings, the words of its address and those in identifiers.

    So `/usage/customizing-queries` is found by "customize queries", and `extraReducers` also by "extra reducers".
    """
    text = f"{passage.embedded}\n\n{unquote(passage.path)}"
    inner = [part for word in _WORD.findall(text) if len(parts := _INNER.split(word)) > 1 for part in parts]
    return f"{text}\n\n{' '.join(inner)}"


def _counted(text: str, locale: str | None) -> Counter[int]:
    """Count the terms of a text by the rules of its locale's language, or of English where it has none of its own.

    Where words are not apart by spaces, each run of the script is cut on its own: qdrant_edge 0.9 guesses the language
    of a text as a whole, and among English words it cuts Japanese differently than in a question without them.
    """
    text = composed(text)
    language = (locale or "en").partition("-")[0].lower()
    if language not in UNSPACED:
        return _encoded(text, language)
    counted = Counter[int]()
    for run in _RUNS.findall(text):
        counted += _encoded(run, "en" if run.isascii() else language)
    return counted


def _encoded(text: str, language: str) -> Counter[int]:
    found = _encoder(language).embed_document(text)
    return Counter({term: round(count) for term, count in zip(found.indices, found.values, strict=True)})


@lru_cache(maxsize=64)
def _encoder(language: str) -> Bm25:
    """Return the encoder for a language, which knows its stop words and stems, or the English one."""
    if language in UNSPACED:
        return Bm25(Bm25Config(k=_ENDLESS, b=0.0, tokenizer=TokenizerType.Multilingual))
    try:
        return Bm25(Bm25Config(k=_ENDLESS, b=0.0, language=language))
    except ValueError:
        return Bm25(Bm25Config(k=_ENDLESS, b=0.0))
