"""What routes ask for: the service, and the session of whoever asks."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from persistence.sessions import Session
from server.problems import Unauthorized
from server.service import Service

_bearer = HTTPBearer(auto_error=False, description="The token that POST /sessions gave.")


# Coroutines, though they await nothing: FastAPI runs a plain function in a thread.


async def _service(request: Request) -> Service:
    return request.app.state.service


ServiceDep = Annotated[Service, Depends(_service)]


async def _token(bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    if bearer is None:
        raise Unauthorized()
    return bearer.credentials


TokenDep = Annotated[str, Depends(_token)]


async def _session(service: ServiceDep, token: TokenDep) -> Session:
    session = await service.sessions.authenticate(token)
    if session is None:
        raise Unauthorized()
    return session


SessionDep = Annotated[Session, Depends(_session)]
After = Annotated[UUID | None, Query(description="The last id of the page before.")]
Limit = Annotated[int, Query(ge=1, le=100)]
