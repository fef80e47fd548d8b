"""Plays a language model behind the API of OpenAI, so fast that what is measured is the server in front of it.

Run as a program with the number of an inherited listening socket. Beside chat completions it takes a script
(`POST /script`) and tells how many answers are under way (`GET /open`).
"""

import asyncio
import json
import socket
import sys
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import uvloop

from evals.bench.turns.stamps import token


@dataclass(frozen=True, slots=True)
class Script:
    """How every answer from now on is told."""

    tokens: int
    rate: float = 0.0
    """Tokens a second; 0 writes them one after the other as fast as the socket takes them."""
    held: bool = False
    """Keep all answers before their first token, until a script without it releases them."""


@dataclass(slots=True)
class Stage:
    """What all connections share."""

    script: Script = field(default_factory=lambda: Script(tokens=1))
    open: "set[Speaker]" = field(default_factory=set)

    def set(self, script: Script) -> None:
        """Play another script; answers that were held go on as they began."""
        self.script = script
        if not script.held:
            for speaker in self.open:
                speaker.release()


def _frame(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def _event(**fields: Any) -> bytes:
    completion = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "bench"}
    return b"data: %s\n\n" % json.dumps({**completion, "choices": [], "usage": None, **fields}).encode()


def _delta(delta: dict[str, str], finish: str | None = None) -> bytes:
    return _event(choices=[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}])


_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
_ROLE = _frame(_delta({"role": "assistant", "content": ""}))
_BEFORE, _AFTER = _delta({"content": "TOKEN"}).split(b"TOKEN")
_STOP = _frame(_delta({}, finish="stop"))
_DONE = _frame(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Speaker(asyncio.Protocol):
    """One connection: takes a request, and tells the script in writes of one token each."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._path, self._body = b"", b""
        self._next: asyncio.Handle | None = None
        self._writable = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where answers go."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fall silent."""
        self._stage.open.discard(self)
        self._wait(None)

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        self._parser.feed_data(data)

    def pause_writing(self) -> None:
        """Wait for a server that reads too slowly."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on."""
        self._writable = True
        if self in self._stage.open:
            self._speak()

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._path, self._body = b"", b""

    def on_url(self, url: bytes) -> None:
        """Take the path."""
        self._path += url

    def on_body(self, body: bytes) -> None:
        """Take the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer the request."""
        request = json.loads(self._body or b"{}")
        match self._path:
            case b"/v1/chat/completions":
                self._begin(wants_usage=bool((request.get("stream_options") or {}).get("include_usage")))
            case b"/script":
                self._stage.set(Script(**request))
                self._reply({})
            case _:
                self._reply({"open": len(self._stage.open)})

    def _reply(self, value: dict[str, int]) -> None:
        body = json.dumps(value).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self._transport.write(head + body)

    def _begin(self, *, wants_usage: bool) -> None:
        self._script = self._stage.script
        self._told, self._began = 0, self._loop.time()
        usage = {"prompt_tokens": 1, "completion_tokens": self._script.tokens, "total_tokens": self._script.tokens + 1}
        self._end = _STOP + (_frame(_event(usage=usage)) if wants_usage else b"") + _DONE
        self._stage.open.add(self)
        self._transport.write(_HEAD + _ROLE)
        self._wait(None if self._script.held else self._loop.call_soon(self._speak))

    def release(self) -> None:
        """Begin to speak, if this answer was held."""
        if self._script.held and self._told == 0:
            self._began = self._loop.time()
            self._wait(self._loop.call_soon(self._speak))

    def _speak(self) -> None:
        """Write the tokens that are due, and come back for the next."""
        self._wait(None)
        if not self._writable:
            return
        script = self._script
        due = self._told + 1
        if script.rate:  # catch up, should this process have been late
            due = min(script.tokens, 1 + int((self._loop.time() - self._began) * script.rate + 1e-6))
        while self._told < due:
            self._told += 1
            self._transport.write(_frame(_BEFORE + token(self._told) + _AFTER))
        if self._told == script.tokens:
            self._stage.open.discard(self)
            self._transport.write(self._end)
        elif script.rate:
            self._wait(self._loop.call_at(self._began + self._told / script.rate, self._speak))
        else:
            self._wait(self._loop.call_soon(self._speak))

    def _wait(self, handle: asyncio.Handle | None) -> None:
        if self._next:
            self._next.cancel()
        self._next = handle


async def serve(listening: socket.socket) -> None:
    """Serve until the process is stopped."""
    stage = Stage()
    server = await asyncio.get_running_loop().create_server(lambda: Speaker(stage), sock=listening)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(socket.socket(fileno=int(sys.argv[1]))))
