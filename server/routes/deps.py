"""What routes ask for: the service, the session of whoever asks, and on which terms they do."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from persistence.sessions import Session
from server.limits import ADMIN_HEADER, Asker, is_admin
from server.problems import Problem, Unauthorized
from server.service import Service

_bearer = HTTPBearer(auto_error=False, description="The token that POST /sessions gave.")


# Coroutines, though they await nothing: FastAPI runs a plain function in a thread.


async def _service(request: Request) -> Service:
    return request.app.state.service


ServiceDep = Annotated[Service, Depends(_service)]


async def _given(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str | None:
    return bearer.credentials if bearer else None


BearerDep = Annotated[str | None, Depends(_given)]


async def _token(bearer: BearerDep) -> str:
    if bearer is None:
        raise Unauthorized()
    return bearer


TokenDep = Annotated[str, Depends(_token)]


async def _session(service: ServiceDep, token: TokenDep) -> Session:
    session = await service.sessions.authenticate(token)
    if session is None:
        raise Unauthorized()
    return session


SessionDep = Annotated[Session, Depends(_session)]


def asker_of(request: Request, service: Service, token: str = "") -> Asker:
    """Return who sent a request, and whether limits are lifted for it. Raises Problem for a wrong admin token."""
    if given := request.headers.get(ADMIN_HEADER):
        if not is_admin(given, service.settings):
            raise Problem(403, "admin_refused", "Citeside-Admin-Token is not the server's CITESIDE_ADMIN_TOKEN.")
        return Asker(token, unlimited=True)
    address = service.addresses.of(request.scope)
    return Asker(token, service.addresses.key(address) if address else None)


# It asks for nothing that has to be found first: each step on the way would cost every question 70 µs.
async def _asker(request: Request, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Asker:
    if bearer is None:
        raise Unauthorized()
    return asker_of(request, request.app.state.service, bearer.credentials)


AskerDep = Annotated[Asker, Depends(_asker)]
After = Annotated[UUID | None, Query(description="The last id of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100)]
