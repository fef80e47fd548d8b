"""The chat model that reads its stream from bytes says what ChatOpenAI says, however the bytes are cut."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import reduce
from itertools import pairwise
from operator import add
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import AsyncCallbackHandler, AsyncCallbackManager
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from evals.mock_openai import Script, mock_openai
from graph.patience import Fault
from server.chat_model import LeanChatOpenAI, _Events
from server.model_faults import judge

pytestmark = pytest.mark.anyio

ASKED = [HumanMessage("How many?")]


def make(kind: type[ChatOpenAI], base_url: str, **options: Any) -> ChatOpenAI:
    given: dict[str, Any] = {
        "model": "mock",
        "api_key": SecretStr("none"),
        "base_url": base_url,
        "max_retries": 0,
        "timeout": 5.0,
        "stream_usage": True,
    }
    return kind(**(given | options))


@asynccontextmanager
async def model(script: Script, kind: type[ChatOpenAI] = LeanChatOpenAI, **options: Any) -> AsyncIterator[ChatOpenAI]:
    """A chat model whose server says `script`."""
    async with mock_openai(script) as base_url:
        chat_model = make(kind, base_url, **options)
        try:
            yield chat_model
        finally:
            await closed(chat_model)


async def closed(chat_model: ChatOpenAI) -> None:
    if isinstance(chat_model, LeanChatOpenAI):
        await chat_model.aclose()


def event(delta: dict[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    return json.dumps({"id": "chatcmpl-1", "model": "mock", "choices": choices, **more}, ensure_ascii=False).encode()


def text(piece: str, **more: Any) -> bytes:
    return event({"content": piece}, **more)


USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}}
USED = json.dumps({"id": "chatcmpl-1", "model": "mock", "choices": [], "usage": USAGE}).encode()
DONE = b"[DONE]"


def stream(*events: bytes, line: bytes = b"data: ", end: bytes = b"\n\n") -> bytes:
    return b"".join(line + data + end for data in events)


ROLE, STOP = event({"role": "assistant", "content": "", "refusal": None}), event({}, "stop", system_fingerprint="fp_1")
STREAMS = {
    "as OpenAI sends it": stream(ROLE, text("15 "), text("pages 🎉"), STOP, USED, DONE),
    "with CRLF": stream(ROLE, text("15 ä"), STOP, USED, DONE, end=b"\r\n\r\n"),
    "without blanks": stream(ROLE, text("15 ä"), STOP, USED, DONE, line=b"data:"),
    "with comments and other fields": b": hi\n\nretry: 5\nid: 1\nevent: message\n" + stream(text("15"), STOP, DONE),
    "over several lines": stream(text("15").replace(b", ", b",\ndata: "), STOP, DONE),
    "text with the finish reason": stream(text("15"), event({"content": " pages"}, "stop"), USED, DONE),
    "text behind the finish reason": stream(text("15"), event({"content": " p"}, "stop"), text("ages"), DONE),
    "usage with every event": stream(text("15", usage=None), text(" pages", usage=USAGE), STOP, DONE),
    "a service tier": stream(text("15"), event({}, "length", service_tier="flex"), USED, DONE),
    "reasoning": stream(event({"reasoning_content": "Hm"}), event({"reasoning": "Hm", "content": None}), STOP, DONE),
    "empty tool calls": stream(event({"content": "15", "tool_calls": [], "function_call": None}), STOP, DONE),
    "a delta that is null": stream(text("15"), event(None), STOP, DONE),
    "no choices at first": stream(b'{"choices": [], "prompt_filter_results": []}', text("15"), STOP, DONE),
    "a lone surrogate": stream(text("15").replace(b"15", b"15\\ud800"), STOP, DONE),
    "no finish reason": stream(text("15"), DONE),
    "no end": stream(text("15"), STOP),
    "half an event": stream(text("15")) + b'data: {"choi',
    "words behind the end": stream(text("15"), STOP, DONE, b"{nonsense"),
    "a malformed line": stream(text("15"), text(" pages"), b"{nonsense"),
    "an error event": stream(text("15"), b'{"error": {"message": "secret", "code": "overloaded"}}'),
    "nothing": b"",
}

Told = tuple[str, str | None, dict[str, Any], Any, Fault | None]


async def told(kind: type[ChatOpenAI], script: Script) -> Told:
    """Return text, id, metadata, usage, and what ended the stream if that was an error."""
    chunks: list[ChatGenerationChunk] = []
    fault = None
    async with model(script, kind) as chat_model:
        try:
            async for chunk in chat_model._astream(ASKED):
                chunks.append(chunk)
        except Exception as error:
            fault = judge(error)
    whole = reduce(add, chunks) if chunks else ChatGenerationChunk(message=AIMessageChunk(""))
    message = whole.message
    assert isinstance(message, AIMessageChunk)
    metadata = {**(whole.generation_info or {}), **message.response_metadata}
    return message.text, message.id, metadata, message.usage_metadata, fault


@pytest.mark.parametrize("body", STREAMS.values(), ids=STREAMS.keys())
async def test_a_stream_is_read_as_chatopenai_reads_it(body: bytes) -> None:
    expected = await told(ChatOpenAI, Script(raw=body))
    assert await told(LeanChatOpenAI, Script(raw=body)) == expected
    assert await told(LeanChatOpenAI, Script(raw=body, split=7)) == expected


async def test_a_cut_is_told_behind_the_text_before_it() -> None:
    script = Script(["15 ", "pages"], fault="cut")
    assert await told(LeanChatOpenAI, script) == await told(ChatOpenAI, script)


async def test_what_arrived_before_a_cut_is_told_though_nobody_read_it_yet() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in ("One ", "two ", "three ", "four"):
            sent = stream(text(piece))
            writer.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
            await asyncio.sleep(0.01)
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        chat_model = make(LeanChatOpenAI, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        said: list[str] = []
        with pytest.raises(aiohttp.ClientError):
            async for chunk in chat_model.astream(ASKED):
                said.append(chunk.text)
        await closed(chat_model)
    assert "".join(said) == "One two three four"


async def test_text_may_come_in_parts() -> None:
    said = await told(LeanChatOpenAI, Script(raw=stream(event({"content": [{"type": "text", "text": "15"}]}), STOP)))
    assert (said[0], said[4]) == ("15", None)


async def test_a_block_without_data_is_skipped() -> None:
    """ChatOpenAI takes it for an event and fails to read its empty data (openai 3.54)."""
    said = await told(LeanChatOpenAI, Script(raw=b"retry: 5\n\n" + stream(text("15"), STOP, DONE)))
    assert (said[0], said[4]) == ("15", None)


async def test_a_last_event_may_lack_its_line_breaks() -> None:
    said = await told(LeanChatOpenAI, Script(raw=stream(text("15"), STOP).rstrip()))
    assert (said[0], said[2]["finish_reason"]) == ("15", "stop")


@given(st.sampled_from(sorted(STREAMS)), st.data())
def test_events_are_the_same_however_the_bytes_are_cut(name: str, data: st.DataObject) -> None:
    body = STREAMS[name]
    cuts = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=12)))

    def read(edges: Sequence[int]) -> list[Any]:
        events, found = _Events(), []
        try:
            for a, b in pairwise(edges):
                if not events.done:
                    found.extend(events.feed(body[a:b]))
        except Exception as error:
            found.append(type(error))
        return [*found, events.done]

    assert read([0, *cuts, len(body)]) == read([0, len(body)])


async def test_a_read_becomes_one_chunk() -> None:
    async with model(Script(raw=STREAMS["as OpenAI sends it"])) as chat_model:
        (chunk,) = [chunk async for chunk in chat_model.astream(ASKED)]
    assert (chunk.text, chunk.response_metadata["finish_reason"]) == ("15 pages 🎉", "stop")
    assert chunk.usage_metadata and chunk.usage_metadata["total_tokens"] == 7


async def test_reasoning_is_a_sign_of_life_and_nothing_more() -> None:
    async with model(
        Script([{"reasoning_content": "secret"}, {"reasoning": "secret"}, "15"], delay=0.05)
    ) as chat_model:
        chunks = [chunk async for chunk in chat_model.astream(ASKED)]
    assert chunks[0].text == "" and "".join(chunk.text for chunk in chunks) == "15"
    assert "secret" not in str(chunks)


async def test_what_is_asked_is_what_chatopenai_asks() -> None:
    asked = []
    for kind in (ChatOpenAI, LeanChatOpenAI):
        script = Script(["15"])
        async with model(script, kind, max_completion_tokens=9) as chat_model:
            _ = [c async for c in chat_model.astream(ASKED, stop=["\n"], temperature=0.5, extra_body={"top_k": 3})]
        asked.append(script.requests)
    assert asked[0] == asked[1]
    assert asked[1][0]["stop"] == ["\n"] and asked[1][0]["top_k"] == 3


class Listener(AsyncCallbackHandler):
    """Hears a model as tracing does."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.said = ""

    async def on_llm_new_token(self, token: str, **_: Any) -> None:
        """Keep the piece."""
        self.pieces.append(token)

    async def on_llm_end(self, response: Any, **_: Any) -> None:
        """Keep the whole."""
        self.said = response.generations[0][0].text


