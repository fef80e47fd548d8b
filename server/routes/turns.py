"""A turn that was asked for: how it stands, read along, stopped, answered again."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Response
from sse_starlette import EventSourceResponse

from server.document import problems
from server.problems import Problem, not_found
from server.requests import RetryRequest
from server.routes.deps import AskerDep, ServiceDep, SessionDep
from server.sse import STREAMED, event_stream
from server.transcript import Cursor
from server.wire import TurnState

router = APIRouter(prefix="/turns/{turn_id}", tags=["turns"], responses=problems(404))


@router.get("")
async def get_turn(service: ServiceDep, session: SessionDep, turn_id: UUID) -> TurnState:
    """Return how a turn stands."""
    turn = await service.turns.get(session.id, turn_id)
    if turn is None:
        raise not_found("turn")
    return TurnState.model_validate(dict(turn))


@router.get("/stream", response_class=Response, responses=STREAMED | problems(400))
async def stream_turn(
    service: ServiceDep,
    session: SessionDep,
    turn_id: UUID,
    last_event_id: Annotated[str | None, Header(description="The id of the last event that arrived.")] = None,
) -> EventSourceResponse:
    """Read a turn from where a reader was cut off, or from its beginning."""
    return await event_stream(service.engine, session.id, turn_id, _cursor(last_event_id))


@router.post("/stop")
async def stop_turn(service: ServiceDep, session: SessionDep, turn_id: UUID) -> TurnState:
    """Stop a turn and keep what it wrote; one that ended stays as it is."""
    return TurnState.model_validate(dict(await service.engine.stop(session.id, turn_id)))


@router.post("/retry", response_class=Response, responses=STREAMED | problems(409, 429))
async def retry_turn(
    service: ServiceDep, session: SessionDep, asker: AskerDep, turn_id: UUID, asked: RetryRequest
) -> EventSourceResponse:
    """Answer the last question of a thread again and read along; the answer before is kept, but no longer listed."""
    await service.engine.retry(session.id, turn_id, asked.attempt, asker)
    return await event_stream(service.engine, session.id, turn_id, Cursor(asked.attempt, 0))


def _cursor(last_event_id: str | None) -> Cursor | None:
    if not last_event_id:
        return None
    try:
        return Cursor.parse(last_event_id)
    except ValueError:
        detail = "Last-Event-ID must be the id of an event of this turn, such as 1:87."
        raise Problem(400, "bad_last_event_id", detail) from None
