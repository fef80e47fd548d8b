"""Searches the docs without asking a model: also what is left when the model is down."""

from typing import Annotated

from fastapi import APIRouter, Query

from graph.terms import composed
from graph.types import Scope
from server.requests import MESSAGE_LIMIT, STORABLE, Line
from server.routes.deps import ServiceDep, SessionDep
from server.wire import FoundPassage, SearchAnswer

router = APIRouter(tags=["search"])


@router.get("/search")
async def search(
    service: ServiceDep,
    _: SessionDep,
    q: Annotated[str, Query(min_length=1, max_length=MESSAGE_LIMIT), STORABLE],
    version: Line | None = None,
    locale: Line | None = None,
    limit: Annotated[int, Query(ge=1, le=20)] = 5,
) -> SearchAnswer:
    """Return the passages nearest to a question, best first."""
    q = await service.scrub.text(q, MESSAGE_LIMIT)
    passages = await service.retriever.search(composed(q), scope=Scope(version=version, locale=locale), limit=limit)
    return SearchAnswer(data=tuple(map(FoundPassage.of, passages)))