async def test_callbacks_hear_all_of_it() -> None:
    listener = Listener()
    async with model(Script(raw=STREAMS["as OpenAI sends it"])) as chat_model:
        chunks = [chunk async for chunk in chat_model.astream(ASKED, {"callbacks": [listener]})]
    assert "".join(chunk.text for chunk in chunks) == "".join(listener.pieces) == listener.said == "15 pages 🎉"


async def test_a_run_manager_is_told_of_each_chunk() -> None:
    listener = Listener()
    (manager,) = await AsyncCallbackManager([listener]).on_chat_model_start({}, [ASKED])
    async with model(Script(raw=STREAMS["as OpenAI sends it"])) as chat_model:
        _ = [chunk async for chunk in chat_model._astream(ASKED, run_manager=manager)]
    assert listener.pieces == ["15 pages 🎉"]


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}


async def test_tools_are_chatopenais() -> None:
    async with model(Script([{"tool_calls": [CALL]}], finish="tool_calls")) as chat_model:
        with_tools = chat_model.bind_tools([{"name": "look", "description": "d", "parameters": {}}])
        said = [chunk async for chunk in with_tools.astream(ASKED)]
    calls = [call for chunk in said for call in chunk.tool_call_chunks]
    assert [(call["name"], call["args"]) for call in calls] == [("look", "{}")]


