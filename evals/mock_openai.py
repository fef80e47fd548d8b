"""An OpenAI-compatible chat endpoint on a free loopback port that says, or breaks off, what a test scripts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Fault = Literal["status", "hangup", "cut", "malformed", "error_event", "silent"]


@dataclass
class Script:
    """What the endpoint says to each request, as streamed deltas, and how it ends.

    A piece is text, a whole `delta` such as `{"reasoning_content": "..."}`, or an event to wait for. Without a fault
    the reply ends with `finish` (None: a clean end without a finish reason), and with its usage when that was asked
    for. `fault` comes behind the pieces: "cut" drops the connection, "malformed" and "error_event" send such a line,
    "silent" sends nothing any more; "status" answers with `status` and `headers` instead of a stream, "hangup" with
    nothing at all.

    `raw` is sent instead of all that, byte for byte. `delay` seconds pass before each event; with `split`, events are
    sent that many bytes at a time, and `delay` passes before each of these. Requests behind the first get `then`, the
    last of it again and again.
    """

    pieces: Sequence[str | dict[str, Any] | asyncio.Event] = ()
    finish: str | None = "stop"
    fault: Fault | None = None
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    tokens: int = 12
    raw: bytes | None = None
    delay: float = 0.0
    split: int | None = None
    then: Sequence["Script"] = ()
    requests: list[dict[str, Any]] = field(default_factory=list)


@asynccontextmanager
async def mock_openai(script: Script | Callable[[dict[str, Any]], Script]) -> AsyncIterator[str]:
    """Serve `script` and give the base URL; requests are kept in `script.requests`. A function gets each request's
    body, and chooses what is said to it."""
    replies: set[asyncio.Task[None]] = set()
    broken: list[Exception] = []

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        replies.add(task)
        try:
            await _reply(script, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # what chooses the reply failed: to the client it looks like a model that is away
            broken.append(error)
        finally:
            writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}/v1"
        finally:
            for task in replies:
                task.cancel()
    if broken:
        raise broken[0]


async def _reply(
    script: Script | Callable[[dict[str, Any]], Script], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
    asked = json.loads(await reader.readexactly(length))
    if isinstance(script, Script):
        now = [script, *script.then][min(len(script.requests), len(script.then))]
        script.requests.append(asked)
    else:
        now = script(asked)
    if now.fault == "hangup":
        return
    if now.fault == "status":
        body = json.dumps({"error": {"message": "scripted", "type": "scripted"}}).encode()
        headers = [f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in now.headers.items())]
        writer.write(_head(now.status, "application/json", "\r\n".join(headers)) + body)
        return await writer.drain()
    writer.write(_head(200, "text/event-stream", "Transfer-Encoding: chunked"))
    if now.raw is not None:
        await _send_raw(now, writer, now.raw)
    else:
        await _say(now, asked, writer)
    if now.fault == "silent":
        await asyncio.Event().wait()
    if now.fault == "cut":
        return await asyncio.sleep(0.05)  # aiohttp drops what was not read when the connection breaks
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def _say(script: Script, asked: dict[str, Any], writer: asyncio.StreamWriter) -> None:
    for piece in script.pieces:
        if isinstance(piece, asyncio.Event):
            await piece.wait()
            continue
        await _send(script, writer, _chunk({"content": piece} if isinstance(piece, str) else piece))
    match script.fault:
        case "malformed":
            await _send(script, writer, "{not json")
        case "error_event":
            await _send(script, writer, json.dumps({"error": {"message": "scripted", "code": "overloaded"}}))
        case None:
            if script.finish:
                await _send(script, writer, _chunk({}, finish=script.finish))
            usage = {"prompt_tokens": 0, "completion_tokens": script.tokens, "total_tokens": script.tokens}
            if asked.get("stream_options", {}).get("include_usage"):
                await _send(script, writer, json.dumps(_BASE | {"choices": [], "usage": usage}))
            await _send(script, writer, "[DONE]")
        case _:
            pass


_BASE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock"}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    return json.dumps(_BASE | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _head(status: int, kind: str, headers: str) -> bytes:
    return f"HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\n{headers}\r\nConnection: close\r\n\r\n".encode()


async def _send(script: Script, writer: asyncio.StreamWriter, data: str) -> None:
    await _send_raw(script, writer, f"data: {data}\n\n".encode())


async def _send_raw(script: Script, writer: asyncio.StreamWriter, data: bytes) -> None:
    step = script.split or len(data) or 1
    for at in range(0, len(data), step):
        await asyncio.sleep(script.delay)
        part = data[at : at + step]
        writer.write(b"%x\r\n%s\r\n" % (len(part), part))
        await writer.drain()
