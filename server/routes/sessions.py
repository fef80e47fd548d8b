"""A reader's session: given out, downloaded, erased."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from persistence.limits import Limited
from server.document import problems
from server.limits import refusal
from server.proofs import check_proof
from server.requests import SessionRequest
from server.routes.deps import ServiceDep, SessionDep, asker_of
from server.wire import SessionGiven

router = APIRouter(tags=["sessions"])


@router.post("/sessions", status_code=201, responses=problems(429, 503))
async def create_session(request: Request, service: ServiceDep, asked: SessionRequest | None = None) -> SessionGiven:
    """Give out a session; its token is shown this once."""
    asker = asker_of(request, service)
    if service.verify and not asker.unlimited:
        await check_proof(service.verify, asked.proof if asked else None, service.addresses.of(request.scope))
    try:
        session, token = await service.sessions.create(
            user_key=asked.user_key if asked else None, charges=service.tariff.session(asker)
        )
    except Limited as limited:
        raise refusal(limited) from None
    return SessionGiven(session_id=session.id, token=token, expires_at=session.expires_at)


@router.get(
    "/sessions/me/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def export_session(service: ServiceDep, session: SessionDep) -> StreamingResponse:
    """Return everything that is stored about this reader, as it is read: it may be long."""
    pieces = service.sessions.export(session.id)
    first = await anext(pieces)  # a database that is away is told before an answer has begun

    async def whole() -> AsyncIterator[str]:
        async with aclosing(pieces):
            yield first
            async for piece in pieces:
                yield piece

    return StreamingResponse(whole(), media_type="application/json")


@router.delete("/sessions/me", status_code=204)
async def erase_session(service: ServiceDep, session: SessionDep) -> None:
    """Stop what runs and erase everything that is stored about this reader; the token is worth nothing afterwards."""
    await service.sessions.erase(session.id)
