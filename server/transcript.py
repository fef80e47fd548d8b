"""What a turn has told so far, kept in memory: one writer, any number of readers, no queue between them.

Text and events only grow, so that a reader is a position in them. A slow one costs nothing and sees what came
meanwhile as one larger delta; a fast one sees the first words as soon as they are there. The writer is the turn itself
where it runs here, and a look at the store four times a second where it runs elsewhere.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from graph.events import Delta, Event, Passages, Status, VerdictGiven
from persistence.messages import AssistantMetadata, Message
from persistence.postgres import storable
from persistence.turns import Preface, Turn
from server.wire import End, MessageGiven, StreamEvent, TurnOpened, shown

STATUS_AFTER = 0.05
"""Seconds that a step must last to be told: a shorter one would only flicker, for the price of a packet."""


class Cursor(NamedTuple):
    """How far a reader is: so many code points of the text of an attempt."""

    attempt: int
    offset: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `attempt:offset`. Raises ValueError for anything else."""
        found = re.fullmatch(r"(0|[1-9][0-9]{0,8}):(0|[1-9][0-9]{0,8})", text, re.ASCII)
        if found is None:
            raise ValueError("a cursor is attempt:offset")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.attempt}:{self.offset}"


class Sent(NamedTuple):
    """An event for a reader, with the cursor after it."""

    cursor: Cursor
    event: StreamEvent


def closing(message: Message) -> tuple[MessageGiven, End]:
    """Return the two events that end the stream of a stored answer."""
    told = message.metadata
    assert isinstance(told, AssistantMetadata) and message.status not in ("running", "superseded")
    end = End(
        status=message.status,
        length=len(message.content),
        code=told.error.code if told.error else None,
        detail=told.error.detail if told.error else None,
        retry=None if message.status == "completed" else True,
        truncated=told.truncated or None,
    )
    return shown(MessageGiven, message), end


