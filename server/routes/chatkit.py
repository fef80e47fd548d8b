"""Answers the one endpoint of OpenAI's ChatKit element, by the same threads, turns and rules as the rest."""

from collections.abc import AsyncGenerator, Awaitable
from typing import Annotated

from chatkit.types import (
    ErrorEvent,
    ThreadsAddUserMessageReq,
    ThreadsCreateReq,
    ThreadsRetryAfterItemReq,
    ThreadStreamEvent,
    is_streaming_req,
)
from fastapi import APIRouter, Header, Request, Response

from server.chatkit.asking import ask, retry, stream
from server.chatkit.reading import reply
from server.chatkit.sent import NotOffered, id_of, message_ids, question_of, read
from server.document import Responses, problems
from server.limits import Refused
from server.problems import Problem
from server.routes.deps import AskerDep, ServiceDep, SessionDep

router = APIRouter(tags=["chatkit"])

ANSWERED: Responses = {200: {"content": {"text/event-stream": {}, "application/json": {}}}}
SENT = {"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}}
"""What the schema says of a request: its many kinds are ChatKit's own."""


@router.post("/chatkit", response_class=Response, responses=ANSWERED | problems(404, 409, 429), openapi_extra=SENT)
async def chatkit(
    request: Request,
    service: ServiceDep,
    session: SessionDep,
    asker: AskerDep,
    chatkit_frame_instance_id: Annotated[str, Header()] = "",
    accept_language: Annotated[str, Header()] = "en",
) -> Response:
    """Answer a request of the element: with a stream where it asks or asks again, with JSON otherwise.

    What can be refused is refused before a stream begins; what goes wrong later is an event of the stream.
    """
    body = await request.body()
    locale = accept_language.partition(",")[0].partition(";")[0].strip()
    try:
        asked = read(body)
    except NotOffered as refused:
        if refused.streamed:
            return stream(_only(ErrorEvent(message=refused.detail)))
        raise Problem(422, "not_offered", refused.detail) from None
    match asked:
        case ThreadsCreateReq() | ThreadsAddUserMessageReq():
            ids = message_ids(session.id, chatkit_frame_instance_id, body)
            return await _or_said(ask(service, session.id, asker, question_of(asked), ids, locale))
        case ThreadsRetryAfterItemReq(params=params):
            thread_id, question_id = id_of(params.thread_id, "thread"), id_of(params.item_id, "message")
            return await _or_said(retry(service, session.id, asker, thread_id, question_id, locale))
        case _:
            assert not is_streaming_req(asked), "the other streams are not offered"
            given = await reply(service, session.id, asked, locale)
    return Response(given.model_dump_json(exclude_none=True) if given else "{}", media_type="application/json")


async def _or_said(answering: Awaitable[Response]) -> Response:
    """Answer, or say in the conversation that a limit is reached: of a problem the element shows no word."""
    try:
        return await answering
    except Refused as refused:
        return stream(_only(ErrorEvent(message=refused.detail, allow_retry=True)))


async def _only(event: ThreadStreamEvent) -> AsyncGenerator[ThreadStreamEvent]:
    yield event
