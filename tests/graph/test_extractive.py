"""Answers without a model: the docs' own sentences, each with its place."""

from collections.abc import Sequence

import pytest

from graph.citations import MarkerGate, resolve
from graph.extractive import ExtractiveAnswerer, ExtractiveSelectionAnswerer
from graph.ports import Claim
from graph.types import Exchange, Passage

pytestmark = pytest.mark.anyio


def passage(text: str, number: int = 1, score: float = 0.8, heading: str = "Guide > Install") -> Passage:
    return Passage(id=f"p{number}", url="u", path="p", title="Title", heading=heading, text=text, score=score)


async def answer(question: str, *passages: Passage, history: Sequence[Exchange] = ()) -> str:
    pieces = [p async for p in ExtractiveAnswerer().answer(question, passages, history)]
    assert pieces[-1].finish == "stop"
    text = "".join(p.text for p in pieces)
    gate = MarkerGate(offered=passages)
    assert gate.feed(text) + gate.flush() == text
    for c in resolve(text, gate.marks, passages):
        assert passages[c.marker - 1].text[c.start : c.end] == c.quote
    return text


PROSE = passage("Notebooks are small. A notebook holds 15 pages. Older pages go. Whales are mammals. Fish are not.")
LIST = passage("Pick a plan.\n\nThe free plan has these limits:\n\n- 15 pages\n- 3 notebooks\n\nAsk for more.")
TABLE = passage("Limits of plans.\n\nPlan\tPages\tUsers\nFree\t15\t1\nTeam\t100\t\n\nAsk for more.")
CODE = passage(
    "Nothing else is needed.\n\nInstall the package with npm:\n\n```sh\nnpm install notes\n```\n\nThen restart."
)


@pytest.mark.parametrize(
    ("question", "source", "expected"),
    {
        "prose": (
            "How many pages does a notebook hold?",
            PROSE,
            "A notebook holds 15 pages. [1] Older pages go. [1] Whales are mammals. [1]",
        ),
        "a list behind a colon": (
            "What are the limits of the free plan?",
            LIST,
            "The free plan has these limits: [1]\n- 15 pages [1]\n- 3 notebooks [1]",
        ),
        "a table": (
            "How many pages has the team plan?",
            TABLE,
            "- Plan: Team; Pages: 100 [1]\n\nAsk for more. [1]",
        ),
        "code": (
            "How do I install the package?",
            CODE,
            "Install the package with npm: [1]\n\n```\nnpm install notes\n```\n\nThen restart. [1]",
        ),
        "code alone": ("How do I install it?", passage("```\nx = '```'\n```"), "Install [1]:\n\n````\nx = '```'\n````"),
        "nothing alike": (
            "Zebras?",
            PROSE,
            "Notebooks are small. [1] A notebook holds 15 pages. [1] Older pages go. [1]",
        ),
    }.values(),
)
async def test_the_place_that_speaks_to_the_question_is_shown(question: str, source: Passage, expected: str) -> None:
    assert await answer(question, source) == expected


async def test_a_second_passage_adds_what_it_alone_says() -> None:
    other = passage("A notebook of the team plan holds 100 pages.", 2, 0.79)
    text = await answer("How many pages does a notebook of the team plan hold?", other, PROSE)
    assert text == "A notebook of the team plan holds 100 pages. [1]"
    text = await answer("How many pages does a notebook hold, and why?", PROSE, other)
    assert text.endswith("\n\nA notebook of the team plan holds 100 pages. [2]")


async def test_what_two_pages_say_alike_is_said_once() -> None:
    text = await answer("How many pages does a notebook hold?", PROSE, passage("A notebook holds 15 pages.", 2))
    assert text.count("15 pages") == 1


async def test_an_answer_is_never_empty_where_a_passage_has_words() -> None:
    image = passage("[image: Limits of a notebook]", 1, 0.9)
    assert await answer("How many pages does a notebook hold?", image, passage("Zebras.", 2, 0.2)) == "Zebras. [2]"


async def test_a_follow_up_is_answered_on_what_it_follows() -> None:
    text = await answer("And the team plan?", TABLE, history=[Exchange(question="How many pages?", answer="15")])
    assert text.startswith("- Plan: Team; Pages: 100 [1]")


@pytest.mark.parametrize(
    ("question", "chosen"),
    [
        ("How many pages does a notebook hold?", ["A notebook holds 15 pages."]),
        ("What does this mean?", ["Notebooks are small.", "A notebook holds 15 pages.", "Older pages go."]),
        ("Who is the president?", []),
    ],
)
async def test_a_selection_answers_with_its_own_sentences(question: str, chosen: list[str]) -> None:
    items = [i async for i in ExtractiveSelectionAnswerer().claims(question, PROSE.text, ())]
    assert [i for i in items if isinstance(i, Claim)] == [Claim(quote=s) for s in chosen]
