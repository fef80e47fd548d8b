"""An answer to marked text holds nothing but that text, whatever the model behind it says."""

import dataclasses
import re
from collections.abc import Sequence
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.runtime import Runtime

from graph.constrained import Constrained, as_markdown
from graph.emit import listening
from graph.errors import CitesideError, ModelFailed, ModelUnavailable
from graph.events import Delta, Event, Status, VerdictGiven
from graph.extractive import ExtractiveSelectionAnswerer
from graph.markdown import shown_words
from graph.ports import Claim, Finish, Lack, MissingKind
from graph.state import Selected
from graph.sufficiency import WordSufficiency
from graph.texts import say
from graph.types import CONSTRAINED_LABEL, ConstrainedAnswer, Missing, Notice, Selection, Span, Verdict
from graph.units import quotable
from tests.graph.stand_ins import SaysClaims

pytestmark = pytest.mark.anyio

LABEL = f"{CONSTRAINED_LABEL}\n\n"
FIRST = "Plan A allows 5 users, plan B allows 10."
SECOND = "Exports are not encrypted before they are sent."
THIRD = "Only owners may delete a notebook."
PLANS = f"{FIRST} {SECOND}\n\n{THIRD}"
QUESTION = "How many users does plan A allow?"


STOP = Finish(finish="stop", tokens=7)


async def ask(
    *said: Claim | Lack,
    question: str = QUESTION,
    text: str = PLANS,
    error: CitesideError | None = None,
    locale: str = "en",
    finish: Finish = STOP,
    node: Constrained | None = None,
) -> tuple[ConstrainedAnswer, list[Event]]:
    """Answer with a model that says `said`; what was streamed is what is returned."""
    node = node or Constrained(SaysClaims(said, error, finish), WordSufficiency(sufficient=0.6, partial=0.01))
    selected: Selected = {"question": question, "locale": locale, "selection": Selection(text=text)}
    events: list[Event] = []
    with listening(events.append):
        assessed = await node.assess(selected, Runtime())
        answered = await node.answer_selection({**selected, **assessed, "earlier": ()}, Runtime())
    answer = answered["answer"]
    assert isinstance(answer, ConstrainedAnswer)
    assert "".join(e.text for e in events if isinstance(e, Delta)) == answer.text
    assert next(e for e in reversed(events) if isinstance(e, VerdictGiven)).verdict == answer.verdict
    return answer, events


def quoting(*quotes: str) -> list[Claim]:
    return [Claim(quote=quote) for quote in quotes]


async def test_a_reader_sees_the_label_at_once_and_then_whole_sentences_of_the_selection() -> None:
    answer, events = await ask(*quoting("5 users"))
    sufficient = Verdict(verdict="sufficient", used=(Span(start=0, end=40),))
    assert events == [
        Status(step="assessing"),
        VerdictGiven(verdict=sufficient),
        Delta(text=LABEL),
        Status(step="answering"),
        Delta(text=FIRST),
    ]
    assert answer == ConstrainedAnswer(
        text=LABEL + FIRST, outcome="answered", verdict=sufficient, model="scripted", tokens=7
    )


@pytest.mark.parametrize(
    ("quote", "shown"),
    [
        ("Plan A allows 5 users, plan B allows 10", FIRST),
        ("plan B allows 10.", FIRST),
        ("encrypted before they are", SECOND),
        ("owners may delete a notebook", THIRD),
    ],
)
async def test_a_quote_cut_short_is_shown_with_what_was_cut_off(quote: str, shown: str) -> None:
    answer, _ = await ask(Claim(quote=quote))
    assert answer.text == LABEL + shown


@pytest.mark.parametrize(
    "quote",
    [
        "Plan A allows 50 users",
        "Whales are mammals",
        "Exports are encrypted",
        "an A allows 5",
        "",
        " ",
        "the",
        ".",
        "\0",
        "x" * 300_000,
        "\ud800",
    ],
)
async def test_a_quote_that_the_selection_does_not_hold_is_refused(quote: str) -> None:
    answer, _ = await ask(Claim(quote=quote))
    assert answer == ConstrainedAnswer(  # the selection's own sentences take over
        text=LABEL + FIRST,
        outcome="answered",
        verdict=Verdict(verdict="sufficient", used=(Span(start=0, end=40),)),
        notices=(Notice(code="model_unusable", detail=say("notice_model_unusable", "en")),),
        model="extractive",
    )


