"""Finds and weighs words: BM25 vectors for the index, and the share of a question's words that a passage contains.

Token ids equal those of fastembed's `Qdrant/bm25`, so that any sparse encoder of that kind can query the index.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from qdrant_edge import Bm25, Bm25Config, SparseVector, TokenizerType

from graph.terms import STOP_WORDS
from graph.types import Frozen

if TYPE_CHECKING:
    from persistence.passages import IndexedPassage

# Written without spaces between words (or, Korean, with particles): the default tokenizer would keep whole clauses.
UNSPACED = {"zh", "ja", "ko", "th"}
_PUNCTUATION = ".,:;!?\"'()[]“”„"
# With a saturation (k) this high and no normalisation by length (b = 0), a term weighs how often it occurs.
ENDLESS = 1e6


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
            counted = _bm25(passage.locale, k=ENDLESS, b=0.0).embed_document(passage.embedded)
            number += 1
            length += sum(counted.values)
            frequencies.update(counted.indices)
        return cls(passages=number, average_length=length / number if length else 1.0, frequencies=frequencies)

    def document(self, passage: "IndexedPassage") -> SparseVector:
        """Return the BM25 weights of a passage's terms, idf apart: the engine multiplies it in."""
        return _bm25(passage.locale, average_length=self.average_length).embed_document(passage.embedded)

    def coverage(self, question: Collection[int], passage: Collection[int]) -> float:
        """Return which share of the question's terms, weighted by idf, the passage contains: 0 to 1.

        A term that no passage contains weighs most, so a question about something else covers little.
        """
        weights = {term: self._idf(term) for term in question}
        return sum(weights[term] for term in weights.keys() & passage) / sum(weights.values()) if weights else 0.0

    def _idf(self, term: int) -> float:
        """Robertson and Sparck Jones' weight as Qdrant computes it: ln(1 + (N - n + 0.5) / (n + 0.5))."""
        frequency = self.frequencies.get(term, 0)
        return math.log1p((self.passages - frequency + 0.5) / (frequency + 0.5))


def question_terms(text: str, locale: str | None) -> list[int]:
    """Return the ids of a question's distinct terms, without stop words; may be empty.

    Stop words of all languages known here are left out, not only the locale's: pages of a locale that are not
    translated yet are asked about in their own language.
    """
    telling = [word for word in text.split() if word.strip(_PUNCTUATION).casefold() not in STOP_WORDS]
    return _bm25(locale).embed_query(" ".join(telling)).indices


@lru_cache(maxsize=64)
def _bm25(locale: str | None, k: float = 1.2, b: float = 0.75, average_length: float = 256.0) -> Bm25:
    """Return the encoder for a locale's language: its stop words and stemmer, or English where it has none."""
    language = (locale or "en").partition("-")[0].lower()
    if language in UNSPACED:
        return Bm25(Bm25Config(k=k, b=b, avg_len=average_length, tokenizer=TokenizerType.Multilingual))
    try:
        return Bm25(Bm25Config(k=k, b=b, avg_len=average_length, language=language))
    except ValueError:
        return Bm25(Bm25Config(k=k, b=b, avg_len=average_length))
