"""A reverse proxy that meddles as those of careless operators do."""

import asyncio
import ssl
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import urlsplit


@dataclass
class Meddling:
    """What it does to requests and answers; by default nothing.

    `collects`      sends an answer when all of it is there
    `compresses`    gzips every answer
    `strips`        drops this header of requests
    `cuts_after`    breaks event streams off after so many seconds
    `largest`       refuses larger bodies, in bytes
    `clock_ahead`   seconds by which its clock, and so the Date of answers, is wrong
    `echoes`        allows every origin that asks, beside what the server says
    `leads_on`      answers with a redirect to this address
    `hides`         answers 404 to requests of this method
    `publishes`     answers 200 at this path by itself
    `drops`         leaves this header out of answers
    """

    upstream: str
    collects: bool = False
    compresses: bool = False
    strips: str = ""
    cuts_after: float | None = None
    largest: int | None = None
    clock_ahead: int = 0
    echoes: bool = False
    leads_on: str = ""
    hides: str = ""
    publishes: str = ""
    drops: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on, and its answer back."""
        try:
            await self._pass(reader, writer)
        except TimeoutError:
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked, *headers = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        told = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
        length = int(told.get("content-length", "0"))
        if self.leads_on:
            return _say(writer, "308 Permanent Redirect", f"Location: {self.leads_on}")
        if self.publishes and f" {self.publishes} " in asked:
            return _say(writer, "200 OK", "Server: meddling")
        if self.hides and asked.startswith(self.hides):
            return _say(writer, "404 Not Found", "Server: meddling")
        if self.largest is not None and length > self.largest:
            return _say(writer, "413 Request Entity Too Large", "Server: meddling")
        body = await reader.readexactly(length)
        kept = [line for line in headers if line.partition(":")[0].lower() not in (self.strips, "connection", "expect")]
        where = urlsplit(self.upstream)
        answer, onwards = await asyncio.open_connection(where.hostname, where.port)
        try:
            head = "\r\n".join([asked, *kept, "Connection: close"])
            onwards.write(f"{head}\r\n\r\n".encode("latin-1") + body)
            async with asyncio.timeout(self.cuts_after if "/stream" in asked else None):
                await self._answer(answer, writer, told.get("origin"))
        finally:
            onwards.close()

    async def _answer(self, answer: asyncio.StreamReader, writer: asyncio.StreamWriter, origin: str | None) -> None:
        lines = (await answer.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
        if self.clock_ahead:
            date = format_datetime(datetime.now(UTC) + timedelta(seconds=self.clock_ahead), usegmt=True)
            lines = [f"date: {date}" if line.lower().startswith("date:") else line for line in lines]
        if self.echoes and origin:
            lines.append(f"Access-Control-Allow-Origin: {origin}")
        chunked = "transfer-encoding: chunked" in map(str.lower, lines)
        ours = ("connection", "content-length", "transfer-encoding", self.drops)
        lines = [
            line for line in lines if line.partition(":")[0].lower() not in ours
        ]  # the end of the connection tells
        if self.compresses:
            lines.append("Content-Encoding: gzip")
        packer = zlib.compressobj(wbits=31)
        head = "\r\n".join([*lines, "Connection: close"])
        writer.write(f"{head}\r\n\r\n".encode("latin-1"))
        collected = b""
        while read := await (_chunk(answer) if chunked else answer.read(65_536)):
            piece = packer.compress(read) if self.compresses else read
            if self.collects:
                collected += piece
            else:
                writer.write(piece)
                await writer.drain()
        writer.write(collected + (packer.flush() if self.compresses else b""))
        await writer.drain()


async def _chunk(answer: asyncio.StreamReader) -> bytes:
    size = int(await answer.readline(), 16)
    return (await answer.readexactly(size + 2))[:-2]


def _say(writer: asyncio.StreamWriter, status: str, header: str) -> None:
    body = f"<h1>{status}</h1>"
    writer.write(f"HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())


@asynccontextmanager
async def in_front(upstream: str, tls: ssl.SSLContext | None = None, **meddling: object) -> AsyncIterator[str]:
    """Meddle on a free loopback port, and give the URL."""
    proxy = Meddling(upstream, **meddling)  # pyright: ignore[reportArgumentType]
    talks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        talks.add(task)
        try:
            await proxy.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            talks.discard(task)

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls, limit=2**20) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
        finally:
            for talk in list(talks):
                talk.cancel()
