"""What `server.chat_model` and `server.model_faults` rely on in the model's client without being promised it."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import openai
import orjson
import pytest
from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from openai import DefaultAioHttpClient, DefaultAsyncHttpxClient
from pydantic import SecretStr

from tests.mock_openai import Script, mock_openai

pytestmark = pytest.mark.anyio

ASKED = [HumanMessage("How many?")]
TRANSPORTS = {"aiohttp": DefaultAioHttpClient, "httpx": DefaultAsyncHttpxClient}


def chat(base_url: str, transport: str = "aiohttp", **options: Any) -> ChatOpenAI:
    return ChatOpenAI(
        model="mock",
        api_key=SecretStr("none"),
        base_url=base_url,
        max_retries=0,
        http_async_client=TRANSPORTS[transport](),
        **options,
    )


@asynccontextmanager
async def model(script: Script, **options: Any) -> AsyncIterator[ChatOpenAI]:
    async with mock_openai(script) as base_url:
        chat_model = chat(base_url, **options)
        try:
            yield chat_model
        finally:
            await chat_model.root_async_client.close()


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def test_the_private_methods_we_override_and_call_look_as_we_know_them() -> None:
    def parameters(method: Any) -> list[str]:
        return list(inspect.signature(method).parameters)

    streamed = ["self", "messages", "stop", "run_manager", "stream_usage", "kwargs"]
    assert parameters(BaseChatOpenAI._astream) == streamed
    assert parameters(ChatOpenAI._astream) == ["self", "args", "kwargs"]  # chooses the API, then passes them on
    assert parameters(BaseChatModel.astream) == ["self", "input", "config", "stop", "kwargs"]
    assert parameters(ChatOpenAI._get_request_payload) == ["self", "input_", "stop", "kwargs"]
    assert parameters(ChatOpenAI._should_stream_usage) == ["self", "stream_usage", "kwargs"]
    assert parameters(ChatOpenAI._use_responses_api) == ["self", "payload"]
    converted = ["self", "chunk", "default_chunk_class", "base_generation_info"]
    assert parameters(ChatOpenAI._convert_chunk_to_generation_chunk) == converted
    assert isinstance(ChatOpenAI._uses_gateway, property)
    fields = {"include_response_headers", "model_kwargs", "rate_limiter", "disable_streaming", "output_version"}
    assert fields <= ChatOpenAI.model_fields.keys()


async def test_the_client_is_where_we_look_for_it_and_is_closed_with_its_transport() -> None:
    async with model(Script(raw=b"data: {}\n\n")) as chat_model:
        assert chat_model.async_client is chat_model.root_async_client.chat.completions
        payload = chat_model._get_request_payload(ASKED, stop=["x"], stream=True)
        assert payload == {
            "model": "mock",
            "stream": True,
            "stop": ["x"],
            "messages": [{"content": "How many?", "role": "user"}],
        }
        async with chat_model.async_client.with_streaming_response.create(**payload) as response:
            assert response.http_request.method == "POST"
            assert b"".join([read async for read in response.iter_bytes()]) == b"data: {}\n\n"
        session = chat_model.root_async_client._client._transport.client
        assert not session.closed
    assert session.closed


async def test_a_clean_end_without_a_finish_reason_raises_nothing() -> None:
    async with model(Script(["15"], finish=None)) as chat_model:
        assert "".join([chunk.text async for chunk in chat_model.astream(ASKED)]) == "15"


async def test_a_transport_of_our_own_turns_usage_off_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    assert ChatOpenAI(model="mock").stream_usage is True
    for asked in (None, True):
        chat_model = ChatOpenAI(model="mock", http_async_client=DefaultAioHttpClient(), stream_usage=asked)
        assert chat_model._should_stream_usage() is bool(asked)
        await chat_model.root_async_client.close()


def test_a_chunk_holds_the_finish_reason_outside_of_its_message() -> None:
    chat_model = ChatOpenAI(model="mock", api_key=SecretStr("none"))
    event = {"choices": [{"index": 0, "delta": {"content": "15"}, "finish_reason": "stop"}]}
    chunk = chat_model._convert_chunk_to_generation_chunk(event, AIMessageChunk, {})
    assert chunk and chunk.generation_info == {"finish_reason": "stop"}
    assert chunk.message.response_metadata == {"model_provider": "openai"}


async def test_aiohttp_hands_over_at_once_what_has_arrived_and_httpx_does_not() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\n15\r\n" * 9 + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    reads = {}
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        for name, client in TRANSPORTS.items():
            async with client() as opened:
                address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                async with opened.stream("GET", address) as response:
                    reads[name] = [read async for read in response.aiter_bytes()]
    assert reads == {"aiohttp": [b"15" * 9], "httpx": [b"15"] * 9}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("pieces", [[], ["15"]])
async def test_silence_has_a_timeout_error_among_its_causes(transport: str, pieces: list[str]) -> None:
    async with model(Script(pieces, fault="silent"), transport=transport, timeout=0.3) as chat_model:
        with pytest.raises(openai.APITimeoutError) as raised:
            _ = [chunk async for chunk in chat_model._astream(ASKED)]
    assert any(isinstance(link, TimeoutError) for link in causes(raised.value))


async def test_aiohttp_calls_refused_and_dropped_connections_timeouts() -> None:
    """Which is why they are told apart by their causes; when this changes, `judge` may be simpler."""
    async with model(Script(fault="hangup")) as chat_model:
        with pytest.raises(openai.APITimeoutError) as dropped:
            _ = [chunk async for chunk in chat_model._astream(ASKED)]
    refusing = chat("http://127.0.0.1:9/v1")
    with pytest.raises(openai.APITimeoutError) as refused:
        _ = [chunk async for chunk in refusing._astream(ASKED)]
    await refusing.root_async_client.close()
    for raised in (dropped, refused):
        assert not any(isinstance(link, TimeoutError) for link in causes(raised.value))


async def test_an_error_event_and_a_malformed_line_come_as_we_name_them() -> None:
    for fault, kind in (("error_event", openai.APIError), ("malformed", json.JSONDecodeError)):
        async with model(Script(["15"], fault=fault)) as chat_model:  # pyright: ignore[reportArgumentType]
            with pytest.raises(kind):
                _ = [chunk async for chunk in chat_model._astream(ASKED)]


def test_nobody_listens_unless_somebody_was_told_to() -> None:
    assert AsyncCallbackManager.configure(None, None, False).handlers == []


def test_orjson_refuses_lone_surrogates_which_json_reads() -> None:
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(b'"\\ud800"')
    assert issubclass(orjson.JSONDecodeError, ValueError)
    assert json.loads(b'"\\ud800"') == "\ud800"
