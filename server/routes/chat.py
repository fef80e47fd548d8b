"""Asks a question: as one JSON answer, or as a stream of events while the answer comes."""

import asyncio

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse

from server.document import problems
from server.problems import failure
from server.requests import ChatRequest
from server.routes.deps import AskerDep, ServiceDep
from server.sse import STREAMED, TURN_ID, event_stream
from server.wire import ChatAnswer, TurnAccepted

router = APIRouter(tags=["chat"])

PATIENCE = 55.0
"""Seconds a plain request waits for its answer: below the 60 s after which common proxies give up."""


@router.post("/chat", response_model=ChatAnswer, responses={202: {"model": TurnAccepted}} | problems(404, 409, 429))
async def chat(asked: ChatRequest, service: ServiceDep, asker: AskerDep, response: Response) -> object:
    """Ask and wait: 200 with the stored message, 202 with the turn's id when it takes longer than a proxy waits."""
    turn = await service.engine.start(asker, asked)
    turn_id = str(turn.turn_id)
    response.headers[TURN_ID] = turn_id
    try:
        async with asyncio.timeout(PATIENCE):
            opened, message, end = await service.engine.result(turn.session_id, turn.turn_id)
    except TimeoutError:
        accepted = TurnAccepted(turn_id=turn.turn_id)
        return JSONResponse(accepted.model_dump(mode="json"), 202, {TURN_ID: turn_id})
    if not message.content:
        problem = failure(end.code or "interrupted", turn_id=turn_id)
        problem.headers = {**(problem.headers or {}), TURN_ID: turn_id}
        raise problem
    return ChatAnswer(thread_id=opened.thread_id, turn_id=turn.turn_id, message=message)


@router.post("/chat/stream", response_class=Response, responses=STREAMED | problems(404, 409, 429))
async def chat_stream(asked: ChatRequest, service: ServiceDep, asker: AskerDep) -> EventSourceResponse:
    """Ask and read along; a reader that leaves stops nothing."""
    turn = await service.engine.start(asker, asked)
    return await event_stream(service.engine, turn.session_id, turn.turn_id)