@pytest.mark.parametrize(
    ("options", "asked", "stock"),
    [
        ({}, {}, False),
        ({"temperature": 0.0}, {"stop": ["x"], "n": 1, "logprobs": False}, False),
        ({}, {"tools": [{}]}, True),
        ({}, {"response_format": {"type": "json_object"}}, True),
        ({"logprobs": True}, {}, True),
        ({"n": 2}, {}, True),
        ({"use_responses_api": True}, {}, True),
        ({"include_response_headers": True}, {}, True),
        ({"api_key": SecretStr("lsv2_x")}, {}, True),
    ],
)
async def test_what_changes_the_stream_is_left_to_chatopenai(
    options: dict[str, Any], asked: dict[str, Any], stock: bool
) -> None:
    chat_model = make(LeanChatOpenAI, "http://127.0.0.1:1/v1", **options)
    assert isinstance(chat_model, LeanChatOpenAI)
    assert chat_model._needs_stock(asked) == stock
    await chat_model.aclose()


async def test_a_connection_serves_the_next_turn_and_is_closed_in_the_end() -> None:
    """The mock closes its connections; this server does not."""
    served: list[int] = []
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(0)
        length = 0
        body = STREAMS["as OpenAI sends it"]
        while line := await reader.readline():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            if line != b"\r\n":
                continue
            await reader.readexactly(length)
            served[-1] += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            writer.write(b"%x\r\n%s\r\n" % (len(body), body))
            await asyncio.sleep(0.02)  # the last chunk comes behind [DONE]
            writer.write(b"0\r\n\r\n")
        closed.set()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        chat_model = make(LeanChatOpenAI, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        assert isinstance(chat_model, LeanChatOpenAI)
        for _ in range(3):
            assert [chunk.text async for chunk in chat_model.astream(ASKED)] == ["15 pages 🎉"]
        await chat_model.aclose()
        await asyncio.wait_for(closed.wait(), 5)
    assert served == [3]


async def test_the_proxy_of_the_environment_is_asked_unless_it_is_told_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mock_openai(Script()) as address:
        monkeypatch.setenv("http_proxy", address.removesuffix("/v1"))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        for exempt in (False, True):
            if exempt:
                monkeypatch.setenv("no_proxy", "model.invalid")
            chat_model = make(LeanChatOpenAI, "http://model.invalid/v1")
            try:
                if exempt:
                    with pytest.raises(OSError, match=r"model\.invalid"):
                        await anext(aiter(chat_model.astream(ASKED)))
                else:
                    assert [chunk async for chunk in chat_model.astream(ASKED)]
            finally:
                await closed(chat_model)
