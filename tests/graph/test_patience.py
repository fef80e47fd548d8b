"""When a model is asked again, how long its silence is borne, and when it is spared."""

import asyncio
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessageChunk

from graph.answerers import ModelAnswerer
from graph.errors import ModelFailed, ModelSilent, ModelUnavailable
from graph.patience import Breaker, Fault, Patience, judge_any

pytestmark = pytest.mark.anyio

WHOLE = [AIMessageChunk("15"), AIMessageChunk("", response_metadata={"finish_reason": "stop"})]


class Away(Exception):
    """A model's own exception; its text is the model's."""


class Model(GenericFakeChatModel):
    """A model that any LangChain user may bring: each call takes the next script, of chunks and exceptions."""

    scripts: list[Any]
    messages: Any = None
    calls: int = 0

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[AIMessageChunk]:
        """Say the next script."""
        self.calls += 1
        for step in self.scripts[min(self.calls, len(self.scripts)) - 1]:
            if isinstance(step, Exception):
                raise step
            yield step


async def ask(model: Model, patience: Patience) -> str:
    answerer = ModelAnswerer(model, "mock", patience=patience)
    return "".join([piece.text async for piece in answerer.answer("How many?", [], [])])


def passing(_: Exception) -> Fault:
    return Fault(again=True, after=0.0)


@pytest.mark.parametrize(
    ("scripts", "attempts", "calls"),
    [([[Away()], WHOLE], 2, 2), ([[AIMessageChunk("<think>"), Away()], WHOLE], 2, 2), ([WHOLE], 2, 1)],
)
async def test_a_fault_that_may_pass_has_the_model_asked_again(scripts: list[Any], attempts: int, calls: int) -> None:
    model = Model(scripts=scripts)
    assert await ask(model, Patience(judge=passing, attempts=attempts)) == "15"
    assert model.calls == calls


@pytest.mark.parametrize(
    ("fault", "attempts"),
    [
        (Fault(again=True, after=0.0), 1),
        (Fault(again=False), 2),
        (Fault(again=True, after=2.1), 2),
        (Fault(again=True, after=1.0), 2),  # longer than the budget of this test
    ],
)
async def test_what_cannot_get_better_soon_is_not_asked_for(fault: Fault, attempts: int) -> None:
    model = Model(scripts=[[Away()]])
    with pytest.raises(ModelUnavailable, match=r"^mock failed with Away$"):
        await ask(model, Patience(judge=lambda _: fault, attempts=attempts, silence=0.9))
    assert model.calls == 1


async def test_a_model_is_asked_twice_at_most_and_never_after_its_first_word() -> None:
    model = Model(scripts=[[Away()]])
    with pytest.raises(ModelUnavailable):
        await ask(model, Patience(judge=passing))
    assert model.calls == 2
    model = Model(scripts=[[AIMessageChunk("15"), Away()]])
    with pytest.raises(ModelFailed):
        await ask(model, Patience(judge=passing))
    assert model.calls == 1


def test_a_pause_is_short_and_the_models_own_when_it_names_a_short_one() -> None:
    patience = Patience()
    assert [patience.pause(Fault(again=True, after=s)) for s in (0.0, 2.0, 2.5, -1.0, float("nan"))] == [
        0.0,
        2.0,
        None,
        None,
        None,
    ]
    assert patience.pause(Fault()) is None
    pauses = {patience.pause(Fault(again=True)) for _ in range(20)}
    assert len(pauses) > 1 and all(p and 0.2 <= p <= 0.6 for p in pauses)


def test_of_a_model_nothing_is_known_of_only_a_timeout_is_asked_again() -> None:
    assert judge_any(TimeoutError()) == Fault("silent", again=True)
    assert judge_any(ValueError()) == Fault("failed")


