"""A model that is away, slow, cut off or lying about its end: what the answerers of a service make of it over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import aiohttp
import httpx2
import openai
import pytest
from langchain_openai.chat_models._client_utils import StreamChunkTimeoutError
from langchain_openai.chat_models.base import OpenAIConnectionError, OpenAITimeoutError

from evals.mock_openai import Script, mock_openai
from graph.errors import CitesideError, ModelFailed, ModelFiltered, ModelSilent, ModelTruncated, ModelUnavailable
from graph.patience import Fault
from graph.ports import Claim, Finish, Lack
from graph.types import Exchange, Passage
from server.app import create_app
from server.logs import JsonLines
from server.model_faults import judge
from server.models import Answerers, open_answerers
from server.problems import FAILURES
from server.service import open_service
from server.settings import Settings
from tests.server.http import Reader, in_process
from tests.server.stand_ins import KnownPassages

pytestmark = pytest.mark.anyio

PASSAGE = Passage(id="p", url="u", path="p", title="Limits", heading="Size", text="A notebook holds 15 pages.")
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"15"}}]}\n\n'
CLAIM = '{"quote": "A notebook holds 15 pages."}'
THOUGHT = {"reasoning_content": "secret"}


@asynccontextmanager
async def answerers(script: Script, timeout: float = 5.0) -> AsyncIterator[Answerers]:
    """The answerers of a service whose model says `script`."""
    async with mock_openai(script) as base_url:
        settings = Settings(_env_file=None, openai_base_url=base_url, model_timeout=timeout)  # pyright: ignore[reportCallIssue]
        opened = open_answerers(settings)
        try:
            yield opened
        finally:
            await opened.aclose()


async def answer(on: Answerers) -> tuple[str, CitesideError | None]:
    """Ask a grounded question; return the text shown and what ended it."""
    text = ""
    try:
        async for piece in on.grounded.answer("How many?", [PASSAGE], []):
            text += piece.text
    except CitesideError as error:
        return text, error
    return text, None


async def claims(on: Answerers) -> tuple[list[Claim | Lack | Finish], CitesideError | None]:
    """Ask about a selection; return the claims and what ended them."""
    found: list[Claim | Lack | Finish] = []
    try:
        async for item in on.selection.claims("How many?", PASSAGE.text, []):
            found.append(item)
    except CitesideError as error:
        return found, error
    return found, None


AWAY: dict[str, tuple[Script, int]] = {
    "too many requests": (Script(fault="status", status=429), 2),
    "a short wait asked for": (Script(fault="status", status=429, headers={"Retry-After": "0.1"}), 2),
    "a long wait asked for": (Script(fault="status", status=429, headers={"Retry-After": "30"}), 1),
    "an error of the server": (Script(fault="status", status=500), 2),
    "overloaded": (Script(fault="status", status=503), 2),
    "a bad request": (Script(fault="status", status=400), 1),
    "a wrong key": (Script(fault="status", status=401), 1),
    "no permission": (Script(fault="status", status=403), 1),
    "no such model": (Script(fault="status", status=404), 1),
    "unprocessable": (Script(fault="status", status=422), 1),
    "a connection closed without a reply": (Script(fault="hangup"), 2),
    "a connection cut before the first word": (Script([THOUGHT], fault="cut"), 2),
    "a malformed first line": (Script(fault="malformed"), 2),
    "an error event at once": (Script(fault="error_event"), 2),
    "no answer but a web page": (Script(raw=b"<html>\n\nSign in\n\n</html>"), 2),
    "an empty text": (Script([""]), 1),
    "nothing but reasoning": (Script([THOUGHT, "<think>secret</think>"]), 1),
    "a filter without a text": (Script(finish="content_filter"), 1),
    "a clean end without a word": (Script(finish=None), 2),
    "tools that nobody offered": (Script([{"tool_calls": []}], finish="tool_calls"), 1),
}


@pytest.mark.parametrize(("script", "requests"), AWAY.values(), ids=AWAY.keys())
async def test_a_model_that_gives_no_word_is_asked_again_where_it_helps_and_then_replaced(
    script: Script, requests: int
) -> None:
    async with answerers(script) as on:
        (text, error), (found, other) = await asyncio.gather(answer(on), claims(on))
    assert (text, type(error), found, type(other)) == ("", ModelUnavailable, [], ModelUnavailable)
    assert len(script.requests) == 2 * requests


async def test_a_refused_connection_is_a_model_that_is_away() -> None:
    script = Script()
    async with mock_openai(script) as base_url:
        pass
    opened = open_answerers(Settings(_env_file=None, openai_base_url=base_url))  # pyright: ignore[reportCallIssue]
    text, error = await answer(opened)
    assert (text, type(error)) == ("", ModelUnavailable)
    await opened.aclose()


async def test_a_second_attempt_answers_as_if_there_had_been_no_first() -> None:
    script = Script(fault="status", status=503, then=[Script(["15"])])
    async with answerers(script) as on:
        assert await answer(on) == ("15", None)
    assert len(script.requests) == 2


SLOW = {
    "no reply": Script(fault="silent"),
    "reasoning, then silence": Script([THOUGHT], fault="silent"),
    "a byte at a time": Script(["15"] * 9, split=1, delay=0.1),
    "comments and no event": Script(raw=b": wait\n\n" * 99, split=8, delay=0.05),
    "a second attempt that is silent": Script(fault="hangup", then=[Script(fault="silent")]),
}


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW.keys())
async def test_both_attempts_share_the_time_to_the_first_word(script: Script) -> None:
    async with answerers(script, timeout=1.0) as on:
        began = asyncio.get_running_loop().time()
        text, error = await answer(on)
        took = asyncio.get_running_loop().time() - began
    assert (text, type(error)) == ("", ModelUnavailable)
    assert took < 1.9


BROKEN: dict[str, tuple[Script, type[ModelFailed], str]] = {
    "silence": (Script(["15"], fault="silent"), ModelSilent, "timeout"),
    "bytes that make no token": (
        Script(raw=WORD + b'data: {"' + b"x" * 6_000, split=len(WORD), delay=0.1),
        ModelSilent,
        "timeout",
    ),
    "a connection that was cut": (Script(["15"], fault="cut"), ModelFailed, "model_failed"),
    "a malformed line": (Script(["15"], fault="malformed"), ModelFailed, "model_failed"),
    "an error event": (Script(["15"], fault="error_event"), ModelFailed, "model_failed"),
    "a clean end without a finish reason": (Script(["15"], finish=None), ModelTruncated, "truncated"),
    "a clean end within a line": (Script(raw=WORD + b'data: {"choi'), ModelTruncated, "truncated"),
    "a filter": (Script(["15"], finish="content_filter"), ModelFiltered, "filtered"),
}


@pytest.mark.parametrize(("script", "kind", "code"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_model_that_breaks_off_keeps_its_text_and_says_how(
    script: Script, kind: type[ModelFailed], code: str
) -> None:
    async with answerers(script, timeout=1.2) as on:
        text, error = await answer(on)
    assert error and (text[:2], type(error), error.code, len(script.requests)) == ("15", kind, code, 1)
    assert "scripted" not in str(error)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (Script([CLAIM], fault="silent"), ModelSilent),
        (Script([CLAIM], fault="cut"), ModelFailed),
        (Script([CLAIM], finish=None), ModelTruncated),
        (Script([CLAIM], finish="content_filter"), ModelFiltered),
    ],
)
async def test_claims_that_were_whole_are_kept_when_a_model_breaks_off(script: Script, kind: type[ModelFailed]) -> None:
    async with answerers(script, timeout=1.2) as on:
        found, error = await claims(on)
    assert (found, type(error)) == ([Claim(quote="A notebook holds 15 pages.")], kind)


async def test_an_answer_that_hit_the_length_is_complete() -> None:
    async with answerers(Script(["15"], finish="length")) as on:
        pieces = [piece async for piece in on.grounded.answer("How many?", [PASSAGE], [])]
    assert pieces[-1].finish == "length"


async def test_a_model_that_was_away_three_times_is_not_asked_for_a_while() -> None:
    script = Script(fault="status", status=401)
    async with answerers(script) as on:
        errors = [(await answer(on))[1] for _ in range(3)] + [(await claims(on))[1]]
        assert [type(error) for error in errors] == [ModelUnavailable] * 4
        assert "spared" in str(errors[3])
        follow_up = await on.condenser.condense("And share it?", [Exchange(question="How do I export it?", answer="x")])
        assert follow_up.startswith("And share it?")
    assert len(script.requests) == 3


async def test_a_follow_up_waits_half_as_long_and_once() -> None:
    script = Script(fault="silent")
    async with answerers(script, timeout=1.0) as on:
        began = asyncio.get_running_loop().time()
        await on.condenser.condense("And share it?", [Exchange(question="How do I export it?", answer="x")])
        assert asyncio.get_running_loop().time() - began < 0.95
    assert len(script.requests) == 1


INSTEAD = ("completed", None, "A session expires 30 days after it was last seen. [1]", "model_unavailable")
BEGUN = "A session expires"
SEEN: dict[str, tuple[Script, tuple[str, str | None, str, str]]] = {
    "silence": (Script([BEGUN], fault="silent"), ("failed", "timeout", BEGUN, "")),
    "a cut": (Script([BEGUN], fault="cut"), ("failed", "model_failed", BEGUN, "")),
    "an error event": (Script([BEGUN], fault="error_event"), ("failed", "model_failed", BEGUN, "")),
    "no finish reason": (Script([BEGUN], finish=None), ("failed", "truncated", BEGUN, "")),
    "a filter": (Script([BEGUN], finish="content_filter"), ("failed", "filtered", BEGUN, "")),
    "markers, then a cut": (
        Script(["[7]", "["], fault="cut"),
        INSTEAD,
    ),
    "refusal": (Script(fault="status", status=401), INSTEAD),
}


async def test_what_a_reader_sees_of_a_model_that_breaks_off(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    first, *then = [script for script, _ in SEEN.values()]
    first.then = then
    async with mock_openai(first) as base_url:
        wired = settings.model_copy(update={"openai_base_url": base_url, "model_timeout": 1.2})
        opening = partial(open_service, answerers=open_answerers(wired), retriever=KnownPassages())
        async with in_process(create_app(wired, opening=opening)) as client:
            reader = await Reader.arrive(client)
            told = [(await reader.stream("How long does a session last?"))[-2:] for _ in SEEN]
    seen: list[tuple[str, str | None, str, str]] = []
    for message, end in ((message.data, end.data) for message, end in told):
        notices = "".join(notice["code"] for notice in message["notices"])
        seen.append((message["status"], end.get("code"), message["content"], notices))
        assert end.get("detail") == FAILURES.get(end.get("code"))
    assert dict(zip(SEEN, seen, strict=True)) == {name: expected for name, (_, expected) in SEEN.items()}
    lines = [JsonLines().format(record) for record in caplog.records]
    assert len([line for line in lines if '"turn failed"' in line]) == 5
    assert not [line for line in lines if BEGUN in line or "How long" in line or "scripted" in line]


def _caused(error: Exception, *causes: Exception) -> Exception:
    link: BaseException = error
    for cause in causes:
        link.__cause__ = cause
        link = cause
    return error


def _status(status: int, code: str | None = None, retry_after: str | None = None) -> Exception:
    headers = {"Retry-After": retry_after} if retry_after else {}
    response = httpx2.Response(status, request=REQUEST, headers=headers)
    return openai.APIStatusError("scripted", response=response, body={"code": code})


REQUEST = httpx2.Request("POST", "http://model/v1/chat/completions")
SILENT = Fault("silent", again=True)
MAY_PASS = Fault("failed", again=True)
JUDGED: Sequence[tuple[Exception, Fault]] = [
    (TimeoutError(), SILENT),
    (StreamChunkTimeoutError(1.0), SILENT),
    (aiohttp.SocketTimeoutError(), SILENT),
    (_caused(httpx2.ReadTimeout("x"), aiohttp.SocketTimeoutError()), SILENT),
    (
        _caused(OpenAITimeoutError(REQUEST), openai.APITimeoutError(REQUEST), httpx2.ReadTimeout("x"), TimeoutError()),
        SILENT,
    ),
    (_caused(openai.APITimeoutError(REQUEST), httpx2.ConnectTimeout("x"), aiohttp.ServerDisconnectedError()), MAY_PASS),
    (OpenAIConnectionError(request=REQUEST), MAY_PASS),
    (openai.APIError("x", REQUEST, body=None), MAY_PASS),
    (httpx2.ReadError("x"), MAY_PASS),
    (aiohttp.ClientPayloadError(), MAY_PASS),
    (ConnectionResetError(), MAY_PASS),
    (ValueError("not JSON"), MAY_PASS),
    (_status(400), Fault(away=False)),
    (_status(401), Fault()),
    (_status(404), Fault()),
    (_status(422), Fault(away=False)),
    (_status(408), MAY_PASS),
    (_status(429), MAY_PASS),
    (_status(429, retry_after="1.5"), Fault(again=True, after=1.5)),
    (_status(429, retry_after="Fri, 27 Nov 2026 19:00:00 GMT"), MAY_PASS),
    (_status(429, code="insufficient_quota"), Fault()),
    (_status(500), MAY_PASS),
]


@pytest.mark.parametrize(("error", "fault"), JUDGED, ids=[f"{type(e).__name__}-{i}" for i, (e, _) in enumerate(JUDGED)])
async def test_every_error_of_the_models_client_has_one_meaning(error: Exception, fault: Fault) -> None:
    assert judge(error) == fault
