"""Asks a question: as one JSON answer, or as a stream of events while the answer comes."""

import asyncio
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse

from persistence.sessions import Session
from server.problems import failure, not_found
from server.requests import ChatRequest
from server.routes.deps import ServiceDep, SessionDep
from server.service import Service
from server.sse import STREAMED, TURN_ID, event_stream
from server.wire import ChatAnswer, TurnAccepted

router = APIRouter(tags=["chat"])

PATIENCE = 55.0
"""Seconds a plain request waits for its answer: below the 60 s after which common proxies give up."""


@router.post("/chat", response_model=ChatAnswer, responses={202: {"model": TurnAccepted}})
async def chat(asked: ChatRequest, service: ServiceDep, session: SessionDep, response: Response) -> object:
    """Ask and wait: 200 with the stored message, 202 with the turn's id when it takes longer than a proxy waits."""
    turn_id = await _start(service, session, asked)
    response.headers[TURN_ID] = str(turn_id)
    try:
        async with asyncio.timeout(PATIENCE):
            opened, message, end = await service.engine.result(session.id, turn_id)
    except TimeoutError:
        accepted = TurnAccepted(turn_id=turn_id)
        return JSONResponse(accepted.model_dump(mode="json"), 202, {TURN_ID: str(turn_id)})
    if not message.content:
        problem = failure(end.code or "interrupted", turn_id=str(turn_id))
        problem.headers = {**(problem.headers or {}), TURN_ID: str(turn_id)}
        raise problem
    return ChatAnswer(thread_id=opened.thread_id, turn_id=turn_id, message=message)


@router.post("/chat/stream", response_class=Response, responses=STREAMED)
async def chat_stream(asked: ChatRequest, service: ServiceDep, session: SessionDep) -> EventSourceResponse:
    """Ask and read along; a reader that leaves stops nothing."""
    turn_id = await _start(service, session, asked)
    return await event_stream(turn_id, service.engine.follow(session.id, turn_id))


async def _start(service: Service, session: Session, asked: ChatRequest) -> UUID:
    if asked.session_id not in (None, session.id):
        raise not_found("session")
    return await service.engine.start(session.id, asked)
