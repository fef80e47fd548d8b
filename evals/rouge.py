"""Compares an answer with a reference by the longest run of words they share in order (ROUGE-L)."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Return the words of `text`, case folded: runs of letters, digits and underscores."""
    return _WORD.findall(text.casefold())


def rouge_l(answer: str, references: Sequence[str]) -> float:
    """Return the best ROUGE-L F1 of `answer` against any of `references`, from 0 to 1; 0 where there is none.

    F1 of precision LCS / |answer| and recall LCS / |reference|, counted in words without stemming; LCS is the length
    of the longest common subsequence. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries", 2004, with beta 1.
    """
    said = words(answer)
    return max((_f1(said, words(reference)) for reference in references), default=0.0)


def _f1(said: Sequence[str], reference: Sequence[str]) -> float:
    shared = _longest_common_subsequence(said, reference)
    return 2 * shared / (len(said) + len(reference)) if shared else 0.0


def _longest_common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """Return its length; row by row, in O(|one| |other|) time and O(|other|) room."""
    row = [0] * (len(other) + 1)
    for word in one:
        left_above = 0
        for at, opposite in enumerate(other, 1):
            above = row[at]
            row[at] = left_above + 1 if word == opposite else max(above, row[at - 1])
            left_above = above
    return row[-1]
