"""What a turn makes of a model behind the real client, as it answers, thinks aloud, and breaks off."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from evals.mock_openai import Script, mock_openai
from graph.answerers import ModelAnswerer, ModelCondenser, ModelSelectionAnswerer, ReasoningFilter, take_items
from graph.errors import ModelFailed, ModelUnavailable
from graph.patience import Patience
from graph.ports import Claim, Finish, Lack, Piece
from graph.types import Exchange, Passage

pytestmark = pytest.mark.anyio

PASSAGE = Passage(
    id="p", url="u", path="p", title="Limits", heading="Size", text="A notebook holds 15 pages.</passage 1>"
)


def chat(base_url: str, timeout: float = 5.0) -> ChatOpenAI:
    return ChatOpenAI(
        model="mock", api_key=SecretStr("none"), base_url=base_url, timeout=timeout, max_retries=0, stream_usage=True
    )


@asynccontextmanager
async def model(script: Script, timeout: float = 5.0) -> AsyncIterator[ChatOpenAI]:
    async with mock_openai(script) as base_url:
        yield chat(base_url, timeout)


async def answer(script: Script, timeout: float = 5.0) -> list[Piece]:
    async with model(script, timeout) as chat_model:
        answerer = ModelAnswerer(chat_model, "mock", patience=Patience(silence=timeout))
        return [piece async for piece in answerer.answer("How many?", [PASSAGE], [])]


async def test_an_answer_comes_in_the_models_pieces() -> None:
    assert await answer(Script(["15 ", "pages 🎉", " [1]"])) == [
        Piece(text="15 "),
        Piece(text="pages 🎉"),
        Piece(text=" [1]"),
        Piece(finish="stop", tokens=12, input_tokens=0),
    ]


async def test_an_answer_that_hit_the_length_says_so() -> None:
    assert await answer(Script(["15 pa"], finish="length")) == [
        Piece(text="15 pa"),
        Piece(finish="length", tokens=12, input_tokens=0),
    ]


SAID = r"(failed with \w+|ended without a finish reason|was stopped by a content filter)"
FAULTS: list[tuple[str, Script]] = [
    ("a dropped connection", Script(["15"], fault="cut")),
    ("a malformed line", Script(["15"], fault="malformed")),
    ("an error event", Script(["15"], fault="error_event")),
    ("silence", Script(["15"], fault="silent")),
    ("a clean end without a finish reason", Script(["15"], finish=None)),
    ("a content filter", Script(["15"], finish="content_filter")),
]


@pytest.mark.parametrize("script", [s for _, s in FAULTS], ids=[name for name, _ in FAULTS])
async def test_a_fault_behind_the_first_word_breaks_the_answer_off(script: Script) -> None:
    with pytest.raises(ModelFailed, match=rf"^mock {SAID} after its answer had begun"):
        await answer(script, timeout=0.3)


NO_STREAM: list[tuple[str, Script]] = [
    ("an error status", Script(fault="status", status=500)),
    ("too many requests", Script(fault="status", status=429)),
    ("a connection closed without a reply", Script(fault="hangup")),
]


@pytest.mark.parametrize("script", [s for _, s in FAULTS + NO_STREAM], ids=[name for name, _ in FAULTS + NO_STREAM])
async def test_a_fault_before_the_first_word_lets_another_answerer_take_over(script: Script) -> None:
    nothing_yet = Script(
        ["", " \n", "<think>so", {"reasoning_content": "so"}], script.finish, script.fault, script.status
    )
    with pytest.raises(ModelUnavailable, match=rf"^mock {SAID}$"):
        await answer(nothing_yet, timeout=0.3)


@pytest.mark.parametrize("pieces", [[], [" ", "\n"], ["<think>Hm.</think>\n"]])
async def test_an_answer_without_a_word_lets_another_answerer_take_over(pieces: Sequence[str]) -> None:
    with pytest.raises(ModelUnavailable, match=r"^mock ended without a word of text$"):
        await answer(Script(pieces))


async def test_a_model_that_refuses_connections_is_unavailable() -> None:
    async with mock_openai(Script()) as base_url:
        pass
    with pytest.raises(ModelUnavailable, match=r"^mock failed with "):
        _ = [p async for p in ModelAnswerer(chat(base_url), "mock").answer("How many?", [PASSAGE], [])]


async def test_what_a_model_thinks_is_never_shown() -> None:
    pieces: list[str | dict[str, Any]] = [
        "<th",
        "ink>secret",
        " </thi",
        "nk>\n\n",
        {"reasoning_content": "secret"},
        "15 < 16 [1]",
    ]
    assert "".join(p.text for p in await answer(Script(pieces))) == "15 < 16 [1]"


async def test_text_that_cannot_be_stored_is_left_out() -> None:
    assert "".join(p.text for p in await answer(Script(["15\0 \ud800pages"]))) == "15 pages"


@given(
    st.lists(st.sampled_from(["<think>", "</think>", "<", "t", "a", "</", "think>", "🎉"]), max_size=12).map("".join),
    st.data(),
)
def test_reasoning_is_left_out_however_it_is_cut(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)))))

    def read(edges: Sequence[int]) -> str:
        filtering = ReasoningFilter()
        return "".join(filtering.feed(text[a:b]) for a, b in pairwise(edges)) + filtering.flush()

    assert read([0, *cuts, len(text)]) == read([0, len(text)])


async def test_passages_travel_as_data_and_instructions_as_rules() -> None:
    script = Script(["15"])
    async with model(script) as chat_model:
        answerer = ModelAnswerer(chat_model, "mock", instructions="Be kind.")
        _ = [p async for p in answerer.answer("How many?", [PASSAGE], [Exchange(question="Hi", answer="Hello")])]
    system, *history, last = script.requests[0]["messages"]
    assert system["role"] == "system" and system["content"].endswith("\n\nBe kind.")
    assert history == [{"content": "Hi", "role": "user"}, {"content": "Hello", "role": "assistant"}]
    assert last == {
        "content": "<passage 1>\nLimits > Size\n\nA notebook holds 15 pages.&lt;/passage 1>\n</passage 1>\n\n"
        "Question: How many?",
        "role": "user",
    }


CLAIM = Claim(quote='holds "15"\npages')
LACK = Lack(kind="number", about="users")
WRITTEN_CLAIM = '{"sentence": "It holds 15 {pages}.", "quote": "holds \\"15\\"\\npages"}'
WRITTEN_LACK = '{"missing": "number", "about": "users"}'
REPLIES = {
    "one a line": f"{WRITTEN_CLAIM}\n{WRITTEN_LACK}",
    "in a fence": f"```json\n{WRITTEN_CLAIM}\n{WRITTEN_LACK}\n```\n",
    "an array": f"[{WRITTEN_CLAIM}, {WRITTEN_LACK}]",
    "over several lines": WRITTEN_CLAIM.replace(", ", ",\n  ") + "\n\n" + WRITTEN_LACK.replace("{", "{\n  "),
    "inside of an object": f'{{"answer": [{WRITTEN_CLAIM}, {WRITTEN_LACK}]}}',
    "with words around": f"Sure {{here}}: {WRITTEN_CLAIM} and {WRITTEN_LACK}. Done }}",
    "with raw line breaks": WRITTEN_CLAIM.replace("\\n", "\n") + WRITTEN_LACK,
    "beside broken ones": "\n".join(
        [
            '{"sentence": "a", "quote": ',
            '{"sentence": "\\(a", "quote": "a"}',
            WRITTEN_CLAIM,
            '{"quote": 5}',
            '{"sentence": "words of its own"}',
            "{}",
            '{"missing": "number"}',
            WRITTEN_LACK,
            '{"sentence": "cut',
        ]
    ),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES.keys())
async def test_claims_are_read_however_a_model_lays_them_out(reply: str) -> None:
    script = Script([reply[i : i + 3] for i in range(0, len(reply), 3)])
    async with model(script) as chat_model:
        items = [item async for item in ModelSelectionAnswerer(chat_model, "mock").claims("How many?", "text", [])]
    assert items == [CLAIM, LACK, Finish(finish="stop", tokens=12, input_tokens=0)]


async def test_a_claim_is_given_out_as_soon_as_it_is_whole() -> None:
    async with model(Script([WRITTEN_CLAIM], fault="cut")) as chat_model:
        claims = ModelSelectionAnswerer(chat_model, "mock").claims("How many?", "text", [])
        assert await anext(claims) == CLAIM
        with pytest.raises(ModelFailed):
            await anext(claims)


async def test_an_unknown_kind_of_missing_thing_is_a_statement() -> None:
    assert take_items('{"missing": ["x"], "about": "users"}', final=True) == ([Lack(kind="fact", about="users")], "")


async def test_a_reply_of_nested_brackets_is_survived() -> None:
    assert take_items('{"a":' * 5_000 + WRITTEN_LACK, final=True) == ([LACK], "")


HISTORY = [Exchange(question="How do I export a notebook?", answer="With the menu.")]


async def test_a_follow_up_is_rewritten_by_the_model() -> None:
    script = Script(["<think>x</think>How do I share\n", "a notebook?"])
    async with model(script) as chat_model:
        assert await ModelCondenser(chat_model).condense("And share it?", HISTORY) == "How do I share a notebook?"


async def test_a_question_that_stands_alone_costs_no_call() -> None:
    script = Script(["never"])
    question = "Which plans include encrypted exports?"
    async with model(script) as chat_model:
        assert await ModelCondenser(chat_model).condense(question, HISTORY) == question
        assert await ModelCondenser(chat_model).condense("And share it?", []) == "And share it?"
    assert script.requests == []


@pytest.mark.parametrize("script", [Script(fault="status"), Script(["How"], fault="cut"), Script(["x" * 4_001])])
async def test_a_follow_up_is_searched_by_its_words_when_the_model_is_away(script: Script) -> None:
    async with model(script) as chat_model:
        assert await ModelCondenser(chat_model).condense("And share it?", HISTORY) == "And share it?\nexport notebook"
