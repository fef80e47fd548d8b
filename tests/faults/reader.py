"""A reader as the contract describes one: it keeps what it was sent and its cursor, leaves, comes back, starts over.

It checks what every reader relies on: each `delta` ends where its cursor says, so no hole and no repeat; a stream goes
on where the reader was unless it says `reset`; what it holds at the end is what the message says.
"""

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import uuid4

import httpx

from tests.faults.fleet import Fleet, Worker

PATIENCE = 60.0
"""Seconds after which a case that waits for something has failed; only a hang takes so long."""


class Event(NamedTuple):
    """One server-sent event."""

    name: str
    cursor: str
    data: Any


class Events:
    """Takes a stream in whatever pieces it comes; `pings` counts its comments."""

    def __init__(self) -> None:
        self._held = b""
        self.pings = 0

    def feed(self, received: bytes) -> Iterator[Event]:
        """Yield the events that are whole now."""
        *blocks, self._held = (self._held + received).split(b"\r\n\r\n")
        for block in blocks:
            lines = block.decode().split("\r\n")
            self.pings += any(line.startswith(":") for line in lines)
            fields = dict(line.split(": ", 1) for line in lines if line and not line.startswith(":"))
            if fields:
                yield Event(fields["event"], fields.get("id", ""), json.loads(fields["data"]))


@dataclass
class Reader:
    """A reader of one turn. `problem` is the answer that was no stream, `broken` tells that the connection broke."""

    fleet: Fleet = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    text: str = ""
    cursor: str | None = None
    attempt: int | None = None
    turn: dict[str, Any] = field(default_factory=dict)
    message: dict[str, Any] | None = None
    end: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    status: int = 0
    problem: Any = None
    broken: bool = False
    resets: int = 0
    drops: int = 0
    pings: int = 0
    names: list[str] = field(default_factory=list)

    @classmethod
    async def arrive(cls, fleet: Fleet) -> "Reader":
        """Come with a session of one's own."""
        return cls(fleet, await fleet.arrive())

    def again(self) -> "Reader":
        """Return another reader of the same session, who has read nothing."""
        return Reader(self.fleet, self.headers)

    @property
    def turn_id(self) -> str:
        """The turn that is read."""
        return self.turn["turn_id"]

    async def request(self, method: str, path: str, worker: Worker | None = None, **options: Any) -> httpx.Response:
        """Send a request that is no stream, to any worker unless one is named."""
        headers = self.headers | options.pop("headers", {})
        where = (worker or self.fleet.any).url
        return await self.fleet.http.request(method, where + path, headers=headers, **options)

    async def ask(self, worker: Worker, question: str, *, leave: float | None = None, **body: Any) -> "Reader":
        """Ask and read, until the end or for `leave` seconds."""
        return await self._read(worker, "POST", "/chat/stream", {"message": question} | body, leave)

    async def retry(self, worker: Worker, attempt: int, *, leave: float | None = None) -> "Reader":
        """Have the turn answered anew in place of `attempt`, and read."""
        return await self._read(worker, "POST", f"/turns/{self.turn_id}/retry", {"attempt": attempt}, leave)

    async def rejoin(self, worker: Worker, *, leave: float | None = None) -> "Reader":
        """Read on from the cursor."""
        return await self._read(worker, "GET", f"/turns/{self.turn_id}/stream", None, leave)

    async def stop(self, worker: Worker) -> httpx.Response:
        """Stop the turn."""
        return await self.request("POST", f"/turns/{self.turn_id}/stop", worker)

    async def to_the_end(self, *workers: Worker, leave: float | None = None) -> "Reader":
        """Come back whenever the stream breaks off, and for `leave` at most stay, until the turn has ended."""
        async with asyncio.timeout(PATIENCE):
            while self.end is None:
                patience = leave and random.uniform(0.02, leave)
                await self.rejoin(random.choice(workers or self.fleet.workers), leave=patience)
                assert self.status in (0, 200, 503), self.problem
                if self.broken or self.error or self.status != 200:
                    await asyncio.sleep(0.1)
        return self

    async def holds(self, length: int) -> None:
        """Wait until so much text is there."""
        async with asyncio.timeout(PATIENCE):
            while len(self.text) < length:
                assert self.end is None and not self.problem, (self.end, self.problem)
                await asyncio.sleep(0.01)

    async def comes_to(self, attempt: int) -> None:
        """Wait until an attempt has begun; of the one before there may be text."""
        async with asyncio.timeout(PATIENCE):
            while self.attempt != attempt:
                assert not self.problem, self.problem
                await asyncio.sleep(0.01)

    async def _read(self, worker: Worker, method: str, path: str, body: Any, leave: float | None) -> "Reader":
        headers = self.headers | ({"Last-Event-ID": self.cursor} if self.cursor and method == "GET" else {})
        self.end, self.error, self.broken, self.problem, self.status = None, None, False, None, 0
        try:
            async with self.fleet.http.stream(method, worker.url + path, json=body, headers=headers) as response:
                self.status = response.status_code
                if self.status != 200:
                    self.problem = json.loads(await response.aread())
                    return self
                events = Events()
                async with asyncio.timeout(leave):
                    async for received in response.aiter_raw():
                        for event in events.feed(received):
                            self._take(event)
                        self.pings, events.pings = self.pings + events.pings, 0
        except TimeoutError:
            self.drops += 1
        except httpx.TransportError:
            self.broken = True
        return self

    def _take(self, event: Event) -> None:
        self.names.append(event.name)
        if event.name == "error":
            assert not event.cursor
            self.error = event.data
            return
        attempt, offset = map(int, event.cursor.split(":"))
        match event.name:
            case "turn":
                if event.data["reset"]:
                    self.text, self.message = "", None
                    self.resets += 1
                elif self.attempt is not None:
                    assert attempt == self.attempt, f"attempt {attempt} without a reset"
                self.turn, self.attempt = event.data, attempt
                assert attempt == event.data["attempt"]
            case "delta":
                self.text += event.data["text"]
            case "message":
                self.message = event.data
            case "end":
                assert event.data["length"] <= len(self.text), "the end says more than was sent"
                self.text, self.end = self.text[: event.data["length"]], event.data
                assert self.message and self.message["content"] == self.text
        assert attempt == self.attempt
        if event.name not in ("message", "end"):
            assert offset == len(self.text), f"{event.name} at {offset}, but {len(self.text)} are held"
        self.cursor = event.cursor


async def asking(fleet: Fleet, worker: Worker, question: str, **body: Any) -> tuple[Reader, asyncio.Task[Reader]]:
    """Have a new reader ask, and return it and its reading when the first text is there."""
    reader = await Reader.arrive(fleet)
    reading = asyncio.create_task(reader.ask(worker, question, **body))
    waiting = asyncio.create_task(reader.holds(1))
    await asyncio.wait({reading, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        raise AssertionError(f"no text came: {reading.result()}")
    await waiting
    return reader, reading


def client_message_id() -> str:
    """Return what makes a question safe to send twice."""
    return str(uuid4())
