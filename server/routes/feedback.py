"""Takes a reader's opinion of an answer."""

from uuid import UUID

from fastapi import APIRouter

from server.document import problems
from server.problems import not_found
from server.requests import FeedbackRequest
from server.routes.deps import ServiceDep, SessionDep

router = APIRouter(tags=["messages"])


@router.put("/messages/{message_id}/feedback", status_code=204, responses=problems(404))
async def put_feedback(service: ServiceDep, session: SessionDep, message_id: UUID, given: FeedbackRequest) -> None:
    """Keep the reader's opinion of an answer, in place of an earlier one; a trace gets it too."""
    if not await service.take_opinion(session.id, message_id, given):
        raise not_found("message")