@dataclass(slots=True)
class Transcript:
    """A turn's text and events. It ends in `close`, or in `lose` when the turn goes on without this writer."""

    opened: TurnOpened
    preface: Preface
    text: str = ""
    events: list[tuple[int, Event]] = field(default_factory=list)
    """All but the text, each with the length of the text before it."""
    end: tuple[MessageGiven, End] | None = None
    lost: bool = False
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds after the beginning at which a step was reached."""
    _began: float = field(default_factory=time.perf_counter)
    _waiting: list[asyncio.Future[None]] = field(default_factory=list)
    """Readers who know all there is; in place of an Event, which takes a kilobyte for one of them."""
    _step: asyncio.TimerHandle | None = None
    """Tells the step that has just begun, unless something else comes sooner."""

    @classmethod
    def of_stored(cls, turn: Turn) -> Self:
        """Return the transcript of a turn as the store knows it, its text still to come."""
        label = turn.preface.label if turn.preface else AssistantMetadata.opening(turn.mode).label
        opened = TurnOpened(
            thread_id=turn.thread_id,
            turn_id=turn.id,
            user_message_id=turn.user_message_id,
            message_id=turn.message_id,
            mode=turn.mode,
            label=label,
            attempt=turn.attempt,
        )
        transcript = cls(opened, Preface(mode=turn.mode, label=label))
        transcript.catch_up(turn.preface or transcript.preface, "")
        return transcript

    def emit(self, event: Event) -> None:
        """Take an event of the graph; text is made storable first, so that what is shown is what is stored.

        A status counts only when it holds for `STATUS_AFTER`.
        """
        self._end_step()
        match event:
            case Status(step=step):
                self.reached(step)
                self._step = asyncio.get_running_loop().call_later(STATUS_AFTER, self._tell, event)
                return
            case Delta(text=text):
                if not self.text:
                    self.reached("first_text")
                self.text += storable(text)
            case _:
                if isinstance(event, Passages):
                    self.reached("passages")
                    self.preface = self.preface.model_copy(update={"passages": event.passages})
                elif isinstance(event, VerdictGiven):
                    self.reached("verdict")
                    self.preface = self.preface.model_copy(update={"verdict": event.verdict})
                self._tell(event)
        self._wake()

    def _tell(self, event: Event) -> None:
        self.events.append((len(self.text), event))
        self._wake()

    def _wake(self) -> None:
        for reader in self._waiting:
            if not reader.done():
                reader.set_result(None)
        self._waiting.clear()

    async def _change(self, silence: float | None) -> bool:
        """Wait for the next change, and tell whether it came within `silence` seconds."""
        reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(reader)
        try:
            async with asyncio.timeout(silence):
                await reader
        except TimeoutError:
            return False
        finally:
            if reader in self._waiting:
                self._waiting.remove(reader)
        return True

    def _end_step(self) -> None:
        if self._step:
            self._step.cancel()
            self._step = None

    def catch_up(self, preface: Preface, text: str) -> None:
        """Take what another worker has told since the last look; a verdict that comes behind text is its last word."""
        verdict = preface.verdict if preface.verdict != self.preface.verdict else None
        if preface.passages != self.preface.passages:
            self.emit(Passages(passages=preface.passages))
        if verdict and not self.text:
            self.emit(VerdictGiven(verdict=verdict))
        if text:
            self.emit(Delta(text=text))
        if verdict and verdict != self.preface.verdict:
            self.emit(VerdictGiven(verdict=verdict))

    @property
    def age(self) -> float:
        """Seconds since the beginning."""
        return time.perf_counter() - self._began

    def reached(self, step: str) -> None:
        """Note how long it took to get to `step`."""
        self.timings[step] = round(self.age, 4)

    def close(self, message: Message) -> None:
        """Let the readers go with the answer as it was stored."""
        self._end_step()
        self.text = message.content
        self.end = closing(message)
        self._wake()

    def lose(self) -> None:
        """Let the readers go without an end: the store knows what became of the turn."""
        self._end_step()
        self.lost = True
        self._wake()

    async def read(self, since: Cursor | None = None, silence: float | None = None) -> AsyncGenerator[Sent | None]:
        """Yield what a reader who got as far as `since` lacks, as it comes, until the turn ends or is lost, and None
        wherever nothing came for `silence` seconds.

        A reader of another attempt begins anew. Of the events before its text one who rejoins is told those that
        still hold.
        """
        attempt = self.opened.attempt
        reset = since is not None and since.attempt != attempt
        at = Cursor(attempt, 0) if since is None or reset else since
        yield Sent(at, self.opened.model_copy(update={"reset": reset}) if reset else self.opened)
        for event in self._standing(at.offset):
            yield Sent(at, event)
        read = sum(before < at.offset for before, _ in self.events)
        shown_length = at.offset
        while True:
            events, text, end, lost = self.events[read:], self.text, self.end, self.lost
            if not (events or end or lost or len(text) > shown_length):
                # Nothing is awaited between looking and waiting, so that no change is missed, however many read.
                if not await self._change(silence):
                    yield None
                continue
            read += len(events)
            for before, event in events:
                if before > shown_length:
                    yield Sent(Cursor(attempt, before), Delta(text=text[shown_length:before]))
                    shown_length = before
                yield Sent(Cursor(attempt, shown_length), event)
            if len(text) > shown_length:
                yield Sent(Cursor(attempt, len(text)), Delta(text=text[shown_length:]))
                shown_length = len(text)
            if end:
                for last in end:
                    yield Sent(Cursor(attempt, len(text)), last)
            if end or lost:
                return

    def _standing(self, offset: int) -> Iterator[Event]:
        """Yield the passages, or the last verdict, told before the text at `offset`."""
        told = [event for before, event in self.events if before < offset]
        for kind in (Passages, VerdictGiven):
            yield from [event for event in told if isinstance(event, kind)][-1:]