@dataclass
class Clock:
    """Seconds that pass when a test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Turns:
    """Turns of one process on one model."""

    model: Model
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.patience = Patience(attempts=1, breaker=Breaker(limit=3, rest=30.0, clock=self.clock))

    async def ask(self, count: int = 1) -> list[str]:
        told = []
        for _ in range(count):
            try:
                told.append(await ask(self.model, self.patience))
            except ModelUnavailable as error:
                told.append(str(error))
        return told


AWAY = "mock failed with Away"
SPARED = "mock was away several times in a row and is spared for a while"


async def test_a_model_that_was_away_three_times_is_spared_and_tried_every_thirty_seconds() -> None:
    turns = Turns(Model(scripts=[[Away()]] * 4 + [WHOLE]))
    assert await turns.ask(5) == [AWAY, AWAY, AWAY, SPARED, SPARED]
    turns.clock.now = 30.0
    assert await turns.ask(2) == [AWAY, SPARED]
    turns.clock.now = 59.9
    assert await turns.ask() == [SPARED]
    turns.clock.now = 60.0
    assert await turns.ask(2) == ["15", "15"]
    assert turns.model.calls == 6


async def test_one_word_makes_a_model_count_as_there_again() -> None:
    away, there = [Away()], WHOLE
    turns = Turns(Model(scripts=[away, away, there, away, away, there]))
    assert await turns.ask(6) == [AWAY, AWAY, "15", AWAY, AWAY, "15"]


async def test_only_one_turn_at_a_time_tries_a_model_that_is_away() -> None:
    turns = Turns(Model(scripts=[[Away()]]))
    await turns.ask(3)
    turns.clock.now = 31.0
    breaker = turns.patience.breaker
    assert [breaker.admits(), breaker.admits()] == [True, False]  # the first is still trying, or was cancelled
    turns.clock.now = 61.0
    assert breaker.admits()


@pytest.mark.parametrize(
    "script",
    [
        [AIMessageChunk(" "), AIMessageChunk("", response_metadata={"finish_reason": "stop"})],
        [AIMessageChunk("", response_metadata={"finish_reason": "content_filter"})],
    ],
)
async def test_a_question_that_gets_no_answer_says_nothing_of_the_model(script: list[AIMessageChunk]) -> None:
    turns = Turns(Model(scripts=[script]))
    assert SPARED not in await turns.ask(5)
    assert turns.model.calls == 5


class Slow(Model):
    """A model that lets `waits` pass before its chunks."""

    waits: list[float]

    async def astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[AIMessageChunk]:
        """Say the script, slowly."""
        waits = iter(self.waits)
        async for chunk in super().astream(*args, **kwargs):
            await asyncio.sleep(next(waits))
            yield chunk


THOUGHT = AIMessageChunk("<think>Hm.</think>")


async def test_thinking_aloud_is_no_silence_but_has_an_end() -> None:
    model = Slow(scripts=[[THOUGHT] * 6 + WHOLE], waits=[0.1] * 8)
    assert await ask(model, Patience(silence=0.4)) == "15"
    with pytest.raises(ModelUnavailable, match=r"^mock failed with TimeoutError$"):
        await ask(model, Patience(silence=0.4, thought=0.3))


async def test_silence_before_the_first_word_lets_another_take_over() -> None:
    with pytest.raises(ModelUnavailable, match=r"^mock failed with TimeoutError$"):
        await ask(Slow(scripts=[WHOLE], waits=[9.0]), Patience(silence=0.1))


async def test_a_second_attempt_gets_what_the_first_left_of_the_time() -> None:
    model = Slow(scripts=[[THOUGHT, Away()], WHOLE], waits=[0.5, 0.0])
    with pytest.raises(ModelUnavailable, match=r"^mock failed with TimeoutError$"):
        await ask(model, Patience(silence=0.8, judge=passing))
    assert model.calls == 2


async def test_silence_behind_the_first_word_fails_the_turn() -> None:
    with pytest.raises(ModelSilent, match=r"^mock failed with TimeoutError after its answer had begun"):
        await ask(Slow(scripts=[WHOLE], waits=[0.0, 9.0]), Patience(silence=0.1))


async def test_a_slow_reader_is_not_a_silent_model() -> None:
    answerer = ModelAnswerer(Slow(scripts=[WHOLE], waits=[0.0, 0.0]), "mock", patience=Patience(silence=0.1))
    pieces = answerer.answer("How many?", [], [])
    told = [await anext(pieces)]
    await asyncio.sleep(0.3)
    assert [piece.finish for piece in told + [piece async for piece in pieces]] == [None, "stop"]


async def test_the_log_says_why_a_model_was_not_there_without_a_word_of_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "graph"), pytest.raises(ModelUnavailable):
        await ask(Model(scripts=[[Away("the question was: secret")]]), Patience())
    (record,) = caplog.records
    assert (record.getMessage(), record.__dict__["fields"]) == (
        "model unavailable",
        {"why": "failed with Away", "attempts": 1},
    )
