"""What a running turn has told so far, kept in memory: one writer, any number of readers, no queue between them.

Text and events only grow, so that a reader is a position in them. A slow one costs nothing and sees what came
meanwhile as one larger delta; a fast one sees the first words as soon as they are there.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import NamedTuple

from graph.events import Delta, Event, Passages, VerdictGiven
from persistence.messages import AssistantMetadata, Message
from persistence.postgres import storable
from persistence.turns import Preface
from server.wire import End, MessageGiven, StreamEvent, TurnOpened, shown


class Sent(NamedTuple):
    """An event for a reader, with the cursor after it: `attempt:offset` in code points."""

    cursor: str
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
    """A turn's text and events. It ends in `close`, or in `lose` when the turn went on without this worker."""

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
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def emit(self, event: Event) -> None:
        """Take an event of the graph; text is made storable first, so that what is shown is what is stored."""
        match event:
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
                self.events.append((len(self.text), event))
        self._changed.set()

    def reached(self, step: str) -> None:
        """Note how long it took to get to `step`."""
        self.timings[step] = round(time.perf_counter() - self._began, 4)

    def close(self, message: Message) -> None:
        """Let the readers go with the answer as it was stored."""
        self.end = closing(message)
        self._changed.set()

    def lose(self) -> None:
        """Let the readers go without an end: the store knows what became of the turn."""
        self.lost = True
        self._changed.set()

    async def read(self) -> AsyncGenerator[Sent]:
        """Yield everything from the beginning, as it comes, until the turn ends or is lost."""
        yield self._sent(0, self.opened)
        read = shown_length = 0
        while True:
            events, text, end, lost = self.events[read:], self.text, self.end, self.lost
            if not (events or end or lost or len(text) > shown_length):
                # Nothing is awaited between looking and waiting, so that no change is missed, however many read.
                self._changed.clear()
                await self._changed.wait()
                continue
            read += len(events)
            for before, event in events:
                if before > shown_length:
                    yield self._sent(before, Delta(text=text[shown_length:before]))
                    shown_length = before
                yield self._sent(before, event)
            if len(text) > shown_length:
                yield self._sent(len(text), Delta(text=text[shown_length:]))
                shown_length = len(text)
            if end:
                for last in end:
                    yield self._sent(shown_length, last)
            if end or lost:
                return

    def _sent(self, offset: int, event: StreamEvent) -> Sent:
        return Sent(f"{self.opened.attempt}:{offset}", event)
