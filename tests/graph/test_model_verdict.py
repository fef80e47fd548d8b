"""What a model says of a selection is read from one reply: whole, broken, refused, false or beside the point."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from langchain_openai import ChatOpenAI
from langgraph.runtime import Runtime
from pydantic import SecretStr

from evals.mock_openai import Script, mock_openai
from graph.answerers import ModelSelectionAnswerer
from graph.constrained import Constrained
from graph.emit import listening
from graph.events import Event, VerdictGiven
from graph.patience import Patience
from graph.state import Selected
from graph.sufficiency import Abstaining, WordSufficiency
from graph.types import CONSTRAINED_LABEL, ConstrainedAnswer, Selection

pytestmark = pytest.mark.anyio

LABEL = f"{CONSTRAINED_LABEL}\n\n"
TEXT = "A notebook holds 15 pages. Exports are not encrypted."
HOW_MANY = "How many pages does a notebook hold?"
COMMAND = "Which command deletes a notebook?"


@asynccontextmanager
async def behind(script: Script) -> AsyncIterator[Constrained]:
    async with mock_openai(script) as base_url:
        model = ChatOpenAI(model="mock", api_key=SecretStr("none"), base_url=base_url, timeout=5, max_retries=0)
        answerer = ModelSelectionAnswerer(model, "mock", Patience(silence=5, attempts=1))
        try:
            yield Constrained(answerer, Abstaining())
        finally:
            await model.root_async_client.close()


async def ask(script: Script, question: str, text: str = TEXT) -> tuple[ConstrainedAnswer, list[Event]]:
    events: list[Event] = []
    async with behind(script) as node:
        state: Selected = {"question": question, "locale": "en", "selection": Selection(text=text)}
        with listening(events.append):
            assessed = await node.assess(state, Runtime())
            answered = await node.answer_selection({**state, **assessed, "earlier": ()}, Runtime())
    answer = answered["answer"]
    assert isinstance(answer, ConstrainedAnswer)
    return answer, events


async def test_a_text_that_is_not_enough_costs_one_call_that_asks_for_plain_text() -> None:
    script = Script(['{"missing": "code", "about": "deletes a notebook"}'])
    answer, events = await ask(script, COMMAND)
    assert (answer.outcome, answer.model, answer.notices) == ("insufficient", "mock", ())
    assert [m.what for m in answer.verdict.missing] == ["a code sample or command about “deletes a notebook”"]
    assert [e.verdict for e in events if isinstance(e, VerdictGiven)] == [answer.verdict]
    # Servers that refuse `response_format`, tools or a schema have nothing to refuse.
    assert [set(asked) & {"response_format", "tools", "functions", "tool_choice"} for asked in script.requests] == [
        set()
    ]


async def test_the_spans_said_to_be_used_hold_the_quoted_sentences_to_the_letter() -> None:
    text = "🎉 Ein  Heft\nhat 15 Seiten. It   holds “15” pages – at most."
    answer, _ = await ask(Script(['{"quote": "It holds \\"15\\" pages - at most."}']), HOW_MANY, text)
    assert [text[s.start : s.end] for s in answer.verdict.used] == ["It   holds “15” pages – at most."]
    assert answer.text == f"{LABEL}It   holds “15” pages – at most."


UNUSABLE = {
    "prose": "A notebook holds 15 pages, as everybody knows.",
    "broken JSON": '{"quote": "A notebook holds 15 pages."',
    "another schema": '{"verdict": "sufficient", "answer": "15", "spans": [[0, 26]]}',
    "an array of numbers": "[1, 2, 3]",
    "a refusal": "I cannot produce structured output.",
    "quotes from elsewhere": '{"quote": "A notebook holds 400 pages."}',
    "a fact as what is missing": '{"missing": "number", "about": "400 pages"}',
    "values of other types": '{"quote": ["A notebook holds 15 pages."]}\n{"missing": null, "about": 5}',
}


@pytest.mark.parametrize("reply", UNUSABLE.values(), ids=UNUSABLE.keys())
@pytest.mark.parametrize("question", [HOW_MANY, COMMAND])
async def test_a_reply_that_cannot_be_used_leaves_the_judgement_to_the_words(reply: str, question: str) -> None:
    script = Script([reply])
    answer, _ = await ask(script, question)
    assert answer.verdict == await WordSufficiency().assess(question, TEXT, locale="en")
    assert [n.code for n in answer.notices] == ["model_unusable"]
    assert len(script.requests) == 1
    assert "400" not in answer.text


@pytest.mark.parametrize("status", [400, 422, 501])
async def test_a_server_that_refuses_the_request_leaves_the_judgement_to_the_words(status: int) -> None:
    script = Script(fault="status", status=status)
    for question in (HOW_MANY, COMMAND):
        answer, _ = await ask(script, question)
        assert answer.verdict == await WordSufficiency().assess(question, TEXT, locale="en")
        assert [n.code for n in answer.notices] == ["model_unavailable"]
    assert len(script.requests) == 2


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ('{"verdict": "insufficient"}\n{"quote": "A notebook holds 15 pages."}', "sufficient"),
        ('{"verdict": "sufficient"}\n{"missing": "number", "about": "pages"}', "insufficient"),
        ('{"verdict": "sufficient", "missing": "number", "about": "pages"}', "insufficient"),
        ('{"quote": "A notebook holds 15 pages."}\n{"missing": "number", "about": "a notebook"}', "partial"),
        ('{"quote": "Whales."}\n{"quote": "A notebook holds 15 pages."}', "sufficient"),
    ],
)
async def test_a_verdict_follows_from_what_is_quoted_and_missing_whatever_the_model_calls_it(
    reply: str, verdict: str
) -> None:
    answer, _ = await ask(Script([reply]), HOW_MANY)
    assert answer.verdict.verdict == verdict
    assert (answer.outcome == "answered") == (verdict == "sufficient")
