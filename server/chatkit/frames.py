"""Tells a turn that runs as the events of ChatKit's stream."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageContentPartAdded,
    AssistantMessageContentPartAnnotationAdded,
    AssistantMessageContentPartDone,
    AssistantMessageContentPartTextDelta,
    ErrorEvent,
    NoticeEvent,
    ProgressUpdateEvent,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadItemUpdatedEvent,
    ThreadStreamEvent,
)

from graph.citations import MarkerGate
from graph.errors import CitesideError
from graph.events import Delta, Status
from graph.texts import say
from server.chatkit.items import answer_item, opened_item
from server.logs import log_for
from server.problems import FAILURES, Problem
from server.transcript import Sent
from server.wire import End, MessageGiven, StreamEvent, TurnOpened

log = log_for(__name__)

TOGETHER = 0.04
"""Seconds of text that one delta carries: a frame of ChatKit's costs 170 bytes before its text."""


async def turn_events(
    opened: TurnOpened, events: AsyncGenerator[Sent | None], locale: str
) -> AsyncGenerator[ThreadStreamEvent | None]:
    """Yield what follows on `opened`, from the turn's own events to its end, whatever happens; None for a silence.

    What goes wrong is told as an event: the element asks all over again when a stream breaks off.
    """
    telling = Telling(opened, locale)
    async with aclosing(events):
        try:
            async for sent in events:
                if sent is None:
                    yield None
                    continue
                for told in telling.tell(sent.event):
                    yield told
                if isinstance(sent.event, Delta):
                    await asyncio.sleep(TOGETHER)  # what comes meanwhile is read as one
        except Problem as error:
            yield ErrorEvent(message=error.detail)
        except CitesideError as error:
            yield ErrorEvent(message=FAILURES.get(error.code, FAILURES["internal"]), allow_retry=True)
        except Exception as error:
            log.error("chatkit stream failed", turn_id=opened.turn_id, exc_info=error)
            yield ErrorEvent(message=FAILURES["internal"], allow_retry=True)


@dataclass(slots=True)
class Telling:
    """What the reader has been told of a turn: its attempt, and whether an item stands for its answer."""

    opened: TurnOpened
    locale: str
    shows_item: bool = False
    given: MessageGiven | None = None
    gate: MarkerGate = field(default_factory=lambda: MarkerGate(()))
    """Offers no passage, and so drops every marker of ours from streamed prose; code is left as it is."""

    def tell(self, event: StreamEvent) -> Iterator[ThreadStreamEvent]:
        """Yield an event of the turn in ChatKit's words."""
        match event:
            case TurnOpened():
                yield from self._begin(event)
            case Status(step=step):
                yield ProgressUpdateEvent(text=say(f"step_{step}", self.locale))
            case Delta(text=text):
                yield from self._write(text if self.opened.mode == "constrained" else self.gate.feed(text))
            case MessageGiven():
                self.given = event
            case End():
                yield from self._end(event)
            case _:  # passages and verdicts stand in the answer
                pass

    def _begin(self, opened: TurnOpened) -> Iterator[ThreadStreamEvent]:
        """Take note of who tells the turn now: the same attempt from another place, or another attempt."""
        if opened.attempt != self.opened.attempt:
            if self.shows_item:
                yield ThreadItemRemovedEvent(item_id=str(self.opened.message_id))
            self.opened, self.shows_item, self.gate = opened, False, MarkerGate(())

    def _write(self, text: str) -> Iterator[ThreadStreamEvent]:
        if text:
            yield from self._show_item()
            yield self._update(AssistantMessageContentPartTextDelta(content_index=0, delta=text))

    def _show_item(self) -> Iterator[ThreadStreamEvent]:
        if not self.shows_item:
            self.shows_item = True
            made = _made_at(self.opened.message_id)
            yield ThreadItemAddedEvent(item=opened_item(self.opened.thread_id, self.opened.message_id, made))
            part = AssistantMessageContent(text="")
            yield self._update(AssistantMessageContentPartAdded(content_index=0, content=part))

    def _end(self, end: End) -> Iterator[ThreadStreamEvent]:
        """Give the answer as it is stored, then say what went wrong."""
        assert self.given, "a turn tells its message before its end"
        item = answer_item(self.opened.thread_id, self.given, end, self.locale)
        (content,) = item.content
        yield from self._write(self.gate.flush())
        yield from self._show_item()
        for index, annotation in enumerate(content.annotations):
            added = AssistantMessageContentPartAnnotationAdded(
                content_index=0, annotation_index=index, annotation=annotation
            )
            yield self._update(added)
        yield self._update(AssistantMessageContentPartDone(content_index=0, content=content))
        yield ThreadItemDoneEvent(item=item)
        if end.status in ("failed", "interrupted"):
            yield ErrorEvent(message=end.detail, allow_retry=True)
        elif end.truncated:
            yield NoticeEvent(level="warning", message=say("cut_short", self.locale))

    def _update(
        self,
        update: AssistantMessageContentPartAdded
        | AssistantMessageContentPartTextDelta
        | AssistantMessageContentPartAnnotationAdded
        | AssistantMessageContentPartDone,
    ) -> ThreadItemUpdatedEvent:
        return ThreadItemUpdatedEvent(item_id=str(self.opened.message_id), update=update)


def _made_at(made: UUID) -> datetime:
    """Return when one of our ids was made: the first 48 bits of a UUIDv7 are milliseconds (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC)
