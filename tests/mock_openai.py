"""An OpenAI-compatible chat endpoint on a free loopback port that says, or breaks off, what a test scripts."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

Fault = Literal["status", "cut", "malformed", "error_event", "silent"]


@dataclass
class Script:
    """What the endpoint says to each request, as streamed deltas, and how it ends.

    A piece is text, or a whole `delta` such as `{"reasoning_content": "..."}`. Without a fault the reply ends with
    `finish` (None: a clean end without a finish reason), and with its usage when that was asked for. `fault` comes
    behind the pieces: "cut" drops the connection, "malformed" and "error_event" send such a line, "silent" sends
    nothing any more; "status" answers with `status` instead of a stream.
    """

    pieces: Sequence[str | dict[str, Any]] = ()
    finish: str | None = "stop"
    fault: Fault | None = None
    status: int = 500
    tokens: int = 12
    requests: list[dict[str, Any]] = field(default_factory=list)


@asynccontextmanager
async def mock_openai(script: Script) -> AsyncIterator[str]:
    """Serve `script` and give the base URL; requests are kept in `script.requests`."""
    replies: set[asyncio.Task[None]] = set()

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        replies.add(task)
        try:
            await _reply(script, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        try:
            yield f"http://{host}:{port}/v1"
        finally:
            for task in replies:
                task.cancel()


async def _reply(script: Script, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length:"))
    script.requests.append(json.loads(await reader.readexactly(length)))
    if script.fault == "status":
        body = json.dumps({"error": {"message": "scripted", "type": "scripted"}}).encode()
        writer.write(_head(script.status, "application/json", f"Content-Length: {len(body)}") + body)
        return await writer.drain()
    writer.write(_head(200, "text/event-stream", "Transfer-Encoding: chunked"))
    for piece in script.pieces:
        await _send(writer, _chunk({"content": piece} if isinstance(piece, str) else piece))
    match script.fault:
        case "cut":
            return writer.close()  # before the last chunk
        case "malformed":
            await _send(writer, "{not json")
        case "error_event":
            await _send(writer, json.dumps({"error": {"message": "scripted", "code": "overloaded"}}))
        case "silent":
            await asyncio.Event().wait()
        case _:
            if script.finish:
                await _send(writer, _chunk({}, finish=script.finish))
            usage = {"prompt_tokens": 0, "completion_tokens": script.tokens, "total_tokens": script.tokens}
            if script.requests[-1].get("stream_options", {}).get("include_usage"):
                await _send(writer, json.dumps(_BASE | {"choices": [], "usage": usage}))
            await _send(writer, "[DONE]")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


_BASE = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "mock"}


def _chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    return json.dumps(_BASE | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _head(status: int, kind: str, length: str) -> bytes:
    return f"HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\n{length}\r\nConnection: close\r\n\r\n".encode()


async def _send(writer: asyncio.StreamWriter, data: str) -> None:
    event = f"data: {data}\n\n".encode()
    writer.write(b"%x\r\n%s\r\n" % (len(event), event))
    await writer.drain()
