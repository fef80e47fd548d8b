"""Takes a question apart: one with two parts is searched, judged and answered for each of them."""

import re
from collections.abc import Sequence

from graph.condense import condense, points_back
from graph.terms import content_terms, question_terms
from graph.types import Exchange

_MOST_PARTS = 4
"""A question of more parts is judged as a whole: each part reads the text again."""

_ASKING_WORD = (
    r"(?:how|what|when|where|which|who|whom|whose|why|wie|wieso|wieviele?|wieweit|was|wann|warum|weshalb|welche\w*|wer"
    r"|wem|wen|wo(?:bei|durch|für|gegen|her|hin|mit|nach|ran|rauf|raus|rin|von|zu)?)\b(?!-)"
)
_JOINED = re.compile(
    r"(?:[,;]? (?:and|und)|;) (?=(?:(?:also|then|auch|dann) )?"
    r"(?:(?:in|for|from|to|since|on|with|at|after|before|by|of|under|until|within|above"
    rf"|für|seit|bei|nach|vor|ab|bis|mit|von|aus|auf|an|unter|zu) )?{_ASKING_WORD})",
    re.IGNORECASE,
)
_ASKS = re.compile(
    rf"\b{_ASKING_WORD}|\?$|^\W*(?:(?:and|und) )?(?:can|could|do|does|did|is|are|was|were|should|must|may|will|would"
    r"|have|has|explain|tell|describe|show|list|kann|können|darf|muss|soll|gibt|ist|sind|wird|hat|haben|erkläre?|zeige?"
    r"|beschreibe?|nenne?)\b",
    re.IGNORECASE,
)
_PAIRED = '"`'


def parts(question: str) -> list[str]:
    """Return what a question consists of, as far as each part has words of its own; itself if not two have.

    It is cut behind each question mark, and where questions are joined. White space is made one blank each, and nothing
    that is quoted is taken apart.
    """
    whole = " ".join(question.split())
    found: list[str] = []
    for sentence in whole.split("? "):
        joined = [part for part in _JOINED.split(sentence) if question_terms(part)]
        found += joined if all(map(_ASKS.search, joined)) else [sentence]
    torn = any(part.count(sign) % 2 for part in found for sign in _PAIRED)
    return found if 1 < len(found) <= _MOST_PARTS and not torn else [whole]


def parts_alone(question: str, history: Sequence[Exchange]) -> list[str]:
    """Return the questions that a question consists of, each so that it stands alone after the turns and the parts
    before it.

    Of several parts only those that point back are given words of what was before: the nearest part that does not point
    back itself. A short one that points nowhere is about something else, and those words would only lead astray. A
    short statement beside a question ("Please answer in German.") is not asked.
    """
    found = parts(question)
    asking = [part for part in found if _ASKS.search(part)]
    told = [part for part in found if part not in asking]
    if asking and sum(len(content_terms(part)) for part in told) <= 1 + sum(
        len(content_terms(part)) for part in asking
    ):
        found = asking
    if len(found) == 1:
        return [condense(found[0], history)]
    alone: list[str] = []
    for n, part in enumerate(found):
        named = next((other for other in reversed(found[:n]) if not points_back(other)), None)
        before = [Exchange(question=named, answer="")] if named else history
        alone.append(condense(part, before) if points_back(part) else part)
    return alone
