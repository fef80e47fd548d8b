"""Turns the events of a turn into the Server-Sent Events of a response."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sse_starlette import EventSourceResponse

from graph.errors import StoreUnavailable
from server.problems import Problem
from server.transcript import Cursor, Sent
from server.wire import StreamError

if TYPE_CHECKING:
    from server.turns import TurnEngine

PING = 15.0  # seconds; proxies and the panel take a connection that is silent for longer for dead
SEND_TIMEOUT = 30.0  # seconds; a reader that takes nothing is dropped and may rejoin, its turn goes on
STOPPING = 24.0  # seconds that open streams get when the server stops: longer than the turns behind them
TURN_ID = "Citeside-Turn-Id"
STREAMED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""What a route that streams says of its answer in the schema."""


async def event_stream(
    engine: "TurnEngine", session_id: UUID, turn_id: UUID, since: Cursor | None = None
) -> EventSourceResponse:
    """Answer with a turn's events. What is wrong before the first of them is raised, and so answered with a problem.

    The pings come with the events: the library's own would be one more task for each stream.
    """
    events = engine.follow(session_id, turn_id, since, silence=PING)
    first = await anext(events)
    return sse_response(encoded(first, events), turn_id)


def sse_response(
    frames: AsyncGenerator[dict[str, str]], turn_id: UUID | None, *, newline: str = "\r\n"
) -> EventSourceResponse:
    """Answer with frames as they come, naming the turn they tell of when there is one."""
    return EventSourceResponse(
        frames,
        headers={TURN_ID: str(turn_id)} if turn_id else None,
        ping=0,
        sep=newline,
        send_timeout=SEND_TIMEOUT,
        shutdown_grace_period=STOPPING,
    )


async def encoded(first: Sent | None, events: AsyncGenerator[Sent | None]) -> AsyncGenerator[dict[str, str]]:
    """Yield what `EventSourceResponse` writes: the tag of each event is its name, the cursor after it is its id.

    A store that is away while a turn is read from it ends the stream in an `error` without an id, which says that the
    connection must be made again, and nothing about the turn. So does a turn that was deleted while it was read.
    """
    async with aclosing(events):
        yield _frame(first)
        try:
            async for sent in events:
                yield _frame(sent)
        except (StoreUnavailable, Problem) as error:
            failed = StreamError(code=error.code, retry=isinstance(error, StoreUnavailable))
            yield {"event": failed.event, "data": failed.model_dump_json(exclude={"event"})}


def _frame(sent: Sent | None) -> dict[str, str]:
    if sent is None:
        return {"comment": "ping"}
    event = sent.event
    return {"event": event.event, "id": str(sent.cursor), "data": event.model_dump_json(exclude={"event"})}
