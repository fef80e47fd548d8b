"""What a score forgives and what it does not."""

import pytest

from evals.scorers import is_verbatim
from graph.types import CONSTRAINED_LABEL, Missing, Span, Verdict

SELECTION = "Exports run at night. They are kept for a week. Nobody can delete them."
RUN, KEPT = SELECTION[:21], SELECTION[22:47]
LACK = Missing(what="a person", why="No one is named.", minimal_text="a sentence that names a person.")
ENDING = (
    "The selected text answers only a part of this question.\n\n"
    "- Missing: a person. No one is named.\n  The least text that would help: a sentence that names a person."
)
SUFFICIENT = Verdict(verdict="sufficient", used=(Span(start=0, end=21), Span(start=22, end=47)))
PARTIAL = Verdict(verdict="partial", used=(Span(start=0, end=21),), missing=(LACK,))


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (f"{RUN} {KEPT}", SUFFICIENT),
        (f"{KEPT}\n\n{RUN}", SUFFICIENT),
        (f"{RUN}\n\n{ENDING}", PARTIAL),
    ],
)
def test_sentences_of_the_selection_and_what_is_missing_are_all_an_answer_may_hold(said: str, verdict: Verdict) -> None:
    assert is_verbatim(f"{CONSTRAINED_LABEL}\n\n{said}", verdict, SELECTION)


def test_code_of_the_selection_stands_in_a_block() -> None:
    selection = "Start it:\n```\nnpm start\n```"
    verdict = Verdict(verdict="sufficient", used=(Span(start=14, end=23),))
    assert is_verbatim(f"{CONSTRAINED_LABEL}\n\n```\nnpm start\n```", verdict, selection)
    assert not is_verbatim(f"{CONSTRAINED_LABEL}\n\nnpm start", verdict, selection)


@pytest.mark.parametrize(
    ("said", "verdict"),
    {
        "a word of its own": (f"{RUN} {KEPT} Really.", SUFFICIENT),
        "a fixed word": (f"{RUN} {KEPT} Missing:", SUFFICIENT),
        "fixed words in another order": (f"{RUN} This question does not answer the selected text. {KEPT}", SUFFICIENT),
        "a small word": (f"{RUN} not {KEPT}", SUFFICIENT),
        "a sentence twice": (f"{RUN} {KEPT} {RUN}", SUFFICIENT),
        "half a sentence": (f"{RUN} They are kept", SUFFICIENT),
        "a sentence that it does not say it uses": (
            f"{RUN} {KEPT}",
            SUFFICIENT.model_copy(update={"used": PARTIAL.used}),
        ),
        "a span that is no sentence": ("Exports", SUFFICIENT.model_copy(update={"used": (Span(start=0, end=7),)})),
        "a partial answer that does not say what is missing": (RUN, PARTIAL),
        "something else that is missing": (f"{RUN}\n\n{ENDING.replace('person', 'dog')}", PARTIAL),
        "words behind what is missing": (f"{RUN}\n\n{ENDING} It is Ann.", PARTIAL),
    }.values(),
)
def test_anything_else_is_not_verbatim(said: str, verdict: Verdict) -> None:
    assert not is_verbatim(f"{CONSTRAINED_LABEL}\n\n{said}", verdict, SELECTION)


def test_an_answer_without_label_or_verdict_is_not_verbatim() -> None:
    assert not is_verbatim(f"{RUN} {KEPT}", SUFFICIENT, SELECTION)
    assert not is_verbatim(f"{CONSTRAINED_LABEL}\n\n{RUN}", None, SELECTION)