async def test_sentences_that_do_not_follow_each_other_are_set_apart() -> None:
    answer, _ = await ask(*quoting("5 users", "not encrypted", "owners", "Plan A"))
    assert answer.text == f"{LABEL}{FIRST} {SECOND}\n\n{THIRD}"
    answer, _ = await ask(*quoting("not encrypted", "5 users"))
    assert answer.text == f"{LABEL}{SECOND}\n\n{FIRST}"


async def test_a_thousand_claims_show_each_sentence_once() -> None:
    answer, _ = await ask(*quoting(*(PLANS[a:b] for a in range(0, 80, 2) for b in range(a + 6, 126, 5))))
    assert sorted(answer.text.removeprefix(LABEL).replace("\n\n", " ").split(". ")) == sorted(
        PLANS.replace("\n\n", " ").split(". ")
    )


async def test_a_selection_that_answers_nothing_says_what_is_missing() -> None:
    answer, events = await ask(question="When was the export API introduced?", text="Whales are mammals.")
    missing = Missing(
        what="a date or time about “export API introduced”",
        why="The selected text says nothing about “export API introduced”.",
        minimal_text="a sentence that gives a date or time about “export API introduced”.",
    )
    verdict = Verdict(verdict="insufficient", missing=(missing,), widen=("section", "page", "docs"))
    assert events[:3] == [Status(step="assessing"), VerdictGiven(verdict=verdict), Delta(text=LABEL)]
    assert answer == ConstrainedAnswer(
        text=f"{LABEL}The selected text does not answer this question.\n\n- Missing: {missing.what}. {missing.why}\n"
        f"  The least text that would help: {missing.minimal_text}",
        outcome="insufficient",
        verdict=verdict,
        model="none",
    )


async def test_what_a_model_finds_missing_is_told_behind_what_there_is() -> None:
    answer, events = await ask(
        *quoting("5 users"), Lack(kind="number", about="plan C"), question="How many users do plan A and plan C allow?"
    )
    missing = Missing(
        what="a number about “plan C”",
        why="The selected text says nothing about “plan C”.",
        minimal_text="a sentence that gives a number about “plan C”.",
    )
    verdict = Verdict(
        verdict="partial", used=(Span(start=0, end=40),), missing=(missing,), widen=("section", "page", "docs")
    )
    assert (answer.outcome, answer.verdict) == ("partial", verdict)
    assert events[-1] == VerdictGiven(verdict=verdict)
    assert answer.text == (
        f"{LABEL}{FIRST}\n\nThe selected text answers only a part of this question.\n\n"
        f"- Missing: {missing.what}. {missing.why}\n  The least text that would help: {missing.minimal_text}"
    )


@pytest.mark.parametrize(
    "about",
    {
        "a fact": "plan A, which allows 50 users",
        "a fact with words of the question": "plan A allow 50",
        "inside of words": "an A allo",
        "blank": " \n",
        "nothing but small words": "does",
        "an image": "![users](https://evil.example)",
        "not in the question": "plan C",
        "broken": "plan\0",
    }.values(),
)
async def test_a_lack_cannot_carry_a_fact(about: str) -> None:
    answer, _ = await ask(*quoting("5 users"), Lack(kind="number", about=about))
    assert (answer.text, answer.outcome) == (LABEL + FIRST, "answered")


async def test_many_lacks_do_not_bury_the_answer() -> None:
    lacks = [Lack(kind=kind, about=about) for kind in ("number", "time") for about in ("users", "plan A", "users does")]
    answer, _ = await ask(*quoting("5 users"), *lacks)
    assert [m.what for m in answer.verdict.missing] == [
        "a number about “users”",
        "a number about “plan A”",
        "a number about “users does”",
    ]


