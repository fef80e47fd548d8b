"""Takes a question apart: one with two parts is searched, judged and answered for each of them."""

import re
from collections.abc import Sequence

from graph.condense import condense, points_back
from graph.terms import question_terms
from graph.types import Exchange

_MOST_PARTS = 4
"""A question of more parts is judged as a whole: each part reads the text again."""

_PARTS = re.compile(
    r"\? |[,;]? (?:and|und) (?=(?:(?:in|for|from|to|since|on|with|at|after|before|by|of|under|until|within|above"
    r"|für|seit|bei|nach|vor|ab|bis|mit|von|aus|auf|an|unter|zu) )?"
    r"(?:how|what|when|where|which|who|whom|whose|why|wie|wie\w+|was|wann|wo\w*|welche\w*|wer|wem|wen|warum)\b)",
    re.IGNORECASE,
)


def parts(question: str) -> list[str]:
    """Return the questions that a question consists of, as far as each has words of its own; itself if not two have.

    White space is made one blank each.
    """
    whole = " ".join(question.split())
    found = [part for part in _PARTS.split(whole) if question_terms(part)]
    return found if 1 < len(found) <= _MOST_PARTS else [whole]


def parts_alone(question: str, history: Sequence[Exchange]) -> list[str]:
    """Return the parts of a question, each so that it stands alone after the turns and the parts before it.

    A part that is short and points nowhere is about something else: the words before it would only lead astray.
    """
    first, *others = parts(question)
    told = [*history, Exchange(question=first, answer="")]
    found = [condense(first, history)]
    for part in others:
        found.append(condense(part, told) if points_back(part) else part)
        told.append(Exchange(question=part, answer=""))
    return found
