"""Reads the stream of an OpenAI-compatible model from its bytes, for its tokens come faster than objects are made.

The openai SDK makes a validated object of every token, langchain-openai a second one, and LangChain tells its callbacks
of each: together more than nine tenths of what a fast stream costs. Here a network read becomes one chunk. The request
is the SDK's too, but made once: to make and send one anew costs it 1.6 ms of CPU a turn, where aiohttp takes 0.4 ms.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, suppress
from functools import reduce
from operator import add
from typing import Any, NamedTuple, cast
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
import orjson
from langchain_core.callbacks import AsyncCallbackManager, AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableConfig, ensure_config
from langchain_openai import ChatOpenAI
from openai._models import FinalRequestOptions
from pydantic import PrivateAttr

_STOCK_FEATURES = (
    "tools",
    "functions",
    "response_format",
    "logprobs",
    "extra_headers",
    "extra_query",
    "extra_body",
    "timeout",
)
"""What changes the form of a stream, or of its request: ChatOpenAI sees to those itself."""

_CONNECT_TIMEOUT = 5.0
"""Seconds a connection to the model may take; with less than the whole patience, a second one can be tried."""

_ERROR_SIZE = 64 * 1024
"""Bytes that are read of a refusal."""

_BETWEEN_READS = 0.05
"""Seconds between two reads of an answer behind its first words: 20 times a second looks continuous, and a read costs
all that stands between the model and the reader, however little it brings."""

_TRAILER = 0.2
"""Seconds that a stream which said it is done gets to end, so that its connection can serve the next turn."""

_OF_ONE_REQUEST = ("host", "connection", "content-length", "accept-encoding")
"""Headers of the SDK's request that aiohttp sets itself."""

_Batch = tuple[list[dict[str, Any]], Exception | None]
"""The events that one read completed, and what broke the stream off behind them."""


class _Origin(NamedTuple):
    """Where completions come from: what every request has in common, and the SDK's request it was taken from."""

    url: str
    headers: dict[str, str]
    proxy: str | None
    request: httpx2.Request


class LeanChatOpenAI(ChatOpenAI):
    """ChatOpenAI whose text streams as one chunk for each network read; everything else is ChatOpenAI's.

    Refusals are the SDK's own errors (`openai.APIStatusError`), not langchain-openai's subclasses of them; what breaks
    a connection or a stream off comes as aiohttp raises it. Whoever made it closes it. It is of one event loop.
    """

    _session: aiohttp.ClientSession | None = PrivateAttr(default=None)
    _origin: _Origin | None = PrivateAttr(default=None)

    async def aclose(self) -> None:
        """Close the connections to the model."""
        if self._session:
            await self._session.close()

    async def _send(self, payload: dict[str, Any]) -> aiohttp.ClientResponse:
        """Send a request as the SDK would; whoever gets the response closes it. Raises openai.APIStatusError."""
        origin = self._origin or await self._find_origin()
        session = self._session or self._open_session()
        response = await session.post(
            origin.url, data=orjson.dumps(payload), headers=origin.headers, proxy=origin.proxy
        )
        if response.status < 400:
            return response
        async with response:
            body = await response.content.read(_ERROR_SIZE)
        told = {name: value for name, value in response.headers.items() if name.lower() != "content-encoding"}
        refusal = httpx2.Response(response.status, headers=told, content=body, request=origin.request)
        raise self.root_async_client._make_status_error_from_response(refusal)

    async def _find_origin(self) -> _Origin:
        """Have the SDK make a request, with its address and its headers, the key among them, and look up its proxy."""
        client = self.root_async_client
        options = FinalRequestOptions.construct(method="post", url="/chat/completions", json_data={})
        request = client._build_request(await client._prepare_options(options))
        headers = {name: value for name, value in request.headers.items() if name not in _OF_ONE_REQUEST}
        proxy = self.openai_proxy or _proxy_to(request.url)
        self._origin = origin = _Origin(str(request.url), headers, proxy, request)
        return origin

    def _open_session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT)  # patience keeps the rest
        self._session = aiohttp.ClientSession(  # its `trust_env` would read .netrc in a thread, twice a request
            connector=aiohttp.TCPConnector(limit=0), timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
        )
        return self._session

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
                del chunk  # nothing that was passed on is kept while the model is waited for

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
        async with (
            await self._send(self._get_request_payload(messages, stop=stop, **kwargs)) as response,
            aclosing(_batches(response.content)) as batches,
        ):
            async for events, error in batches:
                if chunk := self._chunk(events):
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk
                if error:
                    raise error
                del events, chunk

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
        chunks = [
            _text_chunk(run)
            if isinstance(run, str)
            else self._convert_chunk_to_generation_chunk(run, AIMessageChunk, {})
            for run in _runs(events)
        ]
        told = [chunk for chunk in chunks if chunk]
        return reduce(add, told) if told else None