async def test_a_model_that_finds_everything_missing_makes_the_verdict_insufficient() -> None:
    answer, events = await ask(Lack(kind="number", about="plan  A\nallow"))
    assert [e.verdict.verdict for e in events if isinstance(e, VerdictGiven)] == ["sufficient", "insufficient"]
    assert answer.verdict.missing[0].why == "The selected text mentions “plan A allow”, but does not give a number."


async def test_a_model_that_is_away_is_replaced_in_the_same_turn() -> None:
    answer, _ = await ask(error=ModelUnavailable("refused"), locale="de")
    assert (answer.text, answer.model) == (LABEL + FIRST, "extractive")
    assert answer.notices == (Notice(code="model_unavailable", detail=say("notice_model_unavailable", "de")),)


async def test_a_model_that_breaks_off_before_a_sentence_was_shown_is_replaced_too() -> None:
    answer, _ = await ask(*quoting("not in there"), error=ModelFailed("cut"))
    assert (answer.text, [n.code for n in answer.notices]) == (LABEL + FIRST, ["model_unavailable"])


async def test_what_a_model_misses_counts_only_when_it_has_read_to_the_end() -> None:
    answer, _ = await ask(Lack(kind="number", about="plan A"), error=ModelFailed("cut"))
    assert (answer.text, [n.code for n in answer.notices]) == (LABEL + FIRST, ["model_unavailable"])


async def test_a_model_that_breaks_off_later_fails_the_turn() -> None:
    with pytest.raises(ModelFailed, match="cut"):
        await ask(*quoting("5 users"), error=ModelFailed("cut"))


async def test_an_answer_that_hit_the_length_says_so() -> None:
    answer, _ = await ask(*quoting("5 users"), finish=Finish(finish="length", tokens=4_000))
    assert (answer.truncated, answer.tokens) == (True, 4_000)


async def test_code_of_the_selection_is_shown_as_code_and_whole() -> None:
    code = "curl -X POST *.example.com \\\n  -d '{\"a\": [1]}'\n\necho `done`"
    answer, _ = await ask(
        *quoting("echo `done`", "Then wait"),
        question="How do I delete a notebook?",
        text=f"Delete a notebook so:\n```\n{code}\n```\nThen wait.",
    )
    assert answer.text == f"{LABEL}```\n{code}\n```\n\nThen wait."


async def test_a_row_of_the_selection_has_its_cells_apart_below_the_first_row_of_its_table() -> None:
    text = "These exist:\nPlan\tUsers\tPrice\nTeam\t10\t$9 [a](b)\nSolo\t1\t"
    answer, _ = await ask(*quoting("10", "Solo"), question="How many users does Team allow?", text=text)
    assert answer.text.startswith(f"{LABEL}Plan · Users · Price\n\nTeam · 10 · $9 [a]\\(b)\n\nSolo · 1\n\n")


async def test_items_of_the_selection_keep_their_bullets() -> None:
    answer, _ = await ask(
        *quoting("Open it", "Save"), question="How do I save?", text="So:\n1. Open it.\n2) Save.\n* End."
    )
    assert answer.text.startswith(f"{LABEL}1. Open it.\n\n2) Save.")


@pytest.mark.parametrize(
    ("question", "shown"),
    [
        ("What is the price of the Team plan?", "Team · 50 · $12"),
        ("How many users does the Free plan have?", "Free · 5 · $0"),
        ("Wie viele Users hat Business?", "Business · 500 · $49"),
    ],
)
async def test_a_cell_of_a_marked_table_is_found_by_the_names_of_its_row_and_column(question: str, shown: str) -> None:
    table = "Plan\tUsers\tPrice\nFree\t5\t$0\nTeam\t50\t$12\nBusiness\t500\t$49"
    answer, _ = await ask(
        node=Constrained(ExtractiveSelectionAnswerer(), WordSufficiency()), question=question, text=table
    )
    assert (answer.outcome, answer.text) == ("answered", f"{LABEL}Plan · Users · Price\n\n{shown}")


