"""Turns the events of a turn into Server-Sent Events."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from graph.errors import StoreUnavailable
from server.problems import Problem
from server.transcript import Sent
from server.wire import StreamError


async def encoded(events: AsyncGenerator[Sent]) -> AsyncGenerator[dict[str, str]]:
    """Yield what `EventSourceResponse` writes: the tag of each event is its name, the cursor after it is its id.

    A store that is away while a turn is read from it ends the stream in an `error` without an id, which says that the
    connection must be made again, and nothing about the turn. So does a turn that was deleted while it was read.
    """
    async with aclosing(events):
        try:
            async for cursor, event in events:
                yield {"event": event.event, "id": cursor, "data": event.model_dump_json(exclude={"event"})}
        except (StoreUnavailable, Problem) as error:
            failed = StreamError(code=error.code, retry=isinstance(error, StoreUnavailable))
            yield {"event": failed.event, "data": failed.model_dump_json(exclude={"event"})}