class ModelError(Exception):
    """An error that came in the stream instead of text; its words are the provider's, so they are not kept."""

    def __init__(self, error: Any) -> None:
        super().__init__("an error event in the stream")
        self.code = error.get("code") if isinstance(error, dict) else None


class _Events:
    """Takes Server-Sent Events from bytes, however these are cut."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self.done = False

    def feed(self, read: bytes) -> Iterator[dict[str, Any]]:
        """Yield the events that `read` completes.

        Raises ValueError for what is not JSON, ModelError for an error event. Lines end with LF or CRLF, not with a
        lone CR, which no model server writes.
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
            raise ModelError(event["error"])
        return event


def _proxy_to(url: httpx2.URL) -> str | None:
    """Return the proxy that the environment names for an address, as the SDK's own client reads it."""
    proxies = getproxies()
    return None if proxy_bypass(url.host) else proxies.get(url.scheme) or proxies.get("all")


async def _batches(body: aiohttp.StreamReader) -> AsyncGenerator[_Batch]:
    """Yield what each read of an answer completes, until it says that it is done or ends."""
    events = _Events()
    reads = 0
    while not events.done:
        try:
            read = await body.readany()
        except Exception as error:  # what had arrived before the stream broke off is kept from readany
            found, wrong = _collect(events.feed(body._read_nowait(-1)))
            yield found, wrong or error
            return
        if not read:
            break
        yield _collect(events.feed(read))
        reads += 1
        if reads > 1 and not events.done:  # the first often says nothing but that an assistant speaks
            await asyncio.sleep(_BETWEEN_READS)
    with suppress(Exception):  # whatever comes now, the answer is whole
        async with asyncio.timeout(_TRAILER):
            while await body.readany():
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
    except (ValueError, ModelError) as error:
        return found, error
    return found, None


def _runs(events: Sequence[dict[str, Any]]) -> list[str | dict[str, Any]]:
    """Return the text of each run of events that bring nothing else, and the other events as they are."""
    runs: list[str | dict[str, Any]] = []
    pieces: list[str] = []
    for event in events:
        text = _text(event)
        if text is not None:
            pieces.append(text)
            continue
        if pieces:
            runs.append("".join(pieces))
            pieces = []
        runs.append(event)
    return [*runs, "".join(pieces)] if pieces else runs


def _text_chunk(text: str) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, response_metadata={"model_provider": "openai"}))


def _text(event: dict[str, Any]) -> str | None:
    """Return the piece of the answer's text that is all an event brings, perhaps none of it beside reasoning."""
    choices = event.get("choices")
    if not choices or event.get("usage"):
        return None
    choice = choices[0]
    delta = choice.get("delta")
    if not delta or choice.get("finish_reason") or choice.get("logprobs"):
        return None
    if delta.get("tool_calls") or delta.get("function_call") or delta.get("role") not in (None, "", "assistant"):
        return None
    text = delta.get("content") or ""
    return text if isinstance(text, str) else None


def _is_plain_text(input: LanguageModelInput) -> bool:
    return isinstance(input, list) and all(isinstance(m, BaseMessage) and isinstance(m.content, str) for m in input)
