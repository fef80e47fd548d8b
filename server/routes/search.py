"""Searches the docs without asking a model: also what is left when the model is down."""

from fastapi import APIRouter

from graph.types import Scope
from persistence.limits import Limited
from server.document import problems
from server.limits import refusal
from server.requests import Found, Line, Query
from server.routes.deps import AskerDep, ServiceDep, SessionDep
from server.wire import FoundPassage, SearchAnswer

router = APIRouter(tags=["search"])


@router.get("/search", responses=problems(429))
async def search(
    service: ServiceDep,
    _: SessionDep,
    asker: AskerDep,
    q: Query,
    version: Line | None = None,
    locale: Line | None = None,
    limit: Found = 5,
) -> SearchAnswer:
    """Return the passages nearest to a question, best first."""
    try:
        passages = await service.search(asker, q, Scope(version=version, locale=locale), limit)
    except Limited as limited:
        raise refusal(limited) from None
    return SearchAnswer(data=tuple(map(FoundPassage.of, passages)))
