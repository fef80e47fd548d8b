"""Measures how a sentence lies in its evidence: which of its words stand there, and in which order.

`graph.support` weighs what is measured here; nothing here judges.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from graph.terms import (
    content_terms,
    is_content,
    names,
    number_forms,
    plain_words,
    spelled_numbers,
    stem,
    words,
    written_out,
)
from graph.terms import numbers as numbers_in

_MANY = 6
"""Strange names beyond which more of them tell nothing new."""

_ABBREVIATION = 3
"""Letters from which an abbreviation is recognised by the names it stands for; two come together by chance."""

_IN_BRACKETS = re.compile(r"\(([A-Z]{2,6}s?)\)")

_LONGEST = 40
"""Words up to which the length of a sentence tells anything: what is longer is several, and judged for other reasons.
From 20 to 80 the scorer is better than without such an end."""

_SHORT_EVIDENCE, _LONG_EVIDENCE = 120, 160
"""Words of evidence between which it turns from short to long; see `Features.long_evidence`."""


class Features(NamedTuple):
    """What is measured of a sentence and its evidence, each from 0 to 1 but for `length`."""

    contained: float
    """Share of the sentence's terms that stand anywhere in the evidence."""
    ordered: float
    """Longest common subsequence of the words of both, per word of the sentence (ROUGE-L recall, Lin 2004)."""
    pairs: float
    """Share of the sentence's pairs of neighbouring words that are neighbours in the evidence."""
    strange_names: float
    """Names of the sentence that stand nowhere in the evidence; six or more of them are 1."""
    strange_numbers: float
    """Share of the sentence's numbers that stand nowhere in the evidence."""
    length: float
    """Natural logarithm of the number of the sentence's words, of at most 40."""
    long_evidence: float
    """0 for evidence of up to 120 words, 1 from 160 on: the more is cited, the more is said in other words."""


_FILLING = frozenset(
    """really very quite rather simply actually basically still already always often usually typically generally overall
    additionally however furthermore moreover therefore thus stay stays remain remains
    sehr ziemlich wirklich einfach eigentlich immer oft meist meistens jedoch allerdings außerdem zudem daher deshalb
    bleibt bleiben""".split()
)
"""Words that qualify and join: a writer adds and drops them without saying anything else."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says, as far as it can be compared with another."""

    words: tuple[str, ...]
    """Stems of all words in order, numbers as digits."""
    vocabulary: frozenset[str]
    """Those of them that carry meaning."""
    pairs: frozenset[tuple[str, str]]
    numbers: tuple[frozenset[str], ...]
    """For each number the ways to write it."""
    known_numbers: frozenset[str]


@lru_cache(maxsize=2_048)
def read(text: str) -> Reading:
    """Read a text once: a passage is compared with many sentences."""
    spoken = [(stem(word), is_content(word) and word.casefold() not in _FILLING) for word in plain_words(text)]
    words = tuple(word for word, _ in spoken)
    numbers = tuple(number_forms(text))
    return Reading(
        words=words,
        vocabulary=frozenset(word for word, matters in spoken if matters),
        pairs=frozenset(pairwise(words)),
        numbers=numbers,
        known_numbers=frozenset(numbers_in(text)).union(spelled_numbers(text), *numbers),
    )


def measure(sentence: str, evidence: str) -> Features:
    """Return the features of a sentence and its evidence. O(words of both) after the first reading of each."""
    said, known = read(sentence), read(evidence)
    return Features(
        contained=len(said.vocabulary & known.vocabulary) / (len(said.vocabulary) or 1),
        ordered=common_order(said.words, known.words) / (len(said.words) or 1),
        pairs=len(said.pairs & known.pairs) / (len(said.pairs) or 1),
        strange_names=min(len(strange_names(sentence, evidence)), _MANY) / _MANY,
        strange_numbers=len(strange_numbers(sentence, evidence)) / (len(said.numbers) or 1),
        length=math.log(min(len(said.words), _LONGEST) or 1),
        long_evidence=min(max((len(known.words) - _SHORT_EVIDENCE) / (_LONG_EVIDENCE - _SHORT_EVIDENCE), 0.0), 1.0),
    )


def strange_numbers(sentence: str, evidence: str) -> list[frozenset[str]]:
    """Return the numbers of `sentence` that stand nowhere in `evidence`, however they are written."""
    known = read(evidence).known_numbers
    return [forms for forms in read(sentence).numbers if not forms & known]


def strange_names(sentence: str, evidence: str) -> set[str]:
    """Return the names of `sentence` that stand nowhere in `evidence`, nor are they spelled out where they stand."""
    known, initials = _named(evidence)
    folded = evidence.casefold()
    introduced = _introduced(sentence)
    return {
        name
        for name in names(written_out(sentence))
        if name not in folded
        and not content_terms(name) <= known
        and name not in introduced
        and not (len(name) >= _ABBREVIATION and name in initials)
    }


@lru_cache(maxsize=2_048)
def _named(text: str) -> tuple[frozenset[str], str]:
    """Return the terms of a text and the initials of its capitalised words in order (`nasm` of a museum's name)."""
    plain = written_out(text)
    initials = "".join(word[0] for word in words(plain) if word[0].isupper())
    return content_terms(text) | content_terms(plain), initials.casefold()


def _introduced(text: str) -> set[str]:
    """Return the abbreviations that `text` spells out itself, as in "input capture (IC)"."""
    found: set[str] = set()
    for bracket in _IN_BRACKETS.finditer(text):
        short = bracket[1].removesuffix("s").casefold()
        before = words(text[: bracket.start()])
        for spelled in (before, [word for word in before if is_content(word)]):  # "point of interest", "World of Art"
            if "".join(word[0] for word in spelled[-len(short) :]).casefold() == short:
                found |= {short, bracket[1].casefold()}
    return found


def common_order(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence.

    Bit-parallel, O(len(second)) operations on integers of len(first) bits. Hyyrö, AWOCA 2004.
    """
    places: dict[str, int] = {}
    for at, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << at
    everywhere = (1 << len(first)) - 1
    open_places = everywhere
    for word in second:
        if word in places:
            taken = open_places & places[word]
            open_places = ((open_places + taken) | (open_places - taken)) & everywhere
    return len(first) - open_places.bit_count()
