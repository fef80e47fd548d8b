"""Searches the docs without asking a model: also what is left when the model is down."""

from fastapi import APIRouter

from graph.types import Scope
from server.requests import Found, Line, Query
from server.routes.deps import ServiceDep, SessionDep
from server.wire import FoundPassage, SearchAnswer

router = APIRouter(tags=["search"])


@router.get("/search")
async def search(
    service: ServiceDep,
    _: SessionDep,
    q: Query,
    version: Line | None = None,
    locale: Line | None = None,
    limit: Found = 5,
) -> SearchAnswer:
    """Return the passages nearest to a question, best first."""
    passages = await service.search(q, Scope(version=version, locale=locale), limit)
    return SearchAnswer(data=tuple(map(FoundPassage.of, passages)))
