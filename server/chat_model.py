"""Reads the stream of an OpenAI-compatible model from its bytes, for its tokens come faster than objects are made.

The openai SDK makes a validated object of every token, langchain-openai a second one, and LangChain tells its callbacks
of each: together more than nine tenths of what a fast stream costs. Here a network read becomes one chunk.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import reduce
from itertools import groupby
from operator import add
from typing import Any, cast

import openai
import orjson
from langchain_core.callbacks import AsyncCallbackManager, AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_openai import ChatOpenAI

_STOCK_FEATURES = ("tools", "functions", "response_format", "logprobs")
"""What changes the form of a stream: ChatOpenAI reads those itself."""

_TRAILER = 0.2
"""Seconds that a stream which said it is done gets to end, so that its connection can serve the next turn."""

_Batch = tuple[list[dict[str, Any]], Exception | None]
"""The events that one read completed, and what broke the stream off behind them."""


class LeanChatOpenAI(ChatOpenAI):
    """ChatOpenAI whose text streams as one chunk for each network read; everything else is ChatOpenAI's.

    Errors of the request are the SDK's own (`openai.APIError`), not langchain-openai's subclasses of them; what breaks
    off the stream comes as the transport raises it. Whoever made it closes it.
    """

    async def aclose(self) -> None:
        """Close the connections to the model."""
        await self.root_async_client.close()

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Stream as every chat model does; when no callback listens, none is prepared for."""
        if self._is_observed(config) or self._needs_stock(kwargs) or not _is_plain_text(input):
            async with aclosing(cast(Any, super().astream(input, config, stop=stop, **kwargs))) as messages:
                async for message in messages:
                    yield message
            return
        async with aclosing(cast(Any, self._astream(cast(Any, input), stop=stop, **kwargs))) as chunks:
            async for chunk in chunks:
                if chunk.generation_info:
                    chunk.message.response_metadata = {**chunk.generation_info, **chunk.message.response_metadata}
                yield chunk.message

    def _is_observed(self, config: RunnableConfig | None) -> bool:
        listeners = AsyncCallbackManager.configure(ensure_config(config).get("callbacks"), self.callbacks, self.verbose)
        return bool(listeners.handlers or self.rate_limiter or self.disable_streaming or self.output_version == "v1")

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        stream_usage: bool | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        if self._needs_stock(kwargs):
            stock = super()._astream(messages, stop, run_manager, stream_usage=stream_usage, **kwargs)
            async with aclosing(cast(Any, stock)) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        kwargs["stream"] = True
        if self._should_stream_usage(stream_usage, **kwargs):
            kwargs["stream_options"] = {"include_usage": True}
        payload = self._get_request_payload(messages, stop=stop, **kwargs)
        async with (
            self.async_client.with_streaming_response.create(**payload) as response,
            aclosing(_batches(response)) as batches,
        ):
            async for events, error in batches:
                if chunk := self._chunk(events):
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                if error:
                    raise error

    def _needs_stock(self, kwargs: dict[str, Any]) -> bool:
        asked = {**self._default_params, **kwargs}
        return (
            any(asked.get(feature) for feature in _STOCK_FEATURES)
            or (asked.get("n") or 1) > 1
            or self.include_response_headers
            or self._uses_gateway
            or self._use_responses_api({**kwargs, **self.model_kwargs})
        )

    def _chunk(self, events: Sequence[dict[str, Any]]) -> ChatGenerationChunk | None:
        """Make one chunk of what a read held; an empty one of reasoning and other signs of life."""
        chunks = [self._convert_chunk_to_generation_chunk(e, AIMessageChunk, {}) for e in _joined(events)]
        told = [chunk for chunk in chunks if chunk]
        return reduce(add, told) if told else None


class _Events:
    """Takes Server-Sent Events from bytes, however these are cut."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self.done = False

    def feed(self, read: bytes) -> Iterator[dict[str, Any]]:
        """Yield the events that `read` completes. Raises ValueError for what is not JSON, APIError for an error event.

        Lines end with LF or CRLF, not with a lone CR, which no model server writes.
        """
        if b"\n" not in read:
            self._line.append(read)
            return
        lines = b"".join([*self._line, read]).split(b"\n")
        self._line = [lines.pop()]
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[5:])
            elif self._data and line in (b"", b"\r"):
                data, self._data = self._data, []
                if event := self._read(b"\n".join(data)):
                    yield event
                if self.done:
                    return

    def _read(self, data: bytes) -> dict[str, Any] | None:
        if data.lstrip().startswith(b"[DONE]"):
            self.done = True
            return None
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            event = json.loads(data)  # which takes lone surrogates; they are left out later
        if not isinstance(event, dict):
            raise ValueError("an event of the stream is not an object")
        if event.get("error"):
            raise openai.APIError("an error event in the stream", self._request, body=event["error"])
        return event


async def _batches(response: Any) -> AsyncGenerator[_Batch]:
    """Yield what each read of a response completes, until it says that it is done or ends."""
    events = _Events(response.http_request)
    async with aclosing(response.iter_bytes()) as reads:
        async for read in reads:
            yield _collect(events.feed(read))
            if events.done:
                break
        with suppress(Exception):  # whatever comes now, the answer is whole
            async with asyncio.timeout(_TRAILER):
                async for _ in reads:
                    pass
    if not events.done:
        last, _ = _collect(
            events.feed(b"\n\n")
        )  # a last event may lack its line breaks; half of one counts for nothing
        yield last, None


def _collect(events: Iterator[dict[str, Any]]) -> _Batch:
    """Return the events, and what went wrong behind them: what came before it is still shown."""
    found: list[dict[str, Any]] = []
    try:
        found.extend(events)
    except (ValueError, openai.APIError) as error:
        return found, error
    return found, None


def _joined(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events with each run of mere text as one of them."""
    joined: list[dict[str, Any]] = []
    for is_text, run in groupby(events, _is_text):
        last = list(run)
        if is_text:
            deltas = [event["choices"][0]["delta"] for event in last]
            deltas[-1]["content"] = "".join(delta.get("content") or "" for delta in deltas)
            last = last[-1:]
        joined += last
    return joined


def _is_text(event: dict[str, Any]) -> bool:
    """Tell whether an event brings nothing but a piece of the answer's text, or of its reasoning."""
    choices = event.get("choices")
    if not choices or event.get("usage"):
        return False
    choice = choices[0]
    delta = choice.get("delta")
    return (
        bool(delta)
        and not choice.get("finish_reason")
        and not choice.get("logprobs")
        and not delta.get("tool_calls")
        and not delta.get("function_call")
        and isinstance(delta.get("content") or "", str)
        and delta.get("role") in (None, "", "assistant")
    )


def _is_plain_text(input: LanguageModelInput) -> bool:
    return isinstance(input, list) and all(isinstance(m, BaseMessage) and isinstance(m.content, str) for m in input)
