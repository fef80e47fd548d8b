"""Readers that cost next to nothing: they ask, follow a stream of events, and count the tokens in it."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import httptools

from evals.bench.turns.plan import Load
from evals.bench.turns.stamps import elapsed_us, now, stamps
from evals.bench.turns.targets import Kind

PATIENCE = 60.0
"""Seconds for one turn."""

QUESTION = "When does a session expire?"

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_NAME = re.compile(rb"^event: ?(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is read, with an authorization for each reader where it wants one."""

    kind: Kind
    port: int
    pid: int
    bearers: Sequence[str] = ()

    def request(self, reader: int) -> bytes:
        """Return the request by which a reader asks."""
        body = json.dumps({"message": QUESTION}).encode()
        bearer = f"authorization: Bearer {self.bearers[reader]}\r\n" if self.bearers else ""
        head = (
            f"POST {self.kind.path} HTTP/1.1\r\nhost: 127.0.0.1:{self.port}\r\n{bearer}"
            f"content-type: application/json\r\naccept: text/event-stream\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Answer:
    """What came of one turn; times in microseconds of the clock of `stamps`."""

    asked: int = field(default_factory=now)
    first_written: int | None = None
    first_read: int | None = None
    tokens: int = 0
    events: int = 0
    """Those with text."""
    delays: list[int] = field(default_factory=list)
    """From the model to the reader, of each token."""
    failure: str | None = None

    @property
    def up_ms(self) -> float:
        """From the question to the model's first token: what the server does before the model speaks."""
        return self.first_ms - self.down_ms

    @property
    def down_ms(self) -> float:
        """From the model's first token to the reader."""
        assert self.first_written is not None and self.first_read is not None
        return elapsed_us(self.first_written, self.first_read) / 1e3

    @property
    def first_ms(self) -> float:
        """From the question to the first token."""
        assert self.first_read is not None
        return (self.first_read - self.asked) / 1e3


class Reader(asyncio.Protocol):
    """One connection, kept between turns."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._transport: asyncio.Transport | None = None
        self._answer = Answer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where questions go."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the turn that was being read."""
        self._transport = None
        if not self._ended.done():
            self._ended.set_exception(ConnectionError("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        """Read the answer."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()  # which ends the turn

    def on_body(self, body: bytes) -> None:
        """Count the tokens of each whole event that carries text."""
        *events, self._unread = _BLANK_LINE.split(self._unread + body)
        read_at = now()
        for event in events:
            name = _NAME.search(event)
            if (name[1] if name else b"") != self._kind.text_event or not (written := stamps(event)):
                continue
            answer = self._answer
            if answer.first_read is None:
                answer.first_written, answer.first_read = written[0], read_at
            answer.delays += [elapsed_us(stamp, read_at) for stamp in written]
            answer.tokens += len(written)
            answer.events += 1

    def on_message_complete(self) -> None:
        """End the turn."""
        if not self._ended.done():
            self._ended.set_result(self._parser.get_status_code())

    async def ask(self, port: int, request: bytes, tokens: int) -> Answer:
        """Read one turn to its end; `failure` tells when that was not 200 with all `tokens`."""
        loop = asyncio.get_running_loop()
        answer = self._answer = Answer()
        self._parser, self._unread = httptools.HttpResponseParser(self), b""
        self._ended: asyncio.Future[int] = loop.create_future()
        try:
            async with asyncio.timeout(PATIENCE):
                if self._transport is None:
                    await loop.create_connection(lambda: self, "127.0.0.1", port)
                assert self._transport
                answer.asked = now()
                self._transport.write(request)
                status = await self._ended
        except (OSError, TimeoutError) as error:
            answer.failure = f"{type(error).__name__} after {answer.tokens} of {tokens} tokens"
            return answer
        if status != 200 or answer.tokens != tokens:
            answer.failure = f"HTTP {status} with {answer.tokens} of {tokens} tokens"
        return answer

    def close(self) -> None:
        """Leave, also in the middle of a turn."""
        if self._transport:
            self._transport.abort()
            self._transport = None


async def read(target: Target, load: Load) -> list[Answer]:
    """Have `load` read, and return all its turns, also those that failed."""

    async def reader(number: int) -> list[Answer]:
        await asyncio.sleep(load.ramp * number / load.streams)
        connection, request = Reader(target.kind), target.request(number)
        answers: list[Answer] = []
        try:
            for _ in range(load.turns):
                answers.append(await connection.ask(target.port, request, load.tokens))
                if answers[-1].failure:
                    connection.close()
                    connection = Reader(target.kind)
        finally:
            connection.close()
        return answers

    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(reader(number)) for number in range(load.streams)]
    return [answer for task in reading for answer in task.result()]


def failures(answers: Sequence[Answer]) -> dict[str, int]:
    """Return how often each failure came."""
    return dict(Counter(answer.failure for answer in answers if answer.failure))
