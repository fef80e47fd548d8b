"""Reads a turn over the network and notes when each piece of it arrived."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

from server.doctor.remote import Deployment

ENCODINGS = {"Accept-Encoding": "gzip"}
"""Offered as browsers do: a proxy that compresses streams does so only then."""


class Seen(NamedTuple):
    """An event and when it arrived, in seconds after the request; a comment has no name."""

    at: float
    name: str
    id: str
    data: Any


@dataclass(slots=True)
class Stream:
    """One response: what arrived, when, and what ended it."""

    status: int = 0
    headers: httpx.Headers = field(default_factory=httpx.Headers)
    events: list[Seen] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)
    body: bytes = b""
    broken: str = ""
    ended: float = 0.0

    @property
    def text(self) -> str:
        """The text of all its deltas."""
        return "".join(seen.data["text"] for seen in self.events if seen.name == "delta")

    def of(self, name: str) -> list[Seen]:
        """Return its events of that name."""
        return [seen for seen in self.events if seen.name == name]

    @property
    def silence(self) -> float:
        """The longest time between two reads, in seconds."""
        return max((later - read for read, later in zip(self.reads, self.reads[1:], strict=False)), default=0.0)


@dataclass(slots=True)
class Watched:
    """A turn that was read from its beginning, and a second time from the middle on, as after a lost connection."""

    stream: Stream
    cut: str = ""
    rejoined: Stream | None = None
    state: dict[str, Any] = field(default_factory=dict)


async def watch(deployment: Deployment, body: dict[str, Any]) -> Watched:
    """Ask, read to the end, and rejoin behind the first text while the answer still comes."""
    watched = Watched(Stream())
    rejoining: list[asyncio.Task[None]] = []

    def saw(event: Seen) -> None:
        if event.name == "delta" and not rejoining:
            watched.cut = event.id
            watched.rejoined = Stream()
            path = f"/turns/{watched.stream.of('turn')[0].data['turn_id']}/stream"
            headers = deployment.headers | ENCODINGS | {"Last-Event-ID": event.id}
            request = deployment.client.build_request("GET", path, headers=headers, timeout=_READING)
            rejoining.append(asyncio.create_task(_read(deployment.client, request, watched.rejoined)))

    headers = deployment.headers | ENCODINGS
    request = deployment.client.build_request("POST", "/chat/stream", json=body, headers=headers, timeout=_READING)
    await _read(deployment.client, request, watched.stream, saw)
    for task in rejoining:
        await task
    if opened := watched.stream.of("turn"):
        state = await deployment.client.get(f"/turns/{opened[0].data['turn_id']}", headers=deployment.headers)
        watched.state = state.json() if state.status_code == 200 else {}
    return watched


_READING = httpx.Timeout(20.0, read=70.0)
"""More than the pings' 15 s, and than the minute after which common proxies cut a silent stream."""


async def _read(
    client: httpx.AsyncClient, request: httpx.Request, stream: Stream, saw: Callable[[Seen], None] = lambda _: None
) -> None:
    """Read a response to its end, or to where it broke off."""
    began = time.monotonic()
    rest = b""
    try:
        response = await client.send(request, stream=True)
        stream.status, stream.headers = response.status_code, response.headers
        try:
            async for read in response.aiter_bytes():
                at = time.monotonic() - began
                stream.reads.append(at)
                stream.body += read[: max(0, _KEPT - len(stream.body))]
                *blocks, rest = (rest + read).replace(b"\r\n", b"\n").split(b"\n\n")
                for event in filter(None, (_parsed(at, block) for block in blocks)):
                    stream.events.append(event)
                    saw(event)
        finally:
            await response.aclose()
    except (httpx.TransportError, httpx.DecodingError) as error:
        stream.broken = type(error).__name__
    stream.ended = time.monotonic() - began


_KEPT = 4_096
"""Bytes of a body that are kept, for an error answer."""


def _parsed(at: float, block: bytes) -> Seen | None:
    """Read one event or comment; what is neither is nothing."""
    try:
        lines = block.decode().split("\n")
        if lines[0].startswith(":"):
            return Seen(at, "", "", lines[0][1:].strip())
        fields = dict(line.split(": ", 1) for line in lines)
        return Seen(at, fields["event"], fields.get("id", ""), json.loads(fields["data"]))
    except (ValueError, KeyError):
        return None