async def test_each_part_of_a_question_gets_its_sentence() -> None:
    answer, _ = await ask(
        node=Constrained(ExtractiveSelectionAnswerer(), WordSufficiency()),
        question="When do access tokens expire? How are threads listed? What is the port?",
        text="Access tokens expire after 24 hours.\nThreads are listed by date. Webhooks retry 5 times.\n"
        "The server's port is 8000.",
    )
    assert answer.text == (
        f"{LABEL}Access tokens expire after 24 hours.\n\nThreads are listed by date.\n\nThe server's port is 8000."
    )


async def test_code_cannot_end_its_block() -> None:
    text = "A fence in Markdown:\n````\n```js\n[x](https://evil.test)\n```\n````"
    answer, _ = await ask(*quoting("[x](https://evil.test)"), question="How do I write a fence?", text=text)
    assert answer.text.startswith(f"{LABEL}````\n```js\n[x](https://evil.test)\n```\n````")


async def test_without_a_model_the_selection_answers_word_for_word() -> None:
    answer, _ = await ask(node=Constrained(ExtractiveSelectionAnswerer(), WordSufficiency()))
    assert answer == ConstrainedAnswer(
        text=LABEL + FIRST,
        outcome="answered",
        verdict=Verdict(verdict="sufficient", used=(Span(start=0, end=40),)),
        notices=(Notice(code="extractive", detail=say("notice_extractive_selection", "en")),),
        model="extractive",
    )


KINDS = st.sampled_from(get_args(MissingKind))
TEXTS = st.text(alphabet="ab .,!\n-|`*_[]()<>\t1é漢\0", max_size=40)


def pieces_of(text: str) -> st.SearchStrategy[str]:
    cuts = st.integers(0, len(text))
    return st.tuples(cuts, cuts).map(lambda c: text[min(c) : max(c)])


@st.composite
def lies(draw: st.DrawFn) -> tuple[str, str, list[Claim | Lack]]:
    """Draw a question, a selection, and what a model that knows no shame says about them."""
    words = st.sampled_from([*PLANS.split(), "Whales", "not", "50", "`x`", "\n\n", "- ", "\n```\n", "\t", "[note]\n"])
    text = draw(st.lists(words, min_size=1, max_size=25).map(" ".join).filter(str.strip) | st.just(PLANS))
    question = draw(st.sampled_from([QUESTION, "What does this mean?", "Is it encrypted?", text[:80]]))
    quotes = pieces_of(text) | TEXTS
    claim = st.builds(Claim, quote=quotes)
    lack = st.builds(Lack, kind=KINDS, about=TEXTS | words | pieces_of(question))
    return question, text, draw(st.lists(claim | lack, max_size=8))


def spoken(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def fixed_words(locale: str) -> set[str]:
    keys = [
        "missing_line",
        "minimal_line",
        "what",
        "why",
        "why_kind",
        "minimal",
        *(f"kind_{k}" for k in get_args(MissingKind)),
    ]
    blank = dict.fromkeys(("kind", "about", "what", "why", "minimal_text"), "")
    return {word for key in keys for word in spoken(say(key, locale, **blank))}


def bare(text: str) -> str:
    """Return text without blanks, and without what keeps cells apart or keeps signs from being followed."""
    return re.sub(r"[\s`\\·]", "", text)


@pytest.mark.parametrize("locale", ["en", "de"])
@given(case=lies())
async def test_whatever_a_model_says_only_words_of_the_selection_are_shown(
    locale: str, case: tuple[str, str, Sequence[Claim | Lack]]
) -> None:
    question, text, said = case
    answer, _ = await ask(*said, question=question, text=text, locale=locale)
    closing = say("insufficient" if answer.outcome == "insufficient" else "partial", locale)
    shown, _, lacking = answer.text.partition(closing)
    assert shown.startswith(LABEL)
    assert [b for b in shown.removeprefix(LABEL).split("\n\n") if bare(shown_words(b)) not in bare(text)] == []
    units = {Span(start=u.start, end=u.end): as_markdown(text, u) for u in quotable(text)}
    assert [s for s in answer.verdict.used if units[s] not in shown] == []
    assert set(spoken(lacking)) - fixed_words(locale) - set(spoken(question)) == set()


def test_a_constrained_turn_has_nothing_to_search_with() -> None:
    assert [f.name for f in dataclasses.fields(Constrained)] == ["answerer", "sufficiency", "fallback"]
