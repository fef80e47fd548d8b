"""A grounded turn over the whole graph: what is streamed, in which order, and what the answer holds in the end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from langgraph.runtime import Runtime

from graph.build import ConstrainedQuestion, GroundedQuestion, TurnGraph, build_graph, run_turn
from graph.constrained import Constrained
from graph.errors import CitesideError, IndexUnavailable, ModelFailed, ModelUnavailable
from graph.events import Delta, Event, OfferedPassage, Passages, Status
from graph.extractive import ExtractiveAnswerer
from graph.grounded import Grounded
from graph.ports import Claim, Piece, Retriever
from graph.state import Answered, Assessed, Search, Selected, ToAnswerSelection
from graph.sufficiency import WordSufficiency
from graph.texts import say
from graph.types import (
    Answer,
    Citation,
    ConstrainedAnswer,
    Exchange,
    GroundedAnswer,
    Grounding,
    NearestPage,
    Notice,
    Passage,
    PassageRef,
    Scope,
    Selection,
    Span,
)
from tests.graph.stand_ins import Finds, ForbiddenRetriever, SaysClaims, SaysPieces

pytestmark = pytest.mark.anyio


def passage(
    name: str,
    text: str,
    score: float = 0.9,
    *,
    coverage: float = 1.0,
    locale: str | None = "en",
    version: str | None = None,
) -> Passage:
    return Passage(
        id=name,
        url=f"https://d/{name}#a",
        path=f"{name}#a",
        title=name.title(),
        heading="Size",
        text=text,
        score=score,
        coverage=coverage,
        locale=locale,
        version=version,
    )


LIMITS = passage("limits", "A notebook holds 15 pages. Sharing needs an account.")
PLANS = passage("plans", "Plan B holds 100 pages.", 0.8)
STOP = Piece(finish="stop", tokens=7)
QUESTION = "How many pages does a notebook hold?"


def graph(retriever: Retriever, *pieces: str, error: CitesideError | None = None, finish: Piece = STOP) -> TurnGraph:
    return build_graph(
        Grounded(retriever, SaysPieces(pieces, error, finish)), Constrained(SaysClaims(), WordSufficiency())
    )


async def run(turn: TurnGraph, question: GroundedQuestion | ConstrainedQuestion) -> tuple[Answer, list[Event]]:
    events: list[Event] = []
    answer = await run_turn(turn, question, events.append)
    assert "".join(e.text for e in events if isinstance(e, Delta)) == answer.text
    return answer, events


def offered(*passages: Passage) -> Passages:
    return Passages(
        passages=tuple(
            OfferedPassage(marker=n, id=p.id, url=p.url, path=p.path, title=p.title, heading=p.heading, score=p.score)
            for n, p in enumerate(passages, 1)
        )
    )


def refs(*passages: Passage) -> tuple[PassageRef, ...]:
    return tuple(PassageRef(id=p.id, url=p.url, score=p.score) for p in passages)


def cites(p: Passage, marker: int, at: int, quote: str) -> Citation:
    start = p.text.index(quote)
    return Citation(
        marker=marker,
        at=at,
        passage_id=p.id,
        url=p.url,
        path=p.path,
        title=p.title,
        heading=p.heading,
        quote=quote,
        start=start,
        end=start + len(quote),
    )


async def test_an_answer_streams_behind_its_passages_and_leads_to_their_words() -> None:
    retriever = Finds([LIMITS, PLANS])
    turn = graph(retriever, "A notebook holds ", "15 pages [", "1]. Whales are mammals [7].")
    scope = Scope(version="2.0", locale="en", path="intro")
    answer, events = await run(turn, GroundedQuestion(question=QUESTION, scope=scope))
    assert retriever.asked == [(QUESTION, scope, 6)]
    assert events == [
        Status(step="retrieving"),
        Status(step="reading"),
        offered(LIMITS, PLANS),
        Status(step="answering"),
        Delta(text="A notebook holds"),
        Delta(text=" 15 pages"),
        Delta(text=" [1]. Whales are mammals."),
        Status(step="checking"),
    ]
    assert answer == GroundedAnswer(
        text="A notebook holds 15 pages [1]. Whales are mammals.",
        outcome="answered",
        citations=(cites(LIMITS, 1, 26, "A notebook holds 15 pages"),),
        grounding=Grounding(passages=refs(LIMITS, PLANS), unsupported=(Span(start=31, end=50),)),
        model="scripted",
        tokens=7,
    )


async def test_a_question_the_docs_do_not_cover_costs_no_model_call() -> None:
    scores = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4}
    far = [passage(name, "Text.", score, coverage=0.0) for name, score in scores.items()]
    turn = graph(Finds([far[0], *far]), error=CitesideError("the model was asked"))
    answer, events = await run(turn, GroundedQuestion(question=QUESTION, locale="de-CH"))
    text = f"{say('not_covered', 'de')} {say('nearest', 'de', pages='A, B, C')}"
    assert events == [Status(step="retrieving"), Status(step="reading"), Delta(text=text)]
    assert answer == GroundedAnswer(
        text=text,
        outcome="not_covered",
        grounding=Grounding(passages=refs(far[0], *far)),
        nearest=tuple(NearestPage(url=p.url, path=p.path, title=p.title) for p in far[:3]),
        model="none",
    )


async def test_docs_without_a_passage_say_that_they_do_not_cover_the_question() -> None:
    answer, _ = await run(graph(Finds()), GroundedQuestion(question=QUESTION))
    assert answer == GroundedAnswer(text=say("not_covered", "en"), outcome="not_covered", model="none")


async def test_a_model_that_is_away_is_replaced_by_the_docs_own_sentences() -> None:
    answer, events = await run(
        graph(Finds([LIMITS]), error=ModelUnavailable("refused")), GroundedQuestion(question=QUESTION)
    )
    assert [e for e in events if isinstance(e, Status)] == [
        Status(step="retrieving"),
        Status(step="reading"),
        Status(step="answering"),
        Status(step="checking"),
    ]
    assert answer == GroundedAnswer(
        text="A notebook holds 15 pages. [1]",
        outcome="answered",
        citations=(cites(LIMITS, 1, 27, "A notebook holds 15 pages."),),
        grounding=Grounding(passages=refs(LIMITS)),
        notices=(Notice(code="model_unavailable", detail=say("notice_model_unavailable", "en")),),
        model="extractive",
    )


async def test_a_model_that_says_nothing_but_markers_nobody_issued_is_replaced() -> None:
    answer, _ = await run(graph(Finds([LIMITS]), " [9]", "[7]"), GroundedQuestion(question=QUESTION))
    assert (answer.text, answer.model) == ("A notebook holds 15 pages. [1]", "extractive")
    assert [notice.code for notice in answer.notices] == ["model_unavailable"]


async def test_a_model_that_breaks_off_before_a_word_was_shown_is_replaced_too() -> None:
    turn = graph(Finds([LIMITS]), " [9]", "[", error=ModelFailed("cut"))
    answer, _ = await run(turn, GroundedQuestion(question=QUESTION))
    assert (answer.text, answer.model) == ("A notebook holds 15 pages. [1]", "extractive")
    assert [notice.code for notice in answer.notices] == ["model_unavailable"]


async def test_a_model_that_breaks_off_fails_the_turn_with_its_text_shown() -> None:
    events: list[Event] = []
    turn = graph(Finds([LIMITS]), "A notebook ", error=ModelFailed("cut"))
    with pytest.raises(ModelFailed, match="cut"):
        await run_turn(turn, GroundedQuestion(question=QUESTION), events.append)
    assert events[-1] == Delta(text="A notebook")


async def test_an_index_that_is_away_never_reads_as_silent_docs() -> None:
    class Away:
        async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
            raise IndexUnavailable("no reply")

    with pytest.raises(IndexUnavailable, match="no reply"):
        await run(graph(Away(), "never"), GroundedQuestion(question=QUESTION))


async def test_without_a_model_pages_that_are_only_related_are_named() -> None:
    turn = build_graph(Grounded(Finds([LIMITS]), ExtractiveAnswerer()), Constrained(SaysClaims(), WordSufficiency()))
    answer, events = await run(turn, GroundedQuestion(question="Zebras?"))
    said = "No sentence of the documentation answers this question. These pages are related: Limits."
    assert (answer.text, answer.outcome, answer.citations) == (said, "partial", ())
    assert [page.title for page in answer.nearest] == ["Limits"]
    assert answer.grounding.unsupported == ()
    assert "".join(e.text for e in events if isinstance(e, Delta)) == said


async def test_an_answer_that_cites_nothing_is_partial_and_names_the_nearest_pages() -> None:
    answer, _ = await run(graph(Finds([LIMITS]), "The docs do not say."), GroundedQuestion(question=QUESTION))
    assert isinstance(answer, GroundedAnswer)
    assert (answer.outcome, answer.citations, [p.title for p in answer.nearest]) == ("partial", (), ["Limits"])


async def test_an_answer_that_hit_the_length_says_so() -> None:
    turn = graph(Finds([LIMITS]), "A note", finish=Piece(finish="length", tokens=4_000))
    answer, _ = await run(turn, GroundedQuestion(question=QUESTION))
    assert (answer.truncated, answer.tokens) == (True, 4_000)


async def test_without_a_model_the_reader_is_told() -> None:
    turn = build_graph(Grounded(Finds([LIMITS]), ExtractiveAnswerer()), Constrained(SaysClaims(), WordSufficiency()))
    answer, _ = await run(turn, GroundedQuestion(question=QUESTION))
    assert answer.notices == (Notice(code="extractive", detail=say("notice_extractive", "en")),)


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [("de", "en", True), ("de", "de", False), ("de", None, False), (None, "en", False)],
)
async def test_a_reader_is_told_of_pages_in_another_language(wanted: str | None, found: str | None, told: bool) -> None:
    turn = graph(Finds([passage("limits", LIMITS.text, locale=found)]), "15 pages [1].")
    answer, _ = await run(turn, GroundedQuestion(question=QUESTION, scope=Scope(locale=wanted), locale="de"))
    notice = Notice(code="scope_fallback", detail=say("notice_other_language", "de"))
    assert answer.notices == ((notice,) if told else ())


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [("2.0", "1.0", True), ("2.0", "2.0", False), ("2.0", None, False), (None, "1.0", False)],
)
async def test_a_reader_is_told_of_pages_of_another_version(wanted: str | None, found: str | None, told: bool) -> None:
    turn = graph(Finds([passage("limits", LIMITS.text, version=found)]), "15 pages [1].")
    answer, _ = await run(turn, GroundedQuestion(question=QUESTION, scope=Scope(version=wanted)))
    notice = Notice(code="scope_fallback", detail=say("notice_other_version", "en"))
    assert answer.notices == ((notice,) if told else ())


async def test_a_follow_up_is_searched_with_what_the_earlier_question_adds() -> None:
    retriever = Finds([LIMITS])
    history = (Exchange(question="How do I export a notebook?", answer="With the menu."),)
    _, events = await run(graph(retriever, "Yes [1]."), GroundedQuestion(question="And share it?", history=history))
    assert events[0] == Status(step="condensing")
    assert [query for query, _, _ in retriever.asked] == ["And share it?\nexport notebook"]


@dataclass
class FindsEach:
    """A retriever that finds other passages for each query."""

    found: Mapping[str, Sequence[Passage]]

    async def search(self, query: str, *, scope: Scope, limit: int) -> list[Passage]:
        """Return the passages of the query."""
        return list(self.found[query])


async def test_a_question_with_two_parts_is_searched_for_each_of_them_too() -> None:
    first, second = "How many pages does a notebook hold", "who may share it?"
    near, nearer = (passage("a", "x", score) for score in (0.7, 0.9))
    found = {
        f"{first} and {second}": [near],
        first: [nearer, LIMITS],
        f"{second}\npages notebook hold": [PLANS],
    }
    node = Grounded(FindsEach(found), SaysPieces())
    search: Search = {"query": f"{first} and {second}", "scope": Scope()}
    found_by = [(nearer, (1, 0)), (PLANS, (0, 1)), (LIMITS, (2, 0))]
    wanted = [p.model_copy(update={"places": places}) for p, places in found_by]
    assert await node.retrieve(search, Runtime()) == {"passages": wanted}


async def test_a_question_that_is_far_from_the_docs_is_not_brought_near_by_a_part_of_it() -> None:
    far, near = passage("a", "x", 0.1, coverage=0), passage("b", "x")
    found = {"Who won and where are the docs?": [far], "Who won": [far], "where are the docs?": [near]}
    node = Grounded(FindsEach(found), SaysPieces())
    search: Search = {"query": "Who won and where are the docs?", "scope": Scope()}
    assert await node.retrieve(search, Runtime()) == {"passages": [far]}


async def test_a_selection_is_answered_without_a_search() -> None:
    said = [Claim(quote="holds 15 pages")]
    turn = build_graph(Grounded(ForbiddenRetriever(), SaysPieces()), Constrained(SaysClaims(said), WordSufficiency()))
    answer, _ = await run(turn, ConstrainedQuestion(question=QUESTION, selection=Selection(text=LIMITS.text)))
    assert isinstance(answer, ConstrainedAnswer)
    assert answer.text == "Answer constrained to provided text.\n\nA notebook holds 15 pages."


async def test_a_node_runs_alone() -> None:
    node = Grounded(Finds([LIMITS]), SaysPieces())
    assert await node.retrieve({"query": "pages", "scope": Scope()}, Runtime()) == {"passages": [LIMITS]}


async def test_constrained_nodes_are_handed_neither_passages_nor_grounded_turns() -> None:
    """LangGraph hands a node the keys of the type it declares: the others are set here and do not arrive."""
    seen: list[Sequence[str]] = []

    class Spies(Constrained):
        async def assess(self, state: Selected, runtime: Runtime) -> Assessed:
            seen.append(sorted(state))
            return await super().assess(state, runtime)

        async def answer_selection(self, state: ToAnswerSelection, runtime: Runtime) -> Answered:
            seen.append(sorted(state))
            return await super().answer_selection(state, runtime)

    turn = build_graph(Grounded(ForbiddenRetriever(), SaysPieces()), Spies(SaysClaims(), WordSufficiency()))
    await turn.ainvoke(
        {
            "question": QUESTION,
            "locale": "en",
            "selection": Selection(text=LIMITS.text),
            "earlier": (),
            "scope": Scope(),
            "query": QUESTION,
            "passages": [PLANS],
            "history": (Exchange(question="Q", answer="A"),),
        }
    )
    assert seen == [
        ["locale", "question", "selection"],
        ["earlier", "locale", "question", "selection", "verdict"],
    ]
