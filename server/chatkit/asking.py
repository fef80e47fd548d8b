"""Asks, or asks again, and streams what comes of it."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from uuid import UUID

from chatkit.types import (
    StreamOptions,
    StreamOptionsEvent,
    ThreadCreatedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadStreamEvent,
    ThreadUpdatedEvent,
)
from sse_starlette import EventSourceResponse

from graph.errors import CitesideError
from server.chatkit.frames import turn_events
from server.chatkit.items import question_item, thread_of
from server.limits import Asker
from server.logs import log_for
from server.problems import not_found
from server.requests import ChatRequest
from server.service import Service
from server.sse import PING, sse_response
from server.wire import TurnOpened

log = log_for(__name__)

Opening = Callable[[TurnOpened], Awaitable[Sequence[ThreadStreamEvent]]]
"""Finds what a stream tells before its turn."""


async def ask(
    service: Service, session_id: UUID, asker: Asker, asked: ChatRequest, message_ids: tuple[UUID, UUID], locale: str
) -> EventSourceResponse:
    """Ask, or join the turn of a body that is sent again because its stream broke off.

    A body whose stream was read to its end, or whose turn was stopped, asks anew. Raises Problem as
    `TurnEngine.start` does.
    """
    turn_id = await service.turns.sent_as(session_id, message_ids)
    if turn_id is None:
        asked = asked.model_copy(update={"client_message_id": message_ids[0]})
        turn_id = (await service.engine.start(asker, asked)).turn_id

    async def opening(opened: TurnOpened) -> Sequence[ThreadStreamEvent]:
        question = await service.messages.get(session_id, opened.user_message_id)
        thread = await service.threads.get(session_id, opened.thread_id)
        if question is None or thread is None:
            raise not_found("thread")
        told: list[ThreadStreamEvent] = [ThreadItemDoneEvent(item=question_item(question))]
        if asked.thread_id is None:
            told.insert(0, ThreadCreatedEvent(thread=thread_of(thread)))
        elif question.seq == 1:  # the first question gives a thread its title
            told.insert(0, ThreadUpdatedEvent(thread=thread_of(thread)))
        return told

    return await _stream(service, session_id, turn_id, opening, locale)


async def retry(
    service: Service, session_id: UUID, asker: Asker, thread_id: UUID, question_id: UUID, locale: str
) -> EventSourceResponse:
    """Answer a thread's last question again, or read along where that is being done.

    The answer before is kept, superseded. Raises Problem when the question is unknown or not the last.
    """
    question = await service.messages.get(session_id, question_id)
    if question is None or question.thread_id != thread_id or question.role != "user":
        raise not_found("message")
    turn = await service.turns.get(session_id, question.turn_id)
    if turn is None:
        raise not_found("turn")
    if turn.status != "running":
        await service.engine.retry(session_id, turn.id, turn.attempt, asker)

    async def opening(opened: TurnOpened) -> Sequence[ThreadStreamEvent]:
        former = await service.messages.answer_id(session_id, opened.turn_id, opened.attempt - 1)
        return [ThreadItemRemovedEvent(item_id=str(former))] if former else []

    return await _stream(service, session_id, turn.id, opening, locale)


async def _stream(
    service: Service, session_id: UUID, turn_id: UUID, opening: Opening, locale: str
) -> EventSourceResponse:
    events = service.engine.follow(session_id, turn_id, silence=PING)
    try:
        first = await anext(events)
        assert first and isinstance(first.event, TurnOpened), "a turn tells first which it is"
        opened = first.event
        before = await opening(opened)
    except BaseException:
        await events.aclose()
        raise

    async def told() -> AsyncGenerator[ThreadStreamEvent | None]:
        for event in before:
            yield event
        yield StreamOptionsEvent(stream_options=StreamOptions(allow_cancel=True))
        written = False
        async with aclosing(turn_events(opened, events, locale)) as after:
            async for event in after:
                written = written or isinstance(event, ThreadItemDoneEvent)
                yield event
        if written:
            await _let_ask_again(service, session_id, turn_id)

    return stream(told(), turn_id)


async def _let_ask_again(service: Service, session_id: UUID, turn_id: UUID) -> None:
    try:
        await service.turns.give_up_id(session_id, turn_id)
    except CitesideError as error:
        # The same words would join this turn for a minute more: no reason to end in an error.
        log.warning("turn keeps its message id", turn_id=turn_id, exc_info=error)


def stream(events: AsyncGenerator[ThreadStreamEvent | None], turn_id: UUID | None = None) -> EventSourceResponse:
    """Answer with events, each a frame with nothing but its data, as the element's own server writes them; None is a
    ping."""

    async def frames() -> AsyncGenerator[dict[str, str]]:
        async with aclosing(events):
            async for event in events:
                yield {"data": event.model_dump_json(exclude_none=True)} if event else {"comment": "ping"}

    return sse_response(frames(), turn_id, newline="\n")
