"""An OpenAI-compatible chat endpoint that misbehaves as the question tells it, so that no case disturbs another.

    How long does a session last? tokens=400 pace=0.01 fault=stall@50 key=3f2a

tokens=N    how many tokens the answer has (20)
pace=S      seconds between them (0.005)
size=N      characters that follow each token (0)
finish=WHY  the finish reason (stop); `none` ends the stream cleanly without one
fault=WHAT@N  after N tokens, in the first answer to this question only:
    stall       nothing comes any more
    cut         the connection is reset
    malformed   a line that is not JSON
    error       an event that says that the model failed
fault=WHAT  instead of an answer, every time it is asked: 429, 500, refused (reset before a byte), silent, empty
key=WORD    makes the question unlike all others

Tokens are numbered, and hold characters of two and three bytes: the first answer to a question says "1.0é☃ 1.1é☃ ", the
next one, to another attempt, "2.0é☃ 2.1é☃ ". So what any reader holds can be compared with what it must be.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

ABOUT = "How long does a session last?"


def question(**words: object) -> str:
    """Return a question that tells the model how to answer it, unlike every other."""
    told = [f"{name}={value}" for name, value in (words | {"key": uuid4().hex[:12]}).items()]
    return " ".join([ABOUT, *told])


def answer(asked: str, attempt: int = 1, tokens: int | None = None) -> str:
    """Return what the model says to a question the nth time, or its first `tokens`."""
    wanted = Wanted.of(asked)
    return "".join(wanted.token(attempt, n) for n in range(wanted.tokens if tokens is None else tokens))


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a question wants to be answered."""

    tokens: int = 20
    pace: float = 0.005
    size: int = 0
    finish: str = "stop"
    fault: str = ""
    after: int = -1

    @classmethod
    def of(cls, asked: str) -> "Wanted":
        """Read the words of a question."""
        told = dict(re.findall(r"(\w+)=(\S+)", asked))
        fault, _, after = told.get("fault", "").partition("@")
        return cls(
            tokens=int(told.get("tokens", 20)),
            pace=float(told.get("pace", 0.005)),
            size=int(told.get("size", 0)),
            finish=told.get("finish", "stop"),
            fault=fault,
            after=int(after or -1),
        )

    def token(self, attempt: int, number: int) -> str:
        """Return a token of the answer to an attempt."""
        return f"{attempt}.{number}é☃{'🌱' * self.size} "


@dataclass
class Model:
    """The endpoint; `asked` counts requests by question, `answered` the answers that began."""

    url: str = ""
    asked: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    _talks: set[asyncio.Task[None]] = field(default_factory=set)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        task = asyncio.current_task()
        assert task
        self._talks.add(task)
        try:
            await self._reply(await _body(reader), writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the worker stopped the turn, or was killed
        finally:
            self._talks.discard(task)
            writer.close()

    async def _reply(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        asked = body["messages"][-1]["content"].rpartition("Question: ")[2]
        self.asked[asked] += 1
        wanted = Wanted.of(asked)
        if wanted.after < 0 and wanted.fault:
            return await _instead(wanted.fault, writer)
        writer.write(_head(200, "text/event-stream", "Transfer-Encoding: chunked"))
        self.answered[asked] += 1
        attempt = self.answered[asked]
        for n in range(wanted.tokens):
            if n == wanted.after and attempt == 1:
                await _break_off(wanted.fault, writer)
                return
            await _send(writer, _piece({"content": wanted.token(attempt, n)}))
            await asyncio.sleep(wanted.pace)
        if wanted.finish != "none":
            await _send(writer, _piece({}, finish=wanted.finish))
            await _send(writer, "[DONE]")
        await _over(writer)


@asynccontextmanager
async def open_model() -> AsyncIterator[Model]:
    """Serve on a free loopback port."""
    model = Model()
    async with await asyncio.start_server(model.talk, "127.0.0.1", 0, backlog=1_000) as server:
        model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield model
        finally:
            for talk in list(model._talks):
                talk.cancel()


async def _body(reader: asyncio.StreamReader) -> dict[str, Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
    return json.loads(await reader.readexactly(length))


async def _instead(fault: str, writer: asyncio.StreamWriter) -> None:
    match fault:
        case "refused":
            writer.transport.abort()
        case "silent":
            await asyncio.Event().wait()
        case "empty":
            writer.write(_head(200, "text/event-stream", "Transfer-Encoding: chunked"))
            await _send(writer, _piece({}, finish="stop"))
            await _send(writer, "[DONE]")
            await _over(writer)
        case status:
            body = json.dumps({"error": {"message": "told to", "type": "told", "code": "told"}}).encode()
            length = f"Retry-After: 1\r\nContent-Length: {len(body)}"
            writer.write(_head(int(status), "application/json", length) + body)
            await writer.drain()


async def _break_off(fault: str, writer: asyncio.StreamWriter) -> None:
    match fault:
        case "stall":
            await asyncio.Event().wait()
        case "cut":
            await asyncio.sleep(0.05)  # what was sent is read before the reset throws it away
            writer.transport.abort()
        case "malformed":
            await _send(writer, "{not json")
            await _over(writer)
        case "error":
            await _send(writer, json.dumps({"error": {"message": "secret-of-the-provider", "code": "overloaded"}}))
            await _over(writer)
        case _:
            raise AssertionError(f"no such fault: {fault}")


_BASE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "misbehaving"}


def _piece(delta: dict[str, Any], finish: str | None = None) -> str:
    return json.dumps(_BASE | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _head(status: int, kind: str, length: str) -> bytes:
    return f"HTTP/1.1 {status} Told\r\nContent-Type: {kind}\r\n{length}\r\nConnection: close\r\n\r\n".encode()


async def _send(writer: asyncio.StreamWriter, data: str) -> None:
    event = f"data: {data}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(event), event))
    await writer.drain()


async def _over(writer: asyncio.StreamWriter) -> None:
    writer.write(b"0\r\n\r\n")
    await writer.drain()
