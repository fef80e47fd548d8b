"""What `server.chat_model` and `server.model_faults` rely on in the model's client without being promised it."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx2
import openai
import orjson
import pytest
from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_openai import ChatOpenAI
from langchain_openai.chat_models.base import BaseChatOpenAI
from openai._models import FinalRequestOptions
from pydantic import SecretStr

from evals.mock_openai import Script, mock_openai

pytestmark = pytest.mark.anyio

ASKED = [HumanMessage("How many?")]


def chat(base_url: str, **options: Any) -> ChatOpenAI:
    return ChatOpenAI(model="mock", api_key=SecretStr("none"), base_url=base_url, max_retries=0, **options)


@asynccontextmanager
async def model(script: Script) -> AsyncIterator[ChatOpenAI]:
    async with mock_openai(script) as base_url:
        yield chat(base_url)


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


async def test_the_sdk_makes_a_request_that_can_be_sent_again_and_again() -> None:
    chat_model = chat("http://127.0.0.1:9/v1", organization="docs", default_headers={"x-gateway": "eu"})
    payload = chat_model._get_request_payload(ASKED, stop=["x"], stream=True)
    assert payload == {
        "model": "mock",
        "stream": True,
        "stop": ["x"],
        "messages": [{"content": "How many?", "role": "user"}],
    }
    client = chat_model.root_async_client
    options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data={})
    request = client._build_request(await client._prepare_options(options))
    assert (request.method, str(request.url)) == ("POST", "http://127.0.0.1:9/v1/chat/completions")
    told = {
        name: request.headers[name] for name in ("authorization", "content-type", "openai-organization", "x-gateway")
    }
    assert told == {
        "authorization": "Bearer none",
        "content-type": "application/json",
        "openai-organization": "docs",
        "x-gateway": "eu",
    }


def test_the_sdk_names_a_refusal() -> None:
    client = chat("http://127.0.0.1:9/v1").root_async_client
    request = httpx2.Request("POST", "http://127.0.0.1:9")
    body = b'{"error": {"message": "none left", "code": "insufficient_quota"}}'
    refusal = httpx2.Response(429, headers={"Retry-After": "7"}, content=body, request=request)
    error = client._make_status_error_from_response(refusal)
    assert isinstance(error, openai.RateLimitError)
    assert (error.status_code, error.code, error.response.headers["retry-after"]) == (429, "insufficient_quota", "7")


async def test_a_clean_end_without_a_finish_reason_raises_nothing() -> None:
    async with model(Script(["15"], finish=None)) as chat_model:
        assert "".join([chunk.text async for chunk in chat_model.astream(ASKED)]) == "15"


def test_a_chunk_holds_the_finish_reason_outside_of_its_message() -> None:
    chat_model = ChatOpenAI(model="mock", api_key=SecretStr("none"))
    event = {"choices": [{"index": 0, "delta": {"content": "15"}, "finish_reason": "stop"}]}
    chunk = chat_model._convert_chunk_to_generation_chunk(event, AIMessageChunk, {})
    assert chunk and chunk.generation_info == {"finish_reason": "stop"}
    assert chunk.message.response_metadata == {"model_provider": "openai"}


async def test_aiohttp_hands_over_at_once_what_has_arrived() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"2\r\n15\r\n" * 9 + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, aiohttp.ClientSession() as session:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with session.get(address) as response:
            assert [await response.content.readany(), await response.content.readany()] == [b"15" * 9, b""]


async def test_aiohttp_keeps_what_arrived_before_an_error_and_gives_it_to_who_asks_below() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n15 \r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server, aiohttp.ClientSession() as session:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with session.get(address) as response:
            body = response.content
            async with asyncio.timeout(20):
                while not body.exception():
                    await asyncio.sleep(0.01)
            with pytest.raises(aiohttp.ClientPayloadError):
                await body.readany()
            assert (body._read_nowait(-1), body._read_nowait(-1)) == (b"15 ", b"")


@pytest.mark.parametrize("kind", [aiohttp.ConnectionTimeoutError, aiohttp.SocketTimeoutError])
def test_a_connection_that_nobody_answers_is_a_timeout_and_a_refused_one_is_none(kind: type[Exception]) -> None:
    assert issubclass(kind, TimeoutError)
    assert not issubclass(aiohttp.ClientConnectorError, TimeoutError)
    assert not issubclass(aiohttp.ServerDisconnectedError, TimeoutError)


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
